"""The log in Redis: the only module that speaks to the streams of events and tallies.

A stream's entry ids are `<seq>-0`, so Redis itself refuses a repeat or a step back,
and a gap is seen at a glance. The epoch names the log's lifetime: reading checks it in
the same round trip, after the entries, so entries of another epoch are never taken for
ours.
"""

import hashlib
import secrets
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from importlib import resources
from typing import Any, NamedTuple, cast

from msgspec.structs import replace
from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError
from redis.exceptions import TimeoutError as RedisTimeoutError

from tellers_core.codec import LogName, Template
from tellers_core.publication import Publication, decode_publication
from tellers_runtime import keys
from tellers_runtime.clients import Clients
from tellers_runtime.pipelining import Pipelining, Seal

IDEMPOTENCY_SECONDS = 24 * 3600
# Enough for every tally that the tally service may have published and not yet archived
# (Projector.MAX_UNARCHIVED), which a starting gateway reads from here.
TALLIES_KEPT = 5000
MINIMUM_REDIS = (6, 2)

Unavailable = (RedisConnectionError, RedisTimeoutError, OSError)


# A stream's entries as Redis gives them: id, then names and values in turn.
Found = list[tuple[bytes, list[bytes]]]


class LogLost(Exception):
    """The log is not there, not whole, or not the one that was read before."""


class RedisTooOld(Exception):
    """The server lacks what the append script needs."""


class NotReplicated(RedisTimeoutError):
    """Too few replicas have it: it may be stored, and may be lost with the primary."""


class Entry(NamedTuple):
    """One entry of the log: its place and its bytes (`codec.decode`)."""

    seq: int
    body: bytes


class Said(NamedTuple):
    """What operators said about publication, and its place in that stream."""

    place: str
    publication: Publication


class Append(NamedTuple):
    """What the script is asked to do; see `append.lua`."""

    log: LogName
    roll_call: str
    guards: Mapping[str, str]
    events: Sequence[Template]
    changes: Mapping[str, str]
    answer_head: bytes
    answer_tail: bytes
    idempotency_digest: str = ""
    fingerprint: str = ""


class Appended(NamedTuple):
    """The log took it: seq and version after it, and the answer as bytes."""

    seq: int
    version: int
    answer: bytes


class Duplicate(NamedTuple):
    """The same request was answered before, with these bytes."""

    answer: bytes


class KeyReused(NamedTuple):
    """The idempotency key belongs to another request."""


class Stale(NamedTuple):
    """A field had another value than the decision was made on."""

    field: str
    actual: str


def connect(url: str, name: str) -> "Redis":
    """A client whose timeouts exceed the blocking reads below.

    It repeats no command by itself: an append whose reply was lost may have happened,
    and its repetition would be refused. Of a cluster it is a client of the node that
    has the tokens. Raises ValueError when the URL is none.
    """
    return Clients(url, name).tokens


def connect_writer(url: str, name: str) -> "Redis":
    """The same for many commands at once, which wait for one of a few connections."""
    return Clients(url, name, writing=True).tokens


async def check_version(redis: "Redis") -> None:
    """Raises RedisTooOld in one sentence that says what to do."""
    text = (await redis.info("server"))["redis_version"]
    version = tuple(int(part) for part in str(text).split(".")[:2])
    if version < MINIMUM_REDIS:
        raise RedisTooOld(f"Redis {text} is too old: Tellers needs 6.2 or newer")


