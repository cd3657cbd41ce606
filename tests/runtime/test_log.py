"""The append script and the log's readers, on every redis-server of this machine."""

import asyncio
from collections.abc import AsyncIterator, Mapping

import msgspec
import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from tellers_core.codec import LogName, decode, encode
from tellers_core.events import Event, RollCallOpened, Vote, VoteRecorded
from tellers_runtime import keys, log
from tellers_runtime.fields import changes
from tellers_runtime.log import (
    Append,
    Appended,
    Duplicate,
    Entry,
    KeyReused,
    LogLost,
    LogReader,
    LogWriter,
    NotReplicated,
    Published,
    RedisTooOld,
    Stale,
    TallyChannel,
    check_version,
    connect,
    connect_writer,
)
from tests.scenario import scheduled
from tests.servers import RedisServer

GA = LogName("ga")
ID = "es-11-1"
AT = "2026-11-23T17:00:01.234Z"
FINGERPRINT = "f" * 64


@pytest.fixture
async def redis(every_redis_url: str) -> AsyncIterator[Redis]:
    client = connect(every_redis_url, "test")
    yield client
    await client.aclose()


@pytest.fixture
async def writer(redis: Redis) -> LogWriter:
    """A writer to a log that has begun."""
    await LogReader(redis, GA).create()
    return LogWriter(redis)


def asked(
    *events: Event,
    guards: Mapping[str, str] | None = None,
    key: str = "",
    fingerprint: str = "",
    roll_call: str = ID,
    name: LogName = GA,
) -> Append:
    """An append; the answer is all that the script puts into its gap."""
    return Append(
        name,
        roll_call,
        guards or {},
        [encode(name, roll_call, event, AT) for event in events],
        {k: v for event in events for k, v in changes(event).items()},
        b'201{"seq":',
        b"}",
        key,
        fingerprint,
    )


async def snapshot(redis: Redis) -> dict[bytes | str, object]:
    """Everything in Redis."""
    found: dict[bytes | str, object] = {}
    for key in await redis.keys():
        match await redis.type(key):
            case b"hash":
                found[key] = await redis.hgetall(key)
            case b"stream":
                found[key] = await redis.xrange(key)
            case _:
                found[key] = await redis.get(key)
    return found


async def test_events_get_their_place_in_the_log(
    redis: Redis, writer: LogWriter
) -> None:
    first = await writer.append(asked(scheduled(), RollCallOpened()))
    assert first == Appended(2, 2, b'201{"seq":2,"version":2}')
    other = await writer.append(asked(scheduled(), roll_call="other"))
    assert other == Appended(3, 1, b'201{"seq":3,"version":1}')
    vote = VoteRecorded("FRA", Vote.YES)
    assert await writer.append(asked(vote)) == Appended(
        4, 3, b'201{"seq":4,"version":3}'
    )
    entries = await LogReader(redis, GA).range(0, 100)
    assert [entry.seq for entry in entries] == [1, 2, 3, 4]
    # The script writes what the codec would have written.
    assert entries[3].body == encode(GA, ID, vote, AT).filled(ID, 4, 3)
    recorded = decode(entries[3].body)
    assert (recorded.seq, recorded.version, recorded.event) == (4, 3, vote)
    assert await redis.hgetall(keys.meta(GA)) == {
        b"epoch": (await LogReader(redis, GA).create()).encode(),
        b"seq": b"4",
    }
    fields = await writer.load("ga", ID)
    assert (fields[b"version"], fields[b"seq"], fields[b"v:FRA"]) == (
        b"3",
        b"4",
        b"yes",
    )


async def test_nothing_to_append_says_where_the_roll_call_is(
    redis: Redis, writer: LogWriter
) -> None:
    await writer.append(asked(scheduled()))
    await writer.append(asked(scheduled(), roll_call="other"))
    before = await snapshot(redis)
    nothing = await writer.append(asked(guards={"phase": "scheduled"}))
    assert nothing == Appended(1, 1, b'201{"seq":1,"version":1}')
    assert await snapshot(redis) == before


