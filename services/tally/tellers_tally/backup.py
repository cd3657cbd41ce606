"""Writes everything that cannot be derived into one file, while votes go on.

All heads are read in one step, and nothing that came after is taken: neither entries
nor the answers that were given to them. An answer without its event would be the worst:
restored, it would tell a sender who asks again that a vote is recorded which is not.
"""

import os
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

import msgspec
from msgspec import Raw, Struct
from redis.asyncio import Redis

from tellers_core.codec import LogName
from tellers_runtime import keys
from tellers_runtime.archive.engine import open_engine
from tellers_runtime.clock import rfc3339, utc_now
from tellers_runtime.log import Entry, LogLost, LogReader, connect
from tellers_runtime.together import in_thread
from tellers_tally.backup_file import (
    PAGE,
    AnswerLine,
    CannotWrite,
    LogLine,
    TokenLine,
    Writer,
    reason,
)
from tellers_tally.settings import TallySettings
from tellers_tally.store import Store
from tellers_tally.worker import check_same

BUFFER_BYTES = 1024 * 1024
# Told (events written, of how many).
Progress = Callable[[int, int], None]


class NoLog(Exception):
    """Redis has no log: there is nothing to back up."""


class Head(NamedTuple):
    """A log as it was when all heads were read."""

    log: LogName
    epoch: str
    seq: int


class BackedUp(NamedTuple):
    """What is in the file, and how long it took."""

    heads: Sequence[Head]
    events: int
    tokens: int
    answers: int
    bytes: int
    seconds: float


async def back_up(settings: TallySettings, path: Path, progress: Progress) -> BackedUp:
    """Write the backup to a new file.

    Raises CannotWrite, NoLog, or LogLost when a log is not whole or is not the archived
    one: a backup of it would replace a better one.
    """
    started = time.monotonic()
    redis = connect(settings.redis_url, "tellers-backup")
    try:
        logs = await logs_in(redis)
        await _check_archive(redis, settings, logs)
        if not logs:
            raise NoLog("Redis has no log: there is nothing to back up")
        with new_file(path) as file:
            heads = await _heads(redis, logs)
            writer = Writer(file, rfc3339(utc_now()))
            for head in heads:
                await _put_log(redis, writer, head, heads, progress)
            tokens = await _put_tokens(redis, writer)
            answers = await _put_answers(redis, writer, heads)
            writer.end()
        seconds = time.monotonic() - started
        return BackedUp(heads, writer.events, tokens, answers, writer.bytes, seconds)
    finally:
        await redis.aclose()


async def logs_in(redis: Redis) -> list[LogName]:
    """Every log that Redis has, whatever chambers are served now."""
    found = set()
    for any_log in (LogName("*"), LogName("*", rehearsal=True)):
        async for names in pages_of_keys(redis, keys.meta(any_log)):
            found |= {_log_of(name) for name in names}
    return sorted(found)


def _log_of(meta: bytes) -> LogName:
    name = meta.decode()
    real = LogName(name.partition("{")[2].partition("}")[0])
    return real if name == keys.meta(real) else real._replace(rehearsal=True)


async def _check_archive(
    redis: Redis, settings: TallySettings, logs: Sequence[LogName]
) -> None:
    """A Redis that came back older than the archive must not be taken for the truth."""
    engine = open_engine(settings.archive_url)
    store = Store(engine, settings.lease_name, "backup")
    try:
        for log in dict.fromkeys([*settings.logs, *logs]):
            position = await in_thread(store.read.position, log)
            if position is not None:
                with _naming(log):
                    await check_same(LogReader(redis, log), store, position)
    finally:
        engine.dispose()


async def _heads(redis: Redis, logs: Sequence[LogName]) -> list[Head]:
    pipe = redis.pipeline(transaction=True)
    for log in logs:
        pipe.hmget(keys.meta(log), "epoch", "seq")
    heads = []
    for log, (epoch, seq) in zip(logs, await pipe.execute(), strict=True):
        if epoch is None:
            raise LogLost(f"{log}: the log has no epoch")
        heads.append(Head(log, epoch.decode(), int(seq or 0)))
    return heads


