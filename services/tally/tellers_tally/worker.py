"""Follows one log: absorb, publish at once, archive in batches.

A tally is published before it is archived: the events are durable already and the
computation is deterministic, so whoever starts again publishes the same once more.
The archive runs beside and takes whatever has gathered while the last commit ran;
while it is away, publishing goes on until MAX_UNARCHIVED.
"""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import NamedTuple

import structlog
from msgspec.structs import replace
from redis.exceptions import RedisError
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from tellers_core.codec import LogName
from tellers_core.tally import Held, Tally, encode_tally
from tellers_runtime.archive.reading import Position, archived
from tellers_runtime.log import (
    TALLIES_KEPT,
    Entry,
    LogLost,
    LogReader,
    TallyChannel,
    Unavailable,
)
from tellers_runtime.together import in_thread, together
from tellers_runtime.tracing import NO_TRACES, Traces
from tellers_tally import metrics
from tellers_tally.projector import Change, Forgotten, Projector, is_disagreement
from tellers_tally.store import Batch, Store
from tellers_tally.sums import Inconsistent

READ_AT_ONCE = 1000
# Of so many entries read at once every tally is published (the gateway's measure too).
ALL_WITHIN = 256
BLOCK_MS = 1000
# A vote's way to the viewers has the processor first, and a commit takes as much of it
# for one vote as for all of a moment. What begins, ends or is decided does not wait.
GATHER_SECONDS = 0.05
RETRY_SECONDS = 0.2
# A starting gateway finds every tally in the channel that is not yet in the archive.
MAX_UNARCHIVED = TALLIES_KEPT - 2 * READ_AT_ONCE
logger = structlog.get_logger()


class LastSeen(NamedTuple):
    """The last entry this process has published, and the epoch it belongs to."""

    epoch: str
    entry: Entry


class Worker:
    """The ordered reader of one log. `trouble` says what is wrong, "" when nothing."""

    def __init__(
        self,
        reader: LogReader,
        channel: TallyChannel,
        store: Store,
        traces: Traces = NO_TRACES,
    ) -> None:
        self.log: LogName = reader.log
        self.trouble = "not started"
        self._reader = reader
        self._channel = channel
        self._store = store
        self._traces = traces
        # In whatever run: for as long as its epoch lasts, the log must keep it.
        self._last_seen: LastSeen | None = None
        self._run: _Run | None = None

    @property
    def disagreements(self) -> dict[str, str]:
        """Why each roll call is held whose two counts do not say the same."""
        return self._run.disagreements if self._run else {}

    async def lead(self) -> None:
        """Project the log for as long as the lease is ours.

        Raises LeaseLost in a group. A log that is lost or cannot be reached is waited
        for: nothing is published meanwhile.
        """
        while True:
            run = _Run(
                self._reader,
                self._channel,
                self._store,
                self._archive_is,
                self._traces,
            )
            self._run = run
            try:
                await run.start(self._last_seen)
                self._well()
                await together(self._read(run), run.archive())
            except* LogLost as lost:
                self._halt(_first(lost))
            except* (*Unavailable, RedisError, DBAPIError) as gone:
                self._halt(_first(gone))
            finally:
                self._run = None
                self._last_seen = run.last_seen or self._last_seen
            await asyncio.sleep(RETRY_SECONDS)

    async def _read(self, run: "_Run") -> None:
        try:
            await run.read()
        except (LogLost, *Unavailable, RedisError) as error:
            # Said at once: the run ends only when a commit in flight has ended.
            self._halt(error)
            raise

    def _well(self) -> None:
        logger.info("log.followed", log=str(self.log))
        self.trouble = ""
        metrics.HALTED.labels(str(self.log)).set(0)

    def _archive_is(self, trouble: str) -> None:
        if trouble and trouble != self.trouble:
            logger.error("archive.behind", log=str(self.log), why=trouble)
        self.trouble = trouble

    def _halt(self, error: BaseException) -> None:
        trouble = f"{error}" or type(error).__name__
        if trouble != self.trouble:
            logger.error("log.halted", log=str(self.log), why=trouble)
        self.trouble = trouble
        metrics.HALTED.labels(str(self.log)).set(1)


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


