"""Rebuilds the logs in an empty Redis, from the archive or from a backup.

The entries come back byte for byte, under a new epoch. All that is written before the
very last step has names of its own or decides nothing; that step makes every log appear
at once. Until then there is no log: ingest refuses, tally and gateway hold. So a
restore that is cut off is simply run again.
"""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import BinaryIO, NamedTuple

from redis.asyncio import Redis
from redis.exceptions import WatchError

from tellers_core.codec import LogName
from tellers_runtime import keys
from tellers_runtime.archive.engine import open_engine
from tellers_runtime.archive.reading import Position, archived
from tellers_runtime.log import Entry, LogReader, connect, new_epoch
from tellers_runtime.together import in_thread
from tellers_tally.backup import Progress, logs_in
from tellers_tally.backup_file import (
    PAGE,
    AnswerLine,
    LogLine,
    Page,
    TokenLine,
    read,
)
from tellers_tally.lease import leading_by_force
from tellers_tally.settings import TallySettings
from tellers_tally.staging import Answers, Disturbed, Staging, appear, sweep
from tellers_tally.store import Store


class NotEmpty(Exception):
    """Redis has a log: nothing is restored over it."""


class NothingToRestore(Exception):
    """The archive has no log."""


class Differs(Exception):
    """The archive is not the beginning of what the backup holds; says where."""


class Restored(NamedTuple):
    """What was done: `events` entries of this log, now under `epoch`."""

    log: LogName
    events: int
    epoch: str


class FromFile(NamedTuple):
    """What came back from a backup; answers only as far as they are still valid."""

    logs: Sequence[Restored]
    tokens: int
    answers: int


@asynccontextmanager
async def _stores(settings: TallySettings) -> AsyncIterator[tuple[Redis, Store]]:
    redis = connect(settings.redis_url, "tellers-restore")
    engine = open_engine(settings.archive_url)
    try:
        yield redis, Store(engine, settings.lease_name, "restore")
    finally:
        await redis.aclose()
        engine.dispose()


# From the archive


async def restore_all(settings: TallySettings) -> list[Restored]:
    """Restore the archived logs. Raises NotEmpty, NothingToRestore or LeaseLost."""
    async with _stores(settings) as (redis, store):
        logs = await _gone(redis, store, settings.logs)
        async with leading_by_force(store, settings.lease_seconds):
            await sweep(redis, logs)
            staged = [Staging(redis, log, new_epoch()) for log in logs]
            for one in staged:
                while page := await in_thread(
                    store.read.events, one.log, one.seq, PAGE
                ):
                    await one.add(page)
            return await _appear(redis, store, staged)


async def _gone(
    redis: Redis, store: Store, logs: Sequence[LogName]
) -> Sequence[LogName]:
    """The archived logs, of which Redis must have none."""
    archived_logs = []
    for log in logs:
        position = await in_thread(store.read.position, log)
        if position is None:
            continue
        if await redis.exists(keys.meta(log), keys.events(log)):
            if await LogReader(redis, log).epoch() == position.epoch:
                raise NotEmpty("Redis has the log: there is nothing to restore")
            raise NotEmpty(
                f"Redis has another log of {log}: restore needs an empty Redis"
            )
        archived_logs.append(log)
    if not archived_logs:
        raise NothingToRestore("the archive is empty: there is nothing to restore")
    return archived_logs


# From a backup


async def restore_from(
    file: BinaryIO, settings: TallySettings, progress: Progress
) -> FromFile:
    """Restore what is in a backup, when the archive is empty or its beginning.

    The whole file is read before anything is written. Raises Damaged, Differs,
    NotEmpty or LeaseLost.
    """
    logs = _survey(file)
    async with _stores(settings) as (redis, store):
        await _must_be_empty(redis, logs)
        async with leading_by_force(store, settings.lease_seconds):
            await _compare(store, file, {*settings.logs, *logs})
            await _shut(redis, logs)
            await sweep(redis, logs)
            of = sum(logs.values())
            staged, tokens, answers = await _stage(redis, file, of, progress)
            done = await _appear(redis, store, staged, tokens)
            return FromFile(done, len(tokens), answers)