class LogWriter:
    """Appends to the logs of all chambers with the one script.

    With `replicas`, what may be answered is known to so many of them, each time within
    `replica_timeout_ms`, or NotReplicated is raised (ADR 15).
    """

    def __init__(
        self, redis: "Redis | Clients", replicas: int = 0, replica_timeout_ms: int = 250
    ) -> None:
        self._redis = redis
        self._script = resources.files(__package__).joinpath("append.lua").read_text()
        # As Redis itself names a script.
        self._sha = hashlib.sha1(
            self._script.encode(), usedforsecurity=False
        ).hexdigest()
        self._replicas = replicas
        self._replica_timeout_ms = replica_timeout_ms
        self._lines: dict[Redis, Pipelining] = {}

    async def append(self, a: Append) -> Appended | Duplicate | KeyReused | Stale:
        """Append all or nothing. Safe to repeat with the same idempotency key.

        Raises LogLost, or one of `Unavailable` when the outcome is unknown.
        """
        reply = await self._run_script(
            a.log.chamber,
            [
                keys.events(a.log),
                keys.meta(a.log),
                keys.roll_call(a.log.chamber, a.roll_call),
                keys.idempotency(a.log.chamber, a.idempotency_digest),
            ],
            [
                a.fingerprint,
                IDEMPOTENCY_SECONDS,
                a.roll_call,
                a.answer_head,
                a.answer_tail,
                *_counted(a.guards.items()),
                *_counted(a.events),
                *_counted(a.changes.items()),
            ],
        )
        match reply:
            case [b"OK", seq, version, answer]:
                return Appended(int(seq), int(version), answer)
            case [b"DUP", answer]:
                return Duplicate(answer)
            case [b"IDEM_CONFLICT"]:
                return KeyReused()
            case [b"STALE", field, actual]:
                return Stale(field.decode(), actual.decode())
            case [b"LOST", reason]:
                raise LogLost(reason.decode())
            case _:
                raise LogLost(f"unexpected reply {reply!r}")

    async def recall(self, chamber: str, digest: str) -> bytes | None:
        """Fingerprint and answer once stored under an idempotency key."""
        redis = self._of(chamber)
        stored = await redis.get(keys.idempotency(chamber, digest))
        return cast("bytes | None", stored)

    async def settled(self, chamber: str) -> None:
        """Return when the replicas have all that was read of a chamber until now.

        To be awaited before anything is said that rests on it: "recorded already" is a
        promise too. Raises NotReplicated.
        """
        if self._replicas:
            await self._replicated(chamber, "PING")

    async def load(self, chamber: str, roll_call: str) -> dict[bytes, bytes]:
        """The hash of a roll call, empty when there is none (`fields.load`)."""
        found = await self._of(chamber).hgetall(keys.roll_call(chamber, roll_call))
        return cast("dict[bytes, bytes]", found)

    def _of(self, chamber: str) -> "Redis":
        redis = self._redis
        return redis.of(chamber) if isinstance(redis, Clients) else redis

    async def _run_script(
        self, chamber: str, names: Sequence[str], args: Sequence[str | bytes | int]
    ) -> Any:
        call = ("EVALSHA", self._sha, len(names), *names, *args)
        try:
            return await self._replicated(chamber, *call)
        except NoScriptError:  # Redis forgets scripts when it restarts
            await self._of(chamber).script_load(self._script)
            return await self._replicated(chamber, *call)

    async def _replicated(self, chamber: str, *command: str | bytes | int) -> Any:
        """The reply to a command, when the replicas have all that it rests on."""
        redis = self._of(chamber)
        if redis not in self._lines:  # one server has one, for all chambers
            seal = self._seal(chamber) if self._replicas else Seal()
            self._lines[redis] = Pipelining(redis, seal)
        return await self._lines[redis].ask(*command)

    def _seal(self, chamber: str) -> Seal:
        """What ends a batch of commands: the replicas are waited for.

        WAIT is for the last write of its own connection, and a replayed answer is none:
        the empty publication is, and it changes nothing and is on no disk. In a cluster
        publications do not go the log's way, so there it is an empty key.
        """

        def judge(replies: Sequence[Any]) -> Exception | None:
            for reply in replies:
                if isinstance(reply, Exception):
                    return reply
            _, had = replies
            if had >= self._replicas:
                return None
            return NotReplicated(
                f"{had} of {self._replicas} replicas had it after "
                f"{self._replica_timeout_ms} ms"
            )

        clustered = isinstance(self._redis, Clients) and self._redis.clustered
        write = (
            ("SET", keys.written(chamber), "")
            if clustered
            else ("PUBLISH", keys.WRITTEN, "")
        )
        wait = ("WAIT", self._replicas, self._replica_timeout_ms)
        return Seal((write, wait), judge)


