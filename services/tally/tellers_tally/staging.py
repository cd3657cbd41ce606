"""Logs on their way back into Redis: written aside, then made to appear at once.

    tellers:{ga}:events:restoring           stream  the entries
    tellers:{ga}:roll-call:<id>:restoring   hash    a roll call as after these entries

Roll calls are put in place when they are complete, the streams and epochs last, in one
transaction. Memory does not grow with the log, but for a number for each roll call.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import TypeVar

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.exceptions import WatchError

from tellers_core.codec import LogName, decode, roll_call_of
from tellers_core.errors import CorruptHistory
from tellers_runtime import keys
from tellers_runtime.clock import utc_now
from tellers_runtime.fields import ABSENT, changes
from tellers_runtime.log import Entry
from tellers_tally.backup import pages_of_keys
from tellers_tally.backup_file import PAGE, AnswerLine

T = TypeVar("T")
_ASIDE = ":restoring"


class Disturbed(Exception):
    """Somebody else wrote to Redis meanwhile: nothing has appeared."""

    def __init__(self) -> None:
        super().__init__(
            "somebody else wrote to Redis meanwhile, nothing was restored: run it again"
        )


class Staging:
    """One log, to appear under `epoch`; `seq` is that of the last entry added."""

    def __init__(self, redis: Redis, log: LogName, epoch: str) -> None:
        self.log = log
        self.epoch = epoch
        self.seq = 0
        self.stream = keys.events(log) + _ASIDE
        self._redis = redis
        self._versions: dict[str, int] = {}

    async def add(self, entries: Sequence[Entry]) -> None:
        """The entries that follow."""
        pipe = self._redis.pipeline(transaction=False)
        touched: dict[str, dict[str, str]] = defaultdict(dict)
        for entry in entries:
            pipe.xadd(self.stream, {"e": entry.body}, id=f"{entry.seq}-0")
            self._remember(entry, touched)
        for name, fields in touched.items():
            _write(pipe, self._key(name) + _ASIDE, fields)
        await pipe.execute()
        self.seq = entries[-1].seq

    def _remember(self, entry: Entry, touched: dict[str, dict[str, str]]) -> None:
        """The fields that ingest decides on, as after this entry."""
        try:
            recorded = decode(entry.body)
        except CorruptHistory:
            # Nobody understands it; ingest, like the tally, goes on from what came
            # before. Its place in the roll call's versions must still be counted.
            name = roll_call_of(entry.body)
            if name is None or name not in self._versions:
                return
            version = self._versions[name] + 1
        else:
            name, version = recorded.roll_call, recorded.version
            touched[name] |= changes(recorded.event)
        self._versions[name] = version
        touched[name] |= {"version": str(version), "seq": str(entry.seq)}

    async def put_roll_calls(self) -> None:
        """Put the roll calls in place; nobody can append to them yet."""
        for names in _pages(self._versions):
            pipe = self._redis.pipeline(transaction=False)
            for name in names:
                # Whoever remembers a roll call from before must not append to it.
                pipe.hset(self._key(name) + _ASIDE, "epoch", self.epoch)
                pipe.rename(self._key(name) + _ASIDE, self._key(name))
            await pipe.execute()

    def appear(self, pipe: "Pipeline") -> None:
        """The last step, within a transaction."""
        if self.seq:
            pipe.rename(self.stream, keys.events(self.log))
        heart = {"seq": str(self.seq), "epoch": self.epoch}
        pipe.hset(keys.meta(self.log), items=_flat(heart.items()))

    def _key(self, roll_call: str) -> str:
        return keys.roll_call(self.log.chamber, roll_call)


class Answers:
    """Answers once given to idempotency keys, valid as long as they were; `number` of
    them. A sender who asks again meanwhile is told what is about to be true again."""

    def __init__(self, redis: Redis) -> None:
        self.number = 0
        self._pipe = redis.pipeline(transaction=False)
        self._now = utc_now()

    async def add(self, answer: AnswerLine) -> None:
        """One more, unless its time is over."""
        left = datetime.fromisoformat(answer.until) - self._now
        milliseconds = left // timedelta(milliseconds=1)
        if milliseconds <= 0:
            return
        key = keys.idempotency(answer.chamber, answer.digest)
        self._pipe.set(key, answer.kept, px=milliseconds)
        self.number += 1
        if len(self._pipe) >= PAGE:
            await self.flush()

    async def flush(self) -> None:
        """Write those that wait."""
        await self._pipe.execute()


def _write(pipe: "Pipeline", key: str, fields: Mapping[str, str]) -> None:
    kept = [(name, value) for name, value in fields.items() if value != ABSENT]
    gone = [name for name, value in fields.items() if value == ABSENT]
    pipe.hset(key, items=_flat(kept))  # seq and version at least
    if gone:
        pipe.hdel(key, *gone)


def _flat(pairs: Iterable[tuple[str, T]]) -> list[str | T]:
    return [part for pair in pairs for part in pair]


def _pages(names: Iterable[str]) -> Iterator[list[str]]:
    rest = iter(names)
    while page := list(islice(rest, PAGE)):
        yield page


async def sweep(redis: Redis, logs: Iterable[LogName]) -> None:
    """Remove what a restore that was cut off, or the log that is gone, left behind."""
    for log in logs:
        await redis.delete(keys.events(log) + _ASIDE, keys.tallies(log))
    for chamber in {log.chamber for log in logs}:
        for pattern in (keys.roll_call(chamber, "*"), keys.idempotency(chamber, "*")):
            async for names in pages_of_keys(redis, pattern):
                await redis.unlink(*names)


async def appear(
    redis: Redis, staged: Sequence[Staging], tokens: Mapping[str, bytes]
) -> None:
    """Make all the logs appear, and the tokens with them. Raises Disturbed."""
    for one in staged:
        await one.put_roll_calls()
    async with redis.pipeline(transaction=True) as pipe:
        for one in staged:
            meta, events = keys.meta(one.log), keys.events(one.log)
            await pipe.watch(meta, events, one.stream)
            if await pipe.exists(meta, events) or await pipe.xlen(one.stream) < one.seq:
                raise Disturbed
        pipe.multi()  # type: ignore[no-untyped-call]
        for one in staged:
            one.appear(pipe)
        if tokens:
            pipe.hset(keys.TOKENS, items=_flat(tokens.items()))
        try:
            await pipe.execute()
        except WatchError as error:
            raise Disturbed from error