async def test_a_guard_that_does_not_hold_stops_everything(
    redis: Redis, writer: LogWriter
) -> None:
    await writer.append(asked(scheduled(), guards={"version": ""}))
    before = await snapshot(redis)
    for guards, stale in (
        ({"version": ""}, Stale("version", "1")),
        ({"phase": "scheduled", "v:FRA": "yes"}, Stale("v:FRA", "")),
        ({"phase": "open"}, Stale("phase", "scheduled")),
    ):
        opened = asked(
            RollCallOpened(), guards=guards, key="k", fingerprint=FINGERPRINT
        )
        assert await writer.append(opened) == stale
    assert await snapshot(redis) == before
    held = asked(RollCallOpened(), guards={"phase": "scheduled", "version": "1"})
    assert isinstance(await writer.append(held), Appended)


async def test_a_key_is_answered_once(redis: Redis, writer: LogWriter) -> None:
    first = asked(scheduled(), guards={"version": ""}, key="k", fingerprint=FINGERPRINT)
    appended = await writer.append(first)
    assert isinstance(appended, Appended)
    before = await snapshot(redis)
    assert await writer.append(first) == Duplicate(appended.answer)
    other = first._replace(fingerprint="e" * 64)
    assert await writer.append(other) == KeyReused()
    assert await snapshot(redis) == before
    kept = await writer.recall("ga", "k")
    assert kept == FINGERPRINT.encode() + appended.answer
    assert await writer.recall("ga", "another") is None
    assert 0 < await redis.ttl(keys.idempotency("ga", "k")) <= log.IDEMPOTENCY_SECONDS


async def test_a_removed_field_is_absent(redis: Redis, writer: LogWriter) -> None:
    await writer.append(asked(scheduled()))
    for value in ("yes", ""):
        await writer.append(asked()._replace(changes={"v:FRA": value}))
        assert (b"v:FRA" in await writer.load("ga", ID)) == bool(value)


async def test_many_events_in_one_append(redis: Redis, writer: LogWriter) -> None:
    codes = [f"{n:03}" for n in range(500)]
    votes = [VoteRecorded(code, Vote.NO) for code in codes]
    guards = {f"v:{code}": "" for code in codes}
    appended = await writer.append(asked(*votes, guards=guards))
    assert appended == Appended(500, 500, b'201{"seq":500,"version":500}')
    assert len(await LogReader(redis, GA).range(0, 1000)) == 500


async def test_bytes_are_bytes(redis: Redis, writer: LogWriter) -> None:
    title = 'a "quoted" \\ \u0000 %s %.0f \U0001f5f3 \u2028 title'
    head = f'201{{"t":{msgspec.json.encode(title).decode()},"seq":'.encode()
    append = asked(scheduled(title=title))._replace(answer_head=head)
    appended = await writer.append(append)
    assert isinstance(appended, Appended)
    assert msgspec.json.decode(appended.answer[3:])["t"] == title
    (entry,) = await LogReader(redis, GA).range(0, 9)
    event = decode(entry.body).event
    assert event == scheduled(title=title)


async def test_large_numbers_stay_whole(redis: Redis, writer: LogWriter) -> None:
    """Lua's numbers are doubles; tostring would say 1e+15."""
    large = 2**53 - 2
    await redis.hset(keys.meta(GA), "seq", str(large))
    await redis.xadd(keys.events(GA), {"e": "x"}, id=f"{large}-0")
    appended = await writer.append(asked(scheduled()))
    assert isinstance(appended, Appended)
    assert appended.seq == large + 1
    (entry,) = await LogReader(redis, GA).range(large, 9)
    assert decode(entry.body).seq == large + 1


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (("DEL", keys.events(GA)), "the stream ends at 0, not at 2"),
        (("DEL", keys.meta(GA)), "the log has no epoch"),
        (("HDEL", keys.meta(GA), "epoch"), "the log has no epoch"),
        (("HDEL", keys.meta(GA), "seq"), "the stream ends at 2, not at 0"),
        (("HSET", keys.meta(GA), "seq", "1"), "the stream ends at 2, not at 1"),
        (("HSET", keys.meta(GA), "seq", "9"), "the stream ends at 2, not at 9"),
        (("XADD", keys.events(GA), "2-7", "e", "x"), "the stream ends at -1, not at 2"),
        (("XADD", keys.events(GA), "9-0", "e", "x"), "the stream ends at 9, not at 2"),
    ],
)
async def test_a_log_that_is_not_whole_is_lost(
    redis: Redis, writer: LogWriter, harm: tuple[str, ...], reason: str
) -> None:
    await writer.append(asked(scheduled(), RollCallOpened()))
    await redis.execute_command(*harm)  # type: ignore[no-untyped-call]
    before = await snapshot(redis)
    with pytest.raises(LogLost, match=reason):
        await writer.append(asked(VoteRecorded("FRA", Vote.YES)))
    assert await snapshot(redis) == before


