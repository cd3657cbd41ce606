"""Follows one log: absorb, publish at once, archive in batches.

A tally is published before it is archived: the events are durable already and the
computation is deterministic, so whoever starts again publishes the same once more.
The archive runs beside and takes whatever has gathered while the last commit ran.
"""

import asyncio
from collections.abc import Callable

import structlog
from sqlalchemy.exc import DBAPIError

from tellers_core.codec import LogName
from tellers_core.tally import Held, Tally, encode_tally
from tellers_runtime.log import (
    TALLIES_KEPT,
    Entry,
    LogLost,
    LogReader,
    TallyChannel,
    Unavailable,
)
from tellers_tally import metrics
from tellers_tally.projector import Projector
from tellers_tally.store import Batch, Inconsistent, Store

READ_AT_ONCE = 1000
BLOCK_MS = 1000
RETRY_SECONDS = 0.2
# A starting gateway finds every tally in the channel that is not yet in the archive.
MAX_UNARCHIVED = TALLIES_KEPT - 2 * READ_AT_ONCE
logger = structlog.get_logger()


class Worker:
    """The ordered reader of one log. `trouble` says what is wrong, "" when nothing."""

    def __init__(self, reader: LogReader, channel: TallyChannel, store: Store) -> None:
        self.log: LogName = reader.log
        self.trouble = "not started"
        self._reader = reader
        self._channel = channel
        self._store = store
        # The last entry this process has seen, in whatever run: the log must keep it.
        self._last_seen: Entry | None = None

    async def lead(self) -> None:
        """Project the log for as long as the lease is ours.

        Raises LeaseLost in a group. A log that is lost or cannot be reached is waited
        for: nothing is published meanwhile.
        """
        while True:
            run = _Run(self._reader, self._channel, self._store)
            try:
                await run.start(self._last_seen)
                self._well()
                async with asyncio.TaskGroup() as group:
                    group.create_task(run.read())
                    group.create_task(run.archive())
            except* LogLost as lost:
                self._halt(_first(lost))
            except* (*Unavailable, DBAPIError) as gone:
                self._halt(_first(gone))
            finally:
                self._last_seen = run.last_seen or self._last_seen
            await asyncio.sleep(RETRY_SECONDS)

    def _well(self) -> None:
        logger.info("log.followed", log=str(self.log))
        self.trouble = ""
        metrics.HALTED.labels(str(self.log)).set(0)

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

    def __init__(self, reader: LogReader, channel: TallyChannel, store: Store) -> None:
        self.last_seen: Entry | None = None
        self._reader = reader
        self._channel = channel
        self._store = store
        self._log = reader.log
        self._projector = Projector(
            lambda name: store.read.events_of(reader.log, name)[1]
        )
        self._epoch = ""
        self._read_seq = 0
        self._archived_seq = 0
        self._batch = Batch()
        self._gathered = asyncio.Event()
        self._drained = asyncio.Event()

    async def start(self, last_seen: Entry | None) -> None:
        """Find the position, and make sure that the log is the one we know.

        Raises LogLost when it is not there, shorter, or another one.
        """
        position = await asyncio.to_thread(self._store.read.position, self._log)
        if position is None:
            # Nothing was ever archived: only now may a log begin.
            self._epoch = await self._reader.create()
            await asyncio.to_thread(self._store.begin, self._log, self._epoch)
            return
        epoch, head = await self._reader.epoch(), await self._reader.head()
        if epoch is None:
            raise LogLost(
                f"the log is gone, the archive has {position.seq} events: "
                "run `tellers restore`"
            )
        if epoch != position.epoch:
            raise LogLost(f"the log's epoch is {epoch}, the archive's {position.epoch}")
        if head < position.seq:
            raise LogLost(f"the log ends at {head}, the archive at {position.seq}")
        archived = await asyncio.to_thread(
            self._store.read.events, self._log, position.seq - 1, 1
        )
        for known in (*archived, *([last_seen] if last_seen else [])):
            if await self._reader.range(known.seq - 1, 1) != [known]:
                raise LogLost(f"entry {known.seq} of the log is not the one we read")
        self._epoch = epoch
        self._read_seq = self._archived_seq = position.seq

    async def read(self) -> None:
        """Read, absorb and publish, for ever."""
        while True:
            epoch, entries = await self._reader.follow(
                self._read_seq, READ_AT_ONCE, BLOCK_MS
            )
            if epoch != self._epoch:
                raise LogLost(f"the log's epoch became {epoch}")
            if entries:
                await self._take(entries)
                await self._wait_for_room()

    async def _take(self, entries: list[Entry]) -> None:
        absorbed = []
        for entry in entries:
            change = self._projector.absorb(entry)
            absorbed.append((change, self._tallies(change.touched)))
        await self._channel.publish(
            [encode_tally(tally) for _, tallies in absorbed for tally in tallies],
            entries[-1].seq,
        )
        # Into the archive only what was published: a crash between the two publishes
        # once more, never not at all.
        for change, tallies in absorbed:
            self._batch.add(change, tallies)
        self.last_seen = entries[-1]
        self._read_seq = entries[-1].seq
        self._gathered.set()
        metrics.EVENTS.labels(str(self._log)).inc(len(entries))
        metrics.HEAD.labels(str(self._log)).set(self._read_seq)
        metrics.HELD.labels(str(self._log)).set(len(self._projector.held()))

    def _tallies(self, roll_calls: tuple[str, ...]) -> list[Tally]:
        return [self._projector.tally(name, self._epoch) for name in roll_calls]

    async def _wait_for_room(self) -> None:
        while self._read_seq - self._archived_seq > MAX_UNARCHIVED:
            self._drained.clear()
            await self._drained.wait()

    async def archive(self) -> None:
        """Archive whatever has gathered, for ever. Raises LeaseLost."""
        while True:
            await self._gathered.wait()
            self._gathered.clear()
            batch, self._batch = self._batch, Batch()
            await self._commit(batch)
            self._archived_seq = batch.last_seq
            self._drained.set()
            metrics.ARCHIVED.labels(str(self._log)).set(self._archived_seq)
            if self._read_seq == self._archived_seq:
                self._projector.forget_ended()

    async def _commit(self, batch: Batch) -> None:
        while True:
            try:
                await _to_the_end(
                    self._store.commit,
                    self._log,
                    self._epoch,
                    self._archived_seq,
                    batch,
                )
            except Inconsistent as error:
                await self._hold(batch, error)
            else:
                return

    async def _hold(self, batch: Batch, error: Inconsistent) -> None:
        held = Held(batch.last_seq, error.reason)
        for name in self._projector.hold(error.roll_call, held):
            tally = encode_tally(self._projector.tally(name, self._epoch))
            await self._channel.publish([tally], held.seq)
        batch.hold(self._projector.tally(error.roll_call, self._epoch))


async def _to_the_end(
    work: Callable[[LogName, str, int, Batch], None],
    log: LogName,
    epoch: str,
    old: int,
    batch: Batch,
) -> None:
    """Do blocking work in a thread; a cancellation waits for its end. A commit left
    running would race the next run's reading of the position."""
    running = asyncio.ensure_future(asyncio.to_thread(work, log, epoch, old, batch))
    try:
        await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        raise
