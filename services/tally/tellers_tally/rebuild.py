"""Empties the projections and rebuilds them from the log, the tree too.

On the way the log is compared with every checkpoint that was signed of it: one that was
edited is refused, whatever projections it would give.

Takes the lease by force, so a running tally process stands by and goes on afterwards
from what was rebuilt. Readers see the old projections until the new ones are there:
one transaction swaps them.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from tellers_core.codec import LogName
from tellers_core.merkle import Frontier, Node
from tellers_core.tally import encode_tally
from tellers_runtime.archive.engine import open_engine
from tellers_runtime.archive.reading import Position
from tellers_runtime.archive.trees import Grown, TreeBroken, grow, leaf_of
from tellers_runtime.clients import Clients
from tellers_runtime.log import Entry, LogReader, TallyChannel
from tellers_runtime.together import in_thread
from tellers_tally.lease import leading_by_force
from tellers_tally.projector import Projector
from tellers_tally.settings import TallySettings
from tellers_tally.store import Batch, Store
from tellers_tally.worker import check_same

# A longer reply is out of the processor's caches before it is counted.
READ_AT_ONCE = 500


class Rebuilt(NamedTuple):
    """What was done: `seconds` from the first read to the commit; `changed` roll calls
    whose tally or votes are not, column for column, what they were."""

    log: LogName
    events: int
    seconds: float
    changed: int


async def rebuild_all(settings: TallySettings) -> list[Rebuilt]:
    """Rebuild every log of these settings. Raises LogLost."""
    redis = Clients(settings.redis_url, "tellers-rebuild")
    engine = open_engine(settings.archive_url)
    store = Store(engine, settings.lease_name, "rebuild")
    done = []
    try:
        async with leading_by_force(store, settings.lease_seconds):
            for log in settings.logs:
                position = await in_thread(store.read.position, log)
                if position is not None:
                    of_log = redis.of(log.chamber)
                    reader, channel = LogReader(of_log, log), TallyChannel(of_log, log)
                    done.append(await rebuild(reader, channel, store, position))
        return done
    finally:
        await redis.aclose()
        engine.dispose()


async def rebuild(
    reader: LogReader, channel: TallyChannel, store: Store, position: Position
) -> Rebuilt:
    """Rebuild one log whose lease we hold."""
    started = time.monotonic()
    await check_same(reader, store, position)
    audit = Audit(reader.log, await in_thread(store.proofs.roots, reader.log))
    batch = await project(reader, position, audit.take)
    if not batch.last_seq:
        return Rebuilt(reader.log, 0, time.monotonic() - started, 0)
    changed = await in_thread(
        store.replace, reader.log, position.epoch, position.seq, batch, audit.tree
    )
    seconds = time.monotonic() - started
    tallies = [tally for name, tally in batch.tallies.items() if name in changed]
    await channel.publish([encode_tally(tally) for tally in tallies], batch.last_seq)
    return Rebuilt(reader.log, batch.last_seq, seconds, len(changed))


class Audit:
    """Grows a log's tree from its beginning, and compares it with what was signed.

    Args:
        roots: the root of each size that was signed.
    """

    def __init__(self, log: LogName, roots: Mapping[int, bytes]) -> None:
        self._log = log
        self._roots = roots
        self._frontier = Frontier()
        self._nodes: list[Node] = []

    @property
    def tree(self) -> Grown:
        """The tree over all entries so far."""
        return Grown(self._frontier, self._nodes)

    def take(self, entries: Sequence[Entry]) -> None:
        """The next entries. Raises TreeBroken when one of them, or one before, was
        edited."""
        start = 0
        for end, entry in enumerate(entries, 1):
            if entry.seq in self._roots:
                self._grow(entries[start:end])
                self._compare(entry.seq)
                start = end
        self._grow(entries[start:])

    def _grow(self, entries: Sequence[Entry]) -> None:
        leaves = (leaf_of(self._log, entry.seq, entry.body) for entry in entries)
        self._frontier, nodes = grow(self._frontier, leaves)
        self._nodes += nodes

    def _compare(self, seq: int) -> None:
        if self._roots[seq] != self._frontier.root():
            raise TreeBroken(
                f"the log of {self._log} is not the one that was signed at "
                f"{seq}: an entry up to there was edited"
            )


async def project(
    reader: LogReader, position: Position, witness: Callable[[Sequence[Entry]], None]
) -> Batch:
    """The projections of a whole log, and its entries that are not archived yet; all
    entries are shown to `witness` first."""
    projector = Projector(reader.log)
    batch = Batch()
    touched: dict[str, None] = {}
    async for entries in reader.pages(READ_AT_ONCE):
        witness(entries)
        changes = [projector.take(entry) for entry in entries]
        for change in projector.settle(changes):
            batch.count(change)
            if change.entry.seq > position.seq:
                batch.keep(change)
            touched.update(dict.fromkeys(change.touched))
    for name in touched:
        batch.paint(projector.tally(name, position.epoch))
    return batch