async def _put_log(
    redis: Redis,
    writer: Writer,
    head: Head,
    heads: Sequence[Head],
    progress: Progress,
) -> None:
    of = sum(head.seq for head in heads)
    writer.put(LogLine(str(head.log), head.epoch, head.seq))
    reader = LogReader(redis, head.log)
    with _naming(head.log):
        async for page in _entries(reader, head.seq):
            writer.entries(page)
            progress(writer.events, of)
        if await reader.epoch() != head.epoch:
            raise LogLost("the log was replaced meanwhile")


async def _entries(reader: LogReader, last: int) -> AsyncIterator[list[Entry]]:
    after = 0
    while after < last:
        page = await reader.range(after, min(PAGE, last - after))
        if not page:
            raise LogLost(f"entry {after + 1} is missing")
        yield page
        after = page[-1].seq


@contextmanager
def _naming(log: LogName) -> Iterator[None]:
    try:
        yield
    except LogLost as lost:
        raise LogLost(f"{log}: {lost}") from lost


async def _put_tokens(redis: Redis, writer: Writer) -> int:
    kept = cast("dict[bytes, bytes]", await redis.hgetall(keys.TOKENS))
    for token_id, token in sorted(kept.items()):
        writer.put(TokenLine(token_id.decode(), Raw(token)))
    return len(kept)


class _RollCall(Struct):
    rehearsal: bool


class _Answer(Struct):
    roll_call: _RollCall
    seq: int


async def _put_answers(redis: Redis, writer: Writer, heads: Sequence[Head]) -> int:
    upto = {head.log: head.seq for head in heads}
    answers = 0
    for chamber in {head.log.chamber: None for head in heads}:
        async for line in _answers(redis, chamber):
            # Behind the fingerprint (hex) and the status: the body.
            body = line.kept[line.kept.index("{") :]
            answer = msgspec.json.decode(body, type=_Answer)
            log = LogName(chamber, answer.roll_call.rehearsal)
            if answer.seq <= upto.get(log, 0):
                writer.put(line)
                answers += 1
    return answers


async def _answers(redis: Redis, chamber: str) -> AsyncIterator[AnswerLine]:
    prefix = keys.idempotency(chamber, "")
    async for names in pages_of_keys(redis, f"{prefix}*"):
        pipe = redis.pipeline(transaction=False)
        for name in names:
            pipe.get(name)
            pipe.pttl(name)
        replies = await pipe.execute()
        now = utc_now()
        for name, kept, milliseconds in zip(
            names, replies[::2], replies[1::2], strict=True
        ):
            if milliseconds > 0:  # else it has just expired
                until = rfc3339(_later(now, milliseconds))
                digest = name.decode().removeprefix(prefix)
                yield AnswerLine(chamber, digest, until, kept.decode())


def _later(moment: datetime, milliseconds: int) -> datetime:
    return moment + timedelta(milliseconds=milliseconds)


async def pages_of_keys(redis: Redis, pattern: str) -> AsyncIterator[list[bytes]]:
    """The keys that match, a few at a time; one may come twice."""
    cursor = 0
    while True:
        cursor, names = await redis.scan(cursor, match=pattern, count=PAGE)
        if names:
            yield cast("list[bytes]", names)
        if not cursor:
            return


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """A file that is there, whole and on disk, when the `with` has ended well, and not
    at all otherwise; readable by its owner only.

    Raises CannotWrite, also when there is a file of that name: an older backup may be
    the better one.
    """
    _must_be_new(path)
    try:
        descriptor, name = tempfile.mkstemp(".part", f".{path.name}.", path.parent)
    except OSError as error:
        raise CannotWrite(reason(error)) from error
    part, file = Path(name), os.fdopen(descriptor, "wb", BUFFER_BYTES)
    try:
        yield file
        try:
            file.flush()
            os.fsync(descriptor)
            file.close()
            _must_be_new(path)
            part.rename(path)
            _sync_folder(path.parent)
        except OSError as error:
            raise CannotWrite(reason(error)) from error
    finally:
        with suppress(OSError):  # on a full disk: what it still holds is not wanted
            file.close()
        part.unlink(missing_ok=True)


def _must_be_new(path: Path) -> None:
    if os.path.lexists(path):
        raise CannotWrite("it exists already, and a backup is never written over")


def _sync_folder(folder: Path) -> None:
    """The new name itself survives a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