def _survey(file: BinaryIO) -> dict[LogName, int]:
    """The logs in the file with their number of events, when all of it is whole."""
    return {
        LogName.parse(part.name): part.events
        for part in read(file)
        if isinstance(part, LogLine)
    }


async def _must_be_empty(redis: Redis, logs: Iterable[LogName]) -> None:
    """No event may be in Redis. A system that was only started has empty logs."""
    for log in {*logs, *await logs_in(redis)}:
        if await redis.exists(keys.events(log)) or await LogReader(redis, log).head():
            raise NotEmpty(
                f"Redis has events of {log}: a backup is restored into an empty Redis"
            )


async def _compare(store: Store, file: BinaryIO, logs: Iterable[LogName]) -> None:
    """The archive must be empty, or the beginning of what the file holds."""
    archive: dict[LogName, Position] = {}
    for log in sorted(logs):
        position = await in_thread(store.read.position, log)
        if position is not None and position.seq:
            archive[log] = position
    known = dict(archive)
    log = LogName("")
    for part in read(file):
        if isinstance(part, LogLine):
            log = LogName.parse(part.name)
            position = archive.get(log)
            if position is not None and position.seq > part.events:
                raise Differs(
                    f"the archive has {position.seq} events of {log}, the backup only "
                    f"{part.events}: `tellers restore` without --from brings back more"
                )
            known.pop(log, None)
        elif isinstance(part, Page) and log in archive:
            await _compare_page(store, log, part.entries)
    for log, position in known.items():
        raise Differs(
            f"the archive has {position.seq} events of {log}, the backup has no such "
            "log"
        )


async def _compare_page(store: Store, log: LogName, entries: Sequence[Entry]) -> None:
    first = entries[0].seq
    archive = await in_thread(store.read.events, log, first - 1, len(entries))
    for ours, theirs in zip(archive, entries, strict=False):  # the archive may end
        # The archive keeps text (`archived`), the backup bytes.
        if ours.body != archived(theirs.body).encode():
            raise Differs(
                f"event {ours.seq} of {log} in the archive is not the one in the "
                "backup: they are of different systems, or one of them was changed"
            )


async def _shut(redis: Redis, logs: Iterable[LogName]) -> None:
    """Take away the epochs of empty logs: from here on nobody can append."""
    for log in logs:
        async with redis.pipeline(transaction=True) as pipe:
            await pipe.watch(keys.meta(log), keys.events(log))
            await _must_be_empty(redis, [log])
            pipe.multi()  # type: ignore[no-untyped-call]
            pipe.delete(keys.meta(log))
            try:
                await pipe.execute()
            except WatchError as error:
                raise Disturbed from error


async def _stage(
    redis: Redis, file: BinaryIO, of: int, progress: Progress
) -> tuple[list[Staging], dict[str, bytes], int]:
    """Write everything but what makes the logs appear; the tokens are returned."""
    staged: list[Staging] = []
    tokens: dict[str, bytes] = {}
    answers = Answers(redis)
    done = 0
    for part in read(file):
        match part:
            case LogLine(name):
                staged.append(Staging(redis, LogName.parse(name), new_epoch()))
            case Page(entries):
                await staged[-1].add(entries)
                done += len(entries)
                progress(done, of)
            case TokenLine(token_id, token):
                tokens[token_id] = bytes(token)
            case AnswerLine():
                await answers.add(part)
    await answers.flush()
    return staged, tokens, answers.number


async def _appear(
    redis: Redis,
    store: Store,
    staged: Sequence[Staging],
    tokens: Mapping[str, bytes] = MappingProxyType({}),
) -> list[Restored]:
    """The last step. The archive first: its epoch matters only when there is a log."""
    for one in staged:
        await in_thread(store.set_epoch, one.log, one.epoch)
    await appear(redis, staged, tokens)
    return [Restored(one.log, one.seq, one.epoch) for one in staged]