class _Run:
    """One uninterrupted run over a log, from the archive's position on."""

    def __init__(
        self,
        reader: LogReader,
        channel: TallyChannel,
        store: Store,
        archive_is: Callable[[str], None],
        traces: Traces,
    ) -> None:
        self.last_seen: LastSeen | None = None
        self.disagreements: dict[str, str] = {}
        self._archive_is = archive_is
        self._traces = traces
        self._reader = reader
        self._channel = channel
        self._store = store
        self._log = reader.log
        self._projector = Projector(reader.log)
        # Held from absorbing to publishing: what is published is in order, also when
        # the archive holds a roll call meanwhile.
        self._in_order = asyncio.Lock()
        self._epoch = ""
        self._read_seq = 0
        self._archived_seq = 0
        self._batch = Batch()
        self._gathered = asyncio.Event()
        self._pressing = asyncio.Event()
        self._drained = asyncio.Event()

    async def start(self, last_seen: LastSeen | None) -> None:
        """Find the position, and make sure that the log is the one we know.

        Raises LogLost when it is not there, shorter, or another one.
        """
        standing = await in_thread(self._store.read.standing, self._log)
        if standing is None:
            # Nothing was ever archived: only now may a log begin.
            self._epoch = await self._reader.create()
            await in_thread(self._store.begin, self._log, self._epoch)
            return
        position, names, going = standing
        await check_same(self._reader, self._store, position)
        if last_seen is not None and last_seen.epoch == position.epoch:
            await _check_entry(self._reader, last_seen.entry)
        self._epoch = position.epoch
        self._read_seq = self._archived_seq = position.seq
        self._projector = Projector(self._log, names, position.seq)
        for tally in going:
            await self._recall(tally.roll_call, position.seq, tally.held)
        self._count_held()

    async def _recall(self, name: str, upto: int, held: Held | None = None) -> None:
        # Not beyond: if the lease is lost, the archive may have gone on without us.
        _, entries = await in_thread(self._store.read.events_of, self._log, name)
        known = (entry for entry in entries if entry.seq <= upto)
        self._projector.recall(name, known, held)
        found = self._projector.held().get(name)
        if held is None and found is not None:
            await self._mark(name, found)

    async def _mark(self, name: str, held: Held) -> None:
        """What was published as good is not understood any more, or counted otherwise:
        the number that is on the screens is held there."""
        shown = await in_thread(self._store.read.tally, self._log, name)
        if shown is not None:
            marked = replace(shown, held=held, confirmed=False)
            await self._channel.publish([encode_tally(marked)], self._read_seq)
            self._batch.hold(marked)

    async def read(self) -> None:
        """Read, absorb and publish, for ever: the next entries are asked for before
        these are counted."""
        coming = asyncio.create_task(self._follow(self._read_seq))
        try:
            while True:
                epoch, entries = await coming
                if epoch != self._epoch:
                    raise LogLost(f"the log's epoch became {epoch}")
                read = entries[-1].seq if entries else self._read_seq
                coming = asyncio.create_task(self._follow(read))
                if len(entries) > ALL_WITHIN:
                    # Counting so many takes a while, in which nothing would be sent.
                    await asyncio.sleep(0)
                if entries:
                    await self._take(entries)
        finally:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)

    async def _follow(self, after: int) -> tuple[str | None, list[Entry]]:
        """What follows an entry, as soon as there is room for more in the archive: what
        was read before a long wait could be of a log that has been replaced since."""
        while after - self._archived_seq > MAX_UNARCHIVED:
            self._drained.clear()
            await self._drained.wait()
        return await self._reader.follow(after, READ_AT_ONCE, BLOCK_MS)

    async def _take(self, entries: list[Entry]) -> None:
        began = self._traces.clock()
        async with self._in_order:
            changes, tallies = await self._count(entries)
            await self._channel.publish(
                [encode_tally(tally) for tally in tallies if tally.is_public],
                entries[-1].seq,
            )
            # Into the archive only what was published: a crash between the two
            # publishes once more, never not at all.
            for change in changes:
                self._batch.add(change)
            for tally in tallies:
                self._batch.paint(tally)
        if self._traces.on:
            self._traces.counted(self._log, (entry.seq for entry in entries), began)
        self.last_seen = LastSeen(self._epoch, entries[-1])
        self._read_seq = entries[-1].seq
        if any(change.milestone for change in changes):
            self._pressing.set()
        self._gathered.set()
        metrics.EVENTS.labels(str(self._log)).inc(len(entries))
        metrics.HEAD.labels(str(self._log)).set(self._read_seq)
        self._count_held()

    def _count_held(self) -> None:
        held = self._projector.held()
        self.disagreements = {
            name: why.reason for name, why in held.items() if is_disagreement(why)
        }
        metrics.HELD.labels(str(self._log)).set(len(held))
        metrics.DISAGREEMENTS.labels(str(self._log)).set(len(self.disagreements))

    async def _count(self, entries: list[Entry]) -> tuple[list[Change], list[Tally]]:
        """What the entries change, and the tallies to publish, in order: each, or, when
        we are too far behind for that, what the contract has for a reader who is: every
        one that changed a phase or a status, and the newest (ADR 33)."""
        every = len(entries) <= ALL_WITHIN
        changes: list[Change] = []
        tallies: list[Tally] = []
        newest: set[str] = set()
        for entry in entries:
            try:
                change = self._projector.take(entry)
            except Forgotten as forgotten:
                await self._recall(forgotten.roll_call, entry.seq - 1)
                change = self._projector.take(entry)
            changes.append(change)
            if every or change.milestone:
                tallies += self._tallies(change.touched)
                newest.difference_update(change.touched)
            else:
                newest.update(change.touched)
        changes = self._projector.settle(changes)
        tallies += self._tallies(newest)
        # In the log's order: a roll call's newest may be before another's milestone.
        return changes, sorted(tallies, key=lambda tally: tally.seq)

    def _tallies(self, roll_calls: Iterable[str]) -> list[Tally]:
        return [self._projector.tally(name, self._epoch) for name in roll_calls]

    async def archive(self) -> None:
        """Archive whatever has gathered, for ever. Raises LeaseLost."""
        while True:
            await self._gathered.wait()
            await self._gather()
            self._gathered.clear()
            self._pressing.clear()
            batch, self._batch = self._batch, Batch()
            await self._commit(batch)
            self._archived_seq = batch.last_seq
            self._drained.set()
            metrics.ARCHIVED.labels(str(self._log)).set(self._archived_seq)
            self._projector.forget_ended(self._archived_seq)

    async def _gather(self) -> None:
        """Let the votes of a moment come together."""
        if self._read_seq - self._archived_seq < READ_AT_ONCE:
            with suppress(TimeoutError):
                async with asyncio.timeout(GATHER_SECONDS):
                    await self._pressing.wait()

    async def _commit(self, batch: Batch) -> None:
        while True:
            try:
                await in_thread(
                    self._store.commit,
                    self._log,
                    self._epoch,
                    self._archived_seq,
                    batch,
                )
            except Inconsistent as error:
                await self._hold(batch, error)
            except (OperationalError, InterfaceError) as error:
                # Whether it was committed is unknown; if so, the lease is "lost" next.
                self._archive_is(f"the archive cannot be written: {error.orig}")
                await asyncio.sleep(RETRY_SECONDS)
            else:
                self._archive_is("")
                return

    async def _hold(self, batch: Batch, error: Inconsistent) -> None:
        async with self._in_order:
            held = Held(batch.last_seq, error.reason)
            touched = self._projector.hold(error.roll_call, held)
            tally = self._projector.tally(error.roll_call, self._epoch)
            if touched:
                await self._channel.publish([encode_tally(tally)], self._read_seq)
            for affected in (batch, self._batch):
                if error.roll_call in affected.tallies:
                    affected.hold(tally)


async def check_same(reader: LogReader, store: Store, position: Position) -> None:
    """Make sure that the log is the archived one. Raises LogLost."""
    epoch, head = await reader.epoch(), await reader.head()
    if epoch is None:
        raise LogLost(
            f"the log is gone, the archive has {position.seq} events: "
            "run `tellers restore`"
        )
    if epoch != position.epoch:
        raise LogLost(f"the log's epoch is {epoch}, the archive's {position.epoch}")
    if head < position.seq:
        raise LogLost(f"the log ends at {head}, the archive at {position.seq}")
    for entry in await in_thread(store.read.events, reader.log, position.seq - 1, 1):
        await _check_entry(reader, entry)


async def _check_entry(reader: LogReader, known: Entry) -> None:
    found = await reader.range(known.seq - 1, 1)
    if not found:
        raise LogLost(f"entry {known.seq} of the log is missing")
    if archived(found[0].body) != archived(known.body):
        raise LogLost(f"entry {known.seq} of the log is not the one we read")