def _counted(
    pairs: Iterable[tuple[str | bytes, str | bytes]],
) -> list[str | bytes | int]:
    flat: list[str | bytes | int] = [part for pair in pairs for part in pair]
    return [len(flat) // 2, *flat]


class LogReader:
    """Reads one log in order."""

    def __init__(self, redis: "Redis", log: LogName) -> None:
        self._redis = redis
        self.log = log

    async def epoch(self) -> str | None:
        """The log's epoch; None when there is no log."""
        epoch = await self._redis.hget(keys.meta(self.log), "epoch")
        return cast("bytes", epoch).decode() if epoch else None

    async def head(self) -> int:
        """The seq of the last event, 0 when there is none yet."""
        return int(await self._redis.hget(keys.meta(self.log), "seq") or 0)

    async def create(self) -> str:
        """The epoch of the log, made now if there is no log yet.

        Only who knows that nothing was ever archived may call this: a log that was
        lost must be restored, not begun anew.
        """
        meta = keys.meta(self.log)
        await self._redis.hsetnx(meta, "epoch", new_epoch())
        return str(await self.epoch())

    async def range(self, after: int, count: int) -> list[Entry]:
        """Up to `count` entries that follow `after`, without waiting.

        Raises LogLost when one is missing.
        """
        pipe = _plain(self._redis)
        pipe.xrange(keys.events(self.log), f"{after + 1}-0", "+", count)
        (found,) = await pipe.execute()
        return _entries(found, after)

    async def pages(self, count: int) -> AsyncIterator[list[Entry]]:
        """All entries, up to `count` at a time. Raises LogLost when one is missing."""
        after = 0
        while entries := await self.range(after, count):
            after = entries[-1].seq
            yield entries

    async def follow(
        self, after: int, count: int, block_ms: int
    ) -> tuple[str | None, list[Entry]]:
        """The epoch and the entries that follow `after`; waits for the first one.

        Raises LogLost when one is missing, or the log has become shorter. An empty
        list after `block_ms` is no error.
        """
        pipe = _plain(self._redis)
        pipe.xread({keys.events(self.log): f"{after}-0"}, count, block_ms)
        pipe.hmget(keys.meta(self.log), "epoch", "seq")
        found, (epoch, head) = await pipe.execute()
        if epoch is None:
            return None, []
        if int(head or 0) < after:
            raise LogLost(f"the log ends at {int(head or 0)}, {after} was read")
        return epoch.decode(), _entries(_of_one_stream(found), after)

    async def follow_public(
        self, after: int, place: str, count: int, block_ms: int
    ) -> tuple[str | None, list[Entry], Said | None]:
        """The same, with what operators said about publication since `place`.

        One read of both streams: whoever gets an entry has, then or before, got all
        that was said before it was appended. `count` 0: no entries.
        """
        streams: dict[Any, Any] = {keys.public(self.log): place}
        if count:
            streams[keys.events(self.log)] = f"{after}-0"
        pipe = _plain(self._redis)
        pipe.xread(streams, count or 1000, block_ms)
        pipe.hmget(keys.meta(self.log), "epoch", "seq")
        found, (epoch, head) = await pipe.execute()
        by_name = _by_stream(found)
        said = said_last(by_name.get(keys.public(self.log).encode(), []))
        if epoch is None:
            return None, [], said
        if int(head or 0) < after:
            raise LogLost(f"the log ends at {int(head or 0)}, {after} was read")
        entries = by_name.get(keys.events(self.log).encode(), [])
        return epoch.decode(), _entries(entries, after), said

    async def said(self) -> Said | None:
        """What operators said last about publication; None: nothing yet."""
        pipe = _plain(self._redis)
        pipe.xrevrange(keys.public(self.log), count=1)
        (found,) = await pipe.execute()
        return said_last(cast("Found", found))


def said_last(found: Found) -> Said | None:
    """The last of these entries of a stream of publications.

    Raises LogLost when it is not understood: then nothing may be published.
    """
    if not found:
        return None
    place, fields = found[-1]
    try:
        said = decode_publication(_field(fields, b"p"))
        seq, public_seq = int(_field(fields, b"seq")), int(_field(fields, b"public"))
    except ValueError as error:
        raise LogLost(f"what was said about publication: {error}") from error
    return Said(place.decode(), replace(said, seq=seq, public_seq=public_seq))


def _by_stream(found: object) -> dict[bytes, Found]:
    """The entries in a reply to XREAD, by stream (RESP2 list or RESP3 map)."""
    return cast("dict[bytes, Found]", dict(cast("Any", found) or {}))


def new_epoch() -> str:
    """A name for a log's lifetime; never the same twice."""
    return secrets.token_hex(4)


def _plain(redis: "Redis") -> "Pipeline":
    """A pipeline whose replies stay as Redis gives them: what redis-py makes of a
    stream's entries takes longer than to read them."""
    pipe = redis.pipeline(transaction=False)
    pipe.response_callbacks = {}
    return pipe


def _of_one_stream(found: object) -> Found:
    """The entries in a reply to XREAD of one stream (RESP2 list or RESP3 map)."""
    if not found:
        return []
    if isinstance(found, dict):
        (entries,) = found.values()
        return cast("Found", entries)
    assert isinstance(found, list)
    return cast("Found", found[0][1])


def _entries(found: Found, after: int) -> list[Entry]:
    entries = []
    for seq, (place, fields) in enumerate(found, after + 1):
        if place != b"%d-0" % seq:
            raise LogLost(f"entry {seq} is missing: the log goes on at {place!r}")
        entries.append(Entry(seq, _field(fields, b"e")))
    return entries


def _field(fields: list[bytes], name: bytes) -> bytes:
    """The value of a field; empty when there is none."""
    if fields[0] == name:
        return fields[1]
    return dict(zip(fields[::2], fields[1::2], strict=True)).get(name, b"")


class Published(NamedTuple):
    """What the channel had: tallies in order, the seq up to which the log is projected
    (0 when it does not say), and the place to follow from."""

    tallies: list[bytes]
    seq: int
    place: str


class TallyChannel:
    """Published tallies of one log, the newest few thousand.

    Entries hold a tally (`t`), and the last of each publication the seq up to which the
    log is projected (`s`): a roll call that is held gets no more tallies, and readers
    must still see that the tally service goes on. Publishing twice does no harm:
    readers ignore what is not newer than what they have.
    """

    def __init__(self, redis: "Redis", log: LogName) -> None:
        self._redis = redis
        self._key = keys.tallies(log)

    async def publish(self, tallies: Sequence[bytes], seq: int) -> None:
        """Publish tallies in order, and that all up to `seq` is in; one round trip."""
        entries: list[dict[Any, Any]] = [{"t": tally} for tally in tallies]
        if not entries:
            entries.append({})
        entries[-1]["s"] = seq
        pipe = self._redis.pipeline(transaction=False)
        for fields in entries:
            pipe.xadd(self._key, fields, maxlen=TALLIES_KEPT, approximate=True)
        await pipe.execute()

    async def recent(self) -> Published:
        """What is kept, and the place to `follow` from."""
        pipe = _plain(self._redis)
        pipe.xrange(self._key)
        (found,) = await pipe.execute()
        return _published(found, "0-0")

    async def follow(self, place: str, block_ms: int) -> Published:
        """What was published after that place; waits for the first of it."""
        pipe = _plain(self._redis)
        pipe.xread({self._key: place}, 1000, block_ms)
        (reply,) = await pipe.execute()
        return _published(_of_one_stream(reply), place)


def _published(found: Found, place: str) -> Published:
    tallies, seq = [], 0
    for _, fields in found:
        named = dict(zip(fields[::2], fields[1::2], strict=True))
        if b"t" in named:
            tallies.append(named[b"t"])
        seq = max(seq, int(named.get(b"s", 0)))
    return Published(tallies, seq, found[-1][0].decode() if found else place)