async def test_trimming_a_stream_loses_no_place(
    redis: Redis, writer: LogWriter
) -> None:
    """What was archived may be trimmed: the place is that of the last entry ever."""
    await writer.append(asked(scheduled(), RollCallOpened()))
    await redis.xtrim(keys.events(GA), maxlen=0, approximate=False)
    appended = await writer.append(asked(VoteRecorded("FRA", Vote.YES)))
    assert isinstance(appended, Appended)
    assert appended.seq == 3


async def test_an_answer_outlives_the_log(redis: Redis, writer: LogWriter) -> None:
    first = asked(scheduled(), key="k", fingerprint=FINGERPRINT)
    appended = await writer.append(first)
    await redis.delete(keys.meta(GA))
    assert isinstance(appended, Appended)
    assert await writer.append(first) == Duplicate(appended.answer)


async def test_out_of_memory_appends_nothing(redis: Redis, writer: LogWriter) -> None:
    await writer.append(asked(scheduled()))
    before = await snapshot(redis)
    await redis.config_set("maxmemory", 1)
    try:
        keyed = asked(RollCallOpened(), key="k", fingerprint=FINGERPRINT)
        with pytest.raises(RedisError, match=r"OOM|maxmemory"):
            await writer.append(keyed)
    finally:
        await redis.config_set("maxmemory", 0)
    assert await snapshot(redis) == before
    assert await writer.append(keyed) == Appended(2, 2, b'201{"seq":2,"version":2}')


async def test_a_rehearsal_is_another_log(redis: Redis, writer: LogWriter) -> None:
    rehearsals = LogName("ga", rehearsal=True)
    with pytest.raises(LogLost):
        await writer.append(asked(scheduled(), name=rehearsals))
    await LogReader(redis, rehearsals).create()
    await writer.append(asked(scheduled(), name=rehearsals, roll_call="drill"))
    assert await LogReader(redis, rehearsals).head() == 1
    assert await LogReader(redis, GA).head() == 0


async def test_a_script_is_forgotten_with_a_restart(
    redis: Redis, writer: LogWriter
) -> None:
    await writer.append(asked(scheduled()))
    await redis.script_flush()
    assert isinstance(await writer.append(asked(RollCallOpened())), Appended)


async def test_what_no_replica_has_is_not_answered(
    redis: Redis, writer: LogWriter
) -> None:
    """This Redis has none. What is stored is found again once it needs none."""
    careful = LogWriter(redis, replicas=1, replica_timeout_ms=10)
    first = asked(scheduled(), key="k", fingerprint=FINGERPRINT)
    await redis.script_flush()
    for _ in range(2):  # appended, then found
        with pytest.raises(NotReplicated, match="0 of 1 replicas had it after 10 ms"):
            await careful.append(first)
    with pytest.raises(NotReplicated):
        await careful.settled("ga")
    await writer.settled("ga")
    assert isinstance(await writer.append(first), Duplicate)
    assert await LogReader(redis, GA).head() == 1


async def test_what_a_replicated_log_refuses_is_refused(
    redis: Redis, writer: LogWriter
) -> None:
    """An error of the script counts before the number of replicas."""
    careful = LogWriter(redis, replicas=1, replica_timeout_ms=10)
    await redis.set(keys.roll_call("ga", ID), "no hash")
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        await careful.append(asked(scheduled(), guards={"phase": ""}))


