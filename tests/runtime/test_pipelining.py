"""Commands that go together to Redis and come back each to its own."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from tellers_runtime import pipelining
from tellers_runtime.log import connect_writer
from tellers_runtime.pipelining import Pipelining, Seal
from tests.faults.proxy import FaultProxy
from tests.servers import RedisServer

DEADLINE = 20


class Counting(Pipelining):
    """Notes how many commands there were in each batch."""

    def __init__(self, redis: Redis, seal: Seal = Seal()) -> None:  # noqa: B008
        super().__init__(redis, seal)
        self.batches: list[int] = []

    async def _exchange(
        self, batch: list[Any], connection: AbstractConnection, replies: list[Any]
    ) -> None:
        self.batches.append(len(batch))
        await super()._exchange(batch, connection, replies)


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with connect_writer(redis_url, "test") as client:
        yield client


async def echoes(line: Pipelining, numbers: Sequence[int]) -> list[bytes]:
    said: list[bytes] = await asyncio.gather(
        *(line.ask("ECHO", f"{n}") for n in numbers)
    )
    return said


async def test_what_is_asked_at_once_goes_at_once(redis: Redis) -> None:
    line = Counting(redis)
    assert await echoes(line, range(200)) == [b"%d" % n for n in range(200)]
    assert line.batches == [200]
    assert await line.ask("ECHO", "alone") == b"alone"
    assert line.batches == [200, 1]


async def test_what_is_asked_meanwhile_goes_with_the_next(
    redis_server: RedisServer, redis_url: str
) -> None:
    async with (
        FaultProxy(redis_server.port, delay=0.02) as proxy,
        connect_writer(proxy.redis_url, "test") as redis,
    ):
        line = Counting(redis)
        await line.ask("PING")  # connects
        first = line.ask("ECHO", "first")
        await asyncio.sleep(0.005)
        others = asyncio.gather(*(line.ask("ECHO", f"{n}") for n in range(50)))
        assert await first == b"first"
        assert await others == [b"%d" % n for n in range(50)]
        assert line.batches == [1, 1, 50]


async def test_no_batch_is_larger_than_it_may_be(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipelining, "MAX_BATCH", 8)
    line = Counting(redis)
    assert await echoes(line, range(20)) == [b"%d" % n for n in range(20)]
    assert line.batches == [8, 8, 4]


async def test_an_error_is_of_its_own_command(redis: Redis) -> None:
    await redis.set("text", "x")
    line = Counting(redis)
    asked = ("HGETALL", "text"), ("GET", "text"), ("NO-SUCH-COMMAND",)
    outcomes: list[Any] = await asyncio.gather(
        *(line.ask(*command) for command in asked), return_exceptions=True
    )
    wrong, right, also = outcomes
    assert isinstance(wrong, ResponseError)
    assert "WRONGTYPE" in str(wrong)
    assert right == b"x"
    assert isinstance(also, ResponseError)
    assert line.batches == [3]


async def test_a_seal_is_judged_for_all_and_an_own_error_comes_first(
    redis: Redis,
) -> None:
    verdicts: list[Exception | None] = [None, RedisTimeoutError("too few")]
    judged: list[Sequence[Any]] = []

    def judge(replies: Sequence[Any]) -> Exception | None:
        judged.append(list(replies))
        return verdicts.pop(0)

    line = Counting(redis, Seal((("ECHO", "a"), ("ECHO", "b")), judge))
    assert await echoes(line, [1, 2]) == [b"1", b"2"]
    outcomes = await asyncio.gather(
        line.ask("ECHO", "1"), line.ask("NO-SUCH-COMMAND"), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes] == [RedisTimeoutError, ResponseError]
    assert judged == [[b"a", b"b"]] * 2


# ---- who goes away


class Shifting(Pipelining):
    """Forgets who has gone away, and gives his reply to the next."""

    async def _exchange(
        self, batch: list[Any], connection: AbstractConnection, replies: list[Any]
    ) -> None:
        await super()._exchange(batch, connection, replies)
        batch[:] = [asked for asked in batch if not asked.reply.done()]


@pytest.mark.parametrize("kind", [Pipelining, Shifting])
async def test_nobody_gets_the_reply_of_who_went_away(
    redis_server: RedisServer, redis_url: str, kind: type[Pipelining]
) -> None:
    chance = random.Random(7)
    wrong = given_up = 0
    async with (
        FaultProxy(redis_server.port, delay=0.002) as proxy,
        connect_writer(proxy.redis_url, "test") as redis,
    ):
        line = kind(redis)

        async def ask(number: int) -> None:
            nonlocal wrong, given_up
            task = asyncio.ensure_future(line.ask("ECHO", f"{number}"))
            if number % 3 == 0:
                await asyncio.sleep(chance.uniform(0, 0.01))
                given_up += task.cancel()
            with suppress(asyncio.CancelledError):
                wrong += await task != b"%d" % number

        for start in range(0, 300, 30):
            async with asyncio.timeout(DEADLINE):
                await asyncio.gather(*(ask(n) for n in range(start, start + 30)))
    assert given_up > 20
    assert (wrong > 0) == (kind is Shifting)


# ---- what breaks


async def test_a_reset_is_an_unknown_outcome_for_its_batch_and_no_other(
    redis_server: RedisServer, redis_url: str
) -> None:
    """Every number is added once or, if the reply was lost, once or not at all."""
    unknown: list[str] = []
    async with (
        FaultProxy(redis_server.port, delay=0.001, jitter=0.002) as proxy,
        connect_writer(proxy.redis_url, "test") as redis,
    ):
        line = Pipelining(redis)
        places: dict[str, int] = {}

        async def push(writer: int) -> None:
            for number in range(25):
                name = f"{writer}-{number}"
                try:
                    places[name] = await line.ask("RPUSH", "list", name)
                except (RedisError, OSError):
                    unknown.append(name)
                if len(places) % 40 == 20:
                    proxy.reset()

        async with asyncio.timeout(DEADLINE):
            await asyncio.gather(*(push(writer) for writer in range(16)))
    async with connect_writer(redis_url, "direct") as direct:
        stored = [_text(name) for name in await direct.lrange("list", 0, -1)]
    assert unknown
    assert len(places) + len(unknown) == 400
    assert len(stored) == len(set(stored))  # nothing was sent a second time
    # Everybody has the reply to his own command.
    assert all(stored[place - 1] == name for name, place in places.items())


def _text(reply: bytes | str) -> str:
    return reply if isinstance(reply, str) else reply.decode()


async def test_silence_is_an_unknown_outcome_and_ends(
    redis_server: RedisServer, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        FaultProxy(redis_server.port) as proxy,
        connect_writer(proxy.redis_url, "test") as redis,
    ):
        line = Pipelining(redis)
        assert await line.ask("ECHO", "before") == b"before"
        monkeypatch.setattr(pipelining, "REPLY_SECONDS", 0.2)
        proxy.half = True
        asked = [line.ask("ECHO", "lost"), line.ask("ECHO", "lost too")]
        async with asyncio.timeout(DEADLINE):
            outcomes = await asyncio.gather(*asked, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [RedisTimeoutError] * 2
        assert outcomes[0] is not outcomes[1]
        monkeypatch.setattr(pipelining, "REPLY_SECONDS", DEADLINE)
        proxy.half = False
        # The late replies are nobody's.
        assert await line.ask("ECHO", "after") == b"after"


async def test_a_redis_that_was_away_is_found_again(tmp_path: Path) -> None:
    with RedisServer(tmp_path) as server:
        async with connect_writer(server.url, "test") as redis:
            line = Pipelining(redis)
            await echoes(line, range(3))
            server.kill()
            outcomes = await asyncio.gather(
                *(line.ask("PING") for _ in range(3)), return_exceptions=True
            )
            assert all(isinstance(o, RedisConnectionError) for o in outcomes)
            server.start()
            assert await echoes(line, range(3)) == [b"0", b"1", b"2"]


async def test_when_the_worker_is_ended_nobody_waits_for_ever(
    redis_server: RedisServer, redis_url: str
) -> None:
    async with (
        FaultProxy(redis_server.port) as proxy,
        connect_writer(proxy.redis_url, "test") as redis,
    ):
        line = Pipelining(redis)
        await line.ask("PING")
        proxy.half = True
        sent = line.ask("PING")
        await asyncio.sleep(0.05)
        waiting = line.ask("PING")
        working = line._working
        assert working is not None
        working.cancel()
        async with asyncio.timeout(DEADLINE):
            outcomes = await asyncio.gather(sent, waiting, return_exceptions=True)
        assert all(isinstance(o, RedisConnectionError) for o in outcomes)
        proxy.half = False
        assert await line.ask("ECHO", "again") == b"again"
