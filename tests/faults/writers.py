"""Writers that never give up, what they were promised, and whether it was kept."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import NamedTuple, cast

import msgspec
from redis import Redis
from redis.exceptions import RedisError

from tellers_core.codec import LogName, decode, encode
from tellers_core.events import Vote, VoteRecorded
from tellers_runtime import keys
from tellers_runtime.fields import changes
from tellers_runtime.log import (
    Append,
    Appended,
    Duplicate,
    LogLost,
    LogWriter,
    Unavailable,
    connect_writer,
)
from tests.scenario import AT

GA = LogName("ga")
# Entries as the blocking client gives them: id, then fields.
Read = list[tuple[bytes, dict[bytes, bytes]]]
WRITERS = 8
_PAUSE = 0.005


@dataclass
class Ledger:
    """What writers were told: acknowledged commands with their seq, the answers they
    had in vain (unknown or refused), and how many were answers of before."""

    acked: dict[str, int] = field(default_factory=dict)
    in_vain: int = 0
    replayed: int = 0


def vote(
    roll_call: str, command: str, *, keyed: bool = True, log: LogName = GA
) -> Append:
    """An append of one event that carries the command's name as its delegation."""
    event = VoteRecorded(command, Vote.YES)
    return Append(
        log,
        roll_call,
        {},
        [encode(log, roll_call, event, AT)],
        changes(event),
        b'201{"seq":',
        b"}",
        command if keyed else "",
        "f" * 64 if keyed else "",
    )


async def write(
    writer: LogWriter,
    ledger: Ledger,
    roll_call: str,
    *,
    keyed: bool = True,
    log: LogName = GA,
) -> None:
    """One command after the other, each sent until it is acknowledged, for ever."""
    for number in itertools.count():
        command = f"{roll_call}-{number}"
        append = vote(roll_call, command, keyed=keyed, log=log)
        while command not in ledger.acked:
            try:
                result = await writer.append(append)
            except (*Unavailable, RedisError, LogLost):
                ledger.in_vain += 1
                await asyncio.sleep(_PAUSE)
                continue
            assert isinstance(result, Appended | Duplicate), result
            ledger.replayed += isinstance(result, Duplicate)
            ledger.acked[command] = json.loads(result.answer[3:])["seq"]


@asynccontextmanager
async def writing(
    redis_url: str,
    *,
    keyed: bool = True,
    replicas: int = 0,
) -> AsyncIterator[Ledger]:
    """Eight writers at that Redis, each at its own roll call, until the block ends."""
    ledger = Ledger()
    asyncio.get_running_loop().set_debug(False)  # a stack for each callback is too slow
    redis = connect_writer(redis_url, "writers")
    writer = LogWriter(redis, replicas)
    tasks = [
        asyncio.create_task(write(writer, ledger, f"w{number}", keyed=keyed))
        for number in range(WRITERS)
    ]
    try:
        yield ledger
        assert not any(task.done() for task in tasks), "a writer gave up"
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        await redis.aclose()
        for end in ended:
            if not isinstance(end, asyncio.CancelledError) and end is not None:
                raise end


async def until(predicate: Callable[[], bool], what: str, seconds: float = 60) -> None:
    """Return as soon as the predicate holds. Raises TimeoutError naming `what`."""
    loop = asyncio.get_running_loop()
    give_up = loop.time() + seconds
    while not predicate():
        if loop.time() > give_up:
            raise TimeoutError(f"waited {seconds:g} s for {what}")
        await asyncio.sleep(_PAUSE)


async def more(ledger: Ledger, count: int) -> None:
    """Return when that many more commands are acknowledged."""
    wanted = len(ledger.acked) + count
    await until(lambda: len(ledger.acked) >= wanted, f"{count} more acknowledged")


class Kept(NamedTuple):
    """What became of the promises: acknowledged events not at their place, commands
    stored more than once, places that are missing."""

    lost: int
    dup: int
    gaps: int


def kept(redis: Redis, ledger: Ledger, log: LogName = GA) -> Kept:
    """Compare with the whole log."""
    found = cast("Read", redis.xrange(keys.events(log)))
    places = [int(place.partition(b"-")[0]) for place, _ in found]
    names = [_name(fields[b"e"]) for _, fields in found]
    stored = set(zip(names, places, strict=True))
    head = int(redis.hget(keys.meta(log), "seq") or 0)
    missing = set(range(1, max([head, *places]) + 1)) - set(places)
    return Kept(
        lost=sum(promise not in stored for promise in ledger.acked.items()),
        dup=len(names) - len(set(names)),
        gaps=len(missing),
    )


def _name(entry: bytes) -> str:
    event = decode(entry).event
    assert isinstance(event, VoteRecorded), msgspec.to_builtins(event)
    return event.delegation


def begin(redis: Redis, log: LogName = GA) -> None:
    """Begin the log."""
    redis.hset(keys.meta(log), "epoch", "k3v9")