async def test_sixteen_writers_leave_no_gap(every_redis_url: str, redis: Redis) -> None:
    await LogReader(redis, GA).create()
    client = connect_writer(every_redis_url, "many")
    writers = [LogWriter(client) for _ in range(16)]

    async def write(number: int) -> list[int]:
        places = []
        for _ in range(20):
            name = f"r{number}"
            result = await writers[number].append(
                asked(VoteRecorded("FRA", Vote.YES), roll_call=name)
            )
            assert isinstance(result, Appended)
            places.append(result.seq)
        return places

    places = await asyncio.gather(*(write(number) for number in range(16)))
    await client.aclose()
    assert sorted(p for some in places for p in some) == list(range(1, 321))
    entries = await LogReader(redis, GA).range(0, 999)
    assert [decode(entry.body).seq for entry in entries] == list(range(1, 321))
    versions = [decode(e.body).version for e in entries if b'"r3"' in e.body]
    assert versions == list(range(1, 21))


async def test_reading_goes_on_from_a_place(redis: Redis, writer: LogWriter) -> None:
    reader = LogReader(redis, GA)
    epoch = await reader.create()
    assert await reader.create() == epoch
    assert await reader.epoch() == epoch
    assert await reader.head() == 0
    assert await reader.range(0, 9) == []
    assert await reader.follow(0, 9, 1) == (epoch, [])
    await writer.append(asked(scheduled(), RollCallOpened()))
    whole = await reader.range(0, 9)
    assert await reader.range(1, 9) == whole[1:]
    assert await reader.range(0, 1) == whole[:1]
    assert await reader.range(2, 9) == []
    assert await reader.follow(0, 9, 1000) == (epoch, whole)
    assert await reader.head() == 2

    waiting = asyncio.create_task(reader.follow(2, 9, 5000))
    await asyncio.sleep(0.05)
    await writer.append(asked(VoteRecorded("FRA", Vote.YES)))
    _, (entry,) = await waiting
    assert entry.seq == 3
    assert isinstance(entry, Entry)


async def test_a_gap_is_noticed(redis: Redis, writer: LogWriter) -> None:
    reader = LogReader(redis, GA)
    await writer.append(asked(scheduled(), RollCallOpened()))
    await redis.xdel(keys.events(GA), "1-0")
    with pytest.raises(LogLost, match="entry 1 is missing"):
        await reader.range(0, 9)
    with pytest.raises(LogLost, match="entry 1 is missing"):
        await reader.follow(0, 9, 1)
    assert len(await reader.range(1, 9)) == 1


async def test_tallies_are_followed_from_the_newest(redis: Redis) -> None:
    channel = TallyChannel(redis, GA)
    assert await channel.recent() == Published([], 0, "0-0")
    await channel.publish([b"1", b"2"], 7)
    kept = await channel.recent()
    assert (kept.tallies, kept.seq) == ([b"1", b"2"], 7)
    assert await channel.follow(kept.place, 1) == Published([], 0, kept.place)
    await channel.publish([], 8)  # of a roll call that is held
    await channel.publish([b"3"], 9)
    news = await channel.follow(kept.place, 1)
    assert (news.tallies, news.seq) == ([b"3"], 9)
    assert await channel.follow(news.place, 1) == Published([], 0, news.place)


async def test_an_old_redis_is_named(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    await check_version(redis)
    monkeypatch.setattr(log, "MINIMUM_REDIS", (99, 0))
    with pytest.raises(RedisTooOld, match="too old: Tellers needs"):
        await check_version(redis)


async def test_a_restarted_redis_is_met_without_an_error(
    redis_server: RedisServer, redis_url: str
) -> None:
    """Connections that the old process closed are not used again."""
    async with connect_writer(redis_url, "a") as many, connect(redis_url, "b") as few:
        for client in (many, few):
            await asyncio.gather(*(client.set(f"k{n}", "v") for n in range(20)))
        redis_server.kill()
        redis_server.start()
        await asyncio.sleep(0.05)
        for client in (many, few):
            await asyncio.gather(*(client.set(f"k{n}", "w") for n in range(20)))
            assert await client.get("k7") == b"w"
