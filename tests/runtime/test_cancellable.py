"""A cancelled reader of the log ends, at whatever moment it was cancelled."""

import asyncio

import pytest
from redis.asyncio import BlockingConnectionPool, Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from tellers_core.codec import LogName
from tellers_runtime.cancellable import cancellable
from tellers_runtime.log import LogReader, connect
from tellers_runtime.together import together

MOMENTS = range(40)  # turns of the event loop; a new connection's commands take fewer


async def follow(reader: LogReader) -> None:
    while True:
        await reader.follow(0, 10, 1000)


@pytest.mark.parametrize("moment", MOMENTS)
async def test_a_reader_ends_when_it_is_cancelled(redis_url: str, moment: int) -> None:
    redis = connect(redis_url, "test")
    reader = LogReader(redis, LogName("ga"))
    await reader.create()
    for _ in range(5):
        task = asyncio.create_task(follow(reader))
        for _ in range(moment):
            await asyncio.sleep(0)
        task.cancel()
        done, _ = await asyncio.wait([task], timeout=10)
        assert done, "the cancellation was swallowed"
        # Where one turn of the loop takes seconds, Redis was given up before that.
        assert task.cancelled() or isinstance(task.exception(), RedisTimeoutError)
        await redis.connection_pool.disconnect()
    await redis.aclose()


async def test_the_next_command_gets_its_own_reply(redis_url: str) -> None:
    redis = connect(redis_url, "test")
    for number in range(200):
        await redis.set("key", number)
        task = asyncio.ensure_future(redis.echo("somebody else's"))
        for _ in range(number % 7):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert await redis.get("key") == str(number).encode()
    await redis.aclose()


@pytest.mark.parametrize("scheme", ["redis://h", "rediss://h", "unix:///tmp/x"])
async def test_every_kind_of_connection_is_cancellable(scheme: str) -> None:
    for redis in (
        Redis.from_url(scheme),
        Redis.from_pool(BlockingConnectionPool.from_url(scheme)),
    ):
        kind = cancellable(redis).connection_pool.connection_class
        assert kind.__module__ == "tellers_runtime.cancellable"
        await redis.aclose()


# ---- together


async def for_ever() -> None:
    await asyncio.Event().wait()


async def fails() -> None:
    raise ValueError


async def reluctant(let_go: asyncio.Event) -> None:
    try:
        await for_ever()
    finally:
        await let_go.wait()


async def test_the_failure_of_one_ends_all_and_is_raised() -> None:
    with pytest.raises(BaseExceptionGroup) as raised:
        await together(for_ever(), fails(), for_ever())
    assert [type(error) for error in raised.value.exceptions] == [ValueError]


async def test_when_all_end_it_ends() -> None:
    await together(asyncio.sleep(0), asyncio.sleep(0))


async def test_a_cancellation_while_it_ends_for_another_reason_is_kept() -> None:
    let_go = asyncio.Event()
    task = asyncio.create_task(together(reluctant(let_go), fails()))
    for _ in range(5):
        await asyncio.sleep(0)
    task.cancel()
    for _ in range(5):
        await asyncio.sleep(0)
    assert not task.done()
    let_go.set()
    await asyncio.wait([task])
    assert task.cancelled()


async def test_a_reader_that_is_sent_away_has_lost_its_connection(
    redis_url: str,
) -> None:
    """As a primary does it to who waits, when it becomes a replica."""

    async def read(redis: Redis) -> None:
        identity = await redis.client_id()
        waiting = asyncio.ensure_future(redis.xread({"nothing": "0-0"}, block=5000))
        async with Redis.from_url(redis_url) as other:
            while not await other.client_unblock(identity, error=True):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await waiting

    ours = connect(redis_url, "test")
    with pytest.raises(RedisConnectionError, match="UNBLOCKED"):
        await read(ours)
    assert await ours.ping()
    await ours.aclose()
    async with Redis.from_url(redis_url) as theirs:  # which our readers do not expect
        with pytest.raises(ResponseError, match="UNBLOCKED"):
            await read(theirs)
