"""Words for the tests of trees and checkpoints: a store that signs, somebody who signs
beside a leader, and what must be true of what they write."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from tellers_core.codec import LogName
from tellers_core.events import (
    Event,
)
from tellers_core.merkle import Frontier, root_of
from tellers_core.notes import VerifierKey, parse_note, to_base64
from tellers_runtime.archive.engine import migrate
from tellers_runtime.archive.proofs import Signed
from tellers_runtime.archive.tables import CheckpointRow, LogRow, TreeNodeRow
from tellers_runtime.archive.trees import grow, leaf_of, packed
from tellers_runtime.log import Entry
from tellers_runtime.signing import holds, load_key
from tellers_tally.projector import Projector
from tellers_tally.sealing import Sealer, seal_while_leading
from tellers_tally.store import Batch, LeaseLost, Store
from tests.scenario import EPOCH, OPENED, closed, votes
from tests.services.tallying import (
    GA,
    LEASE,
    Archive,
    Leader,
    entries,
)

SC = LogName("sc")
VOTED: tuple[Event, ...] = (*OPENED, *votes(yes="FJI FRA", no="NOR"))
CLOSED = closed(*VOTED)


def must_be_the_tree_of(archive: Archive, log: list[Entry], name: LogName = GA) -> None:
    """The tree in the archive is what a recount of the log gives."""
    tree, nodes = grow(Frontier(), (leaf_of(name, *entry) for entry in log))
    (row,) = archive.rows(LogRow, name)
    assert (row["seq"], row["frontier"]) == (len(log), packed(tree))
    assert archive.rows(TreeNodeRow, name) == [
        {"log": str(name), "level": n.level, "place": n.index, "hash": n.hash}
        for n in nodes
    ]


def sizes(archive: Archive, name: LogName = GA) -> list[int]:
    """The sizes that were signed."""
    return [row["size"] for row in archive.rows(CheckpointRow, name)]


def must_be_signed(store: Store, log: list[Entry], size: int) -> Signed:
    """The checkpoint of that size has the log's root and its key's signature."""
    signed = store.proofs.checkpoint(GA, size)
    assert signed is not None
    leaves = [leaf_of(GA, *entry) for entry in log[:size]]
    assert signed.root == to_base64(root_of(leaves))
    note, key = parse_note(signed.note), VerifierKey.parse(signed.vkey)
    assert note.text.splitlines()[:3] == [f"tellers.local/{GA}", f"{size}", signed.root]
    assert holds(key, note.text, note.signatures[0].value)
    return signed


class Desk:
    """A store that signs, and what it projects."""

    def __init__(self, archive: Archive, folder: Path) -> None:
        self.archive = archive
        sealer = Sealer(load_key("", folder), "tellers.local")
        self.store = Store(archive.engine, LEASE, "us", sealer.seal)
        self.store.take_by_force()
        self.store.begin(GA, EPOCH)
        self.log: list[Entry] = []
        self._projector = Projector(GA)

    def batch(self, *events: Event, name: str = "r1", version: int = 1) -> Batch:
        """The next events, of one roll call."""
        batch = Batch()
        added = entries(events, name, len(self.log) + 1, version)
        for entry in added:
            change = self._projector.absorb(entry)
            tallies = [self._projector.tally(n, EPOCH) for n in change.touched]
            batch.add(change, tallies)
        self.log += added
        return batch

    def commit(self, *events: Event, name: str = "r1", version: int = 1) -> None:
        old = len(self.log)
        batch = self.batch(*events, name=name, version=version)
        self.store.commit(GA, EPOCH, old, batch)


@asynccontextmanager
async def sealing(leader: Leader, folder: Path, seconds: float) -> AsyncIterator[Store]:
    """Somebody who signs beside the leader, as the process does."""
    sealer = Sealer(load_key("", folder), "tellers.local")
    store = Store(leader.store._engine, LEASE, "here", sealer.seal)
    store.fence = leader.store.fence
    task = asyncio.create_task(seal_while_leading(store, [GA, SC], seconds))
    try:
        yield store
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError, LeaseLost):
            await task


def signing_desk(database_url: str, folder: Path) -> Iterator[Desk]:
    """A desk on a new archive; for a fixture."""
    migrate(database_url)
    with Archive(database_url) as archive:
        yield Desk(archive, folder)
