"""The way to Redis is slow and breaks, and commands are given up halfway."""

import asyncio
import random
from collections.abc import AsyncIterator, Sized
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from redis.asyncio import BlockingConnectionPool, Redis
from redis.exceptions import RedisError

from tellers_core.members import general_assembly
from tellers_runtime.cancellable import cancellable
from tellers_runtime.log import connect_writer
from tests.faults.proxy import FaultProxy
from tests.faults.report import Report, size
from tests.servers import RedisServer
from tests.services.ingest import hall, refusal, running

WRITERS = 16
COMMANDS = size(15, 60)  # of each writer
RESET_SECONDS = 0.15
GETS = size(300, 1200)


@asynccontextmanager
async def lossy(server: RedisServer, done: Sized) -> AsyncIterator[FaultProxy]:
    """A way to that server which is slow, and is cut every so often: not before a few
    more commands are `done`, as even a busy machine must come to an end."""

    async def cut(proxy: FaultProxy) -> None:
        while True:
            wanted = len(done) + WRITERS // 2
            await asyncio.sleep(RESET_SECONDS)
            while len(done) < wanted:  # noqa: ASYNC110 - appended to by many
                await asyncio.sleep(0.005)
            proxy.reset()

    async with FaultProxy(server.port, delay=0.001, jitter=0.002) as proxy:
        task = asyncio.create_task(cut(proxy))
        try:
            yield proxy
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def test_f6_the_network_is_slow_and_cut(
    redis_server: RedisServer, redis_url: str, report: Report
) -> None:
    ambiguous = 0
    seqs: list[int] = []
    async with (
        lossy(redis_server, seqs) as proxy,
        running(proxy.redis_url) as url,
        hall(redis_url, [url]) as at,
    ):

        async def sent(method: str, path: str, json: object, key: str) -> None:
            """Send until it is taken."""
            nonlocal ambiguous
            headers = {"Idempotency-Key": key}
            while True:
                answer = await at.clerk.send(method, path, json, headers=headers)
                if answer.is_success:
                    seqs.append(answer.json()["seq"])
                    return
                assert refusal(answer) == (503, "log_unavailable")
                ambiguous += 1
                await asyncio.sleep(0.02)

        async def write(delegation: str) -> None:
            path = f"/es-11-1/votes/{delegation}"
            for number in range(COMMANDS):
                body = {"vote": ("yes", "no")[number % 2]}
                await sent("PUT", path, body, f"{delegation}-{number}")

        body = {"id": "es-11-1", "title": "T", "rule": "simple"}
        await sent("POST", "", body, "schedule")
        await sent("POST", "/es-11-1/open", None, "open")
        seqs.clear()
        await asyncio.gather(*map(write, general_assembly().codes[:WRITERS]))
        await at.state()  # log, hash and versions agree
        entries = (await at.entries())[2:]
    stored = {entry.seq: entry.event for entry in entries}
    figures = {
        "commands": WRITERS * COMMANDS,
        "stored": len(entries),
        "dup": len(entries) - len(set(seqs)),
        "gaps": max(stored) - 2 - len(stored),
        "unique": len(set(seqs)),
        "ambiguous": ambiguous,
    }
    report.figures("F6 lossy network", **figures)
    assert ambiguous > 0
    assert set(seqs) == set(stored)
    assert figures["stored"] == figures["unique"] == figures["commands"]
    assert (figures["dup"], figures["gaps"]) == (0, 0)


# A reply must be lost for something to be stored twice: chance, in a short run.
CONTROL_ROUNDS, CONTROL_COMMANDS = 10, 60


async def test_f6_control(
    redis_server: RedisServer, redis_url: str, report: Report
) -> None:
    """An XADD that is sent until it is answered."""

    done: list[str] = []

    async def write(redis: Redis, writer: int) -> None:
        for number in range(CONTROL_COMMANDS):
            name = f"{writer}-{number}"
            while name not in done:
                with suppress(RedisError, OSError):
                    await redis.xadd("bare", {"w": name})
                    done.append(name)

    stored = commands = 0
    for _ in range(CONTROL_ROUNDS):
        done.clear()
        async with (
            lossy(redis_server, done) as proxy,
            connect_writer(proxy.redis_url, "bare") as redis,
        ):
            await asyncio.gather(*(write(redis, writer) for writer in range(WRITERS)))
        commands += WRITERS * CONTROL_COMMANDS
        async with connect_writer(redis_url, "direct") as redis:
            stored = await redis.xlen("bare")
        if stored > commands:
            break
    report.control("F6", "the script", commands=commands, stored=stored)
    assert stored > commands


# ---- F7


def heedless(redis: Redis) -> Redis:
    """The client with connections that are used again after a command on them was
    given up, whose reply is still to come: as in redis-py 4.5.3."""
    pool = redis.connection_pool

    class Reused(pool.connection_class):  # type: ignore[misc, name-defined]
        async def read_response(self, *args: Any, **options: Any) -> Any:
            options["disconnect_on_error"] = False
            return await super().read_response(*args, **options)

    pool.connection_class = Reused
    return redis


async def wrong_replies(redis: Redis) -> tuple[int, int]:
    """GETs of many keys, four of ten given up after a moment: how many of the others
    had another's reply, and how many were given up."""
    for number in range(100):
        await redis.set(f"k{number}", str(number))
    wrong = given_up = 0

    async def get(number: int) -> None:
        nonlocal wrong, given_up
        task = asyncio.ensure_future(redis.get(f"k{number}"))
        if random.random() < 0.4:
            await asyncio.sleep(random.uniform(0, 0.015))
            given_up += task.cancel()
        with suppress(asyncio.CancelledError):
            wrong += await task != str(number).encode()

    for _ in range(0, GETS, 10):
        await asyncio.gather(*(get(random.randrange(100)) for _ in range(10)))
    return wrong, given_up


@pytest.mark.parametrize("heed", [True, False])
async def test_f7_commands_are_given_up(
    redis_server: RedisServer, redis_url: str, report: Report, heed: bool
) -> None:
    async with FaultProxy(redis_server.port, delay=0.005) as proxy:
        pool: BlockingConnectionPool = BlockingConnectionPool.from_url(
            proxy.redis_url, max_connections=4, timeout=10
        )
        redis = Redis.from_pool(pool)
        redis = cancellable(redis) if heed else heedless(redis)
        async with redis:
            wrong, given_up = await wrong_replies(redis)
        await pool.aclose()
    figures = {"gets": GETS, "given_up": given_up, "wrong_replies": wrong}
    if heed:
        report.figures("F7 cancelled commands", **figures)
        assert given_up > GETS / 10
        assert wrong == 0
    else:
        report.control("F7", "closing the connection", **figures)
        assert wrong > 0
