"""How a gateway lets viewers go: all of them when it stops, one who says too much."""

import asyncio
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tellers_gateway.allowance import Allowance
from tellers_gateway.drain import LEAST_AT_ONCE, SLICE_SECONDS, at_once
from tellers_gateway.protocol import (
    BYTES_AT_ONCE,
    MESSAGES_A_SECOND,
    MESSAGES_AT_ONCE,
)
from tests.e2e.stack import Service, Stack
from tests.faults.crowd import Crowd, Plan
from tests.servers import wait_until
from tests.services.viewing import PATIENCE, Socket, metric, streaming, watching

TOO_MANY = "tellers_gateway_too_many_total"
DRAIN_SECONDS = 2.0
# So many that it takes all of that time.
VIEWERS = int(LEAST_AT_ONCE * DRAIN_SECONDS / SLICE_SECONDS)


@pytest.mark.parametrize(
    ("viewers", "seconds", "number"),
    [
        (0, 4.0, LEAST_AT_ONCE),
        (10, 4.0, LEAST_AT_ONCE),
        (1000, 4.0, 50),
        (1001, 4.0, 51),
        (1000, 20.0, LEAST_AT_ONCE),
        (10_000, 20.0, 100),
        (1000, 0.0, 1000),
        (1000, SLICE_SECONDS / 2, 1000),
    ],
)
def test_so_many_go_at_once_that_it_takes_the_time_it_may(
    viewers: int, seconds: float, number: int
) -> None:
    assert at_once(viewers, seconds) == number


def test_an_allowance_is_used_up_and_comes_back() -> None:
    allowance = Allowance(rate=10, burst=3)
    assert [allowance.take(1, 100.0) for _ in range(4)] == [True, True, True, False]
    assert not allowance.take(1, 100.09)
    assert allowance.take(1, 100.2)
    assert [allowance.take(1, 200.0) for _ in range(4)] == [True, True, True, False]


def test_what_is_not_allowed_takes_nothing() -> None:
    allowance = Allowance(rate=1, burst=5)
    assert not allowance.take(6, 0.0)
    assert allowance.take(5, 0.0)


@pytest.fixture(scope="module")
def own_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A system whose gateways are stopped by these tests."""
    settings = {"TELLERS_DRAIN_SECONDS": f"{DRAIN_SECONDS}"}
    with Stack(tmp_path_factory.mktemp("drain"), settings=settings) as stack:
        clerk = stack.clerk()
        with clerk.http:
            clerk.open("drained")
        yield stack


@pytest.fixture
def gateway(own_stack: Stack) -> Iterator[Service]:
    """A gateway of its own for every test."""
    with own_stack.service("gateway") as gateway:
        wait_until(gateway.ready, PATIENCE, "the gateway")
        yield gateway


async def test_while_it_drains_nobody_new_is_served_and_reads_are_answered(
    gateway: Service, tmp_path: Path
) -> None:
    plan = Plan([gateway.url], "drained", tallies=VIEWERS)
    with Crowd(plan, tmp_path) as crowd:
        await asyncio.to_thread(crowd.tell, "ready")
        stopping = asyncio.create_task(asyncio.to_thread(gateway.stop))
        ready = partial(httpx.get, f"{gateway.url}/readyz", verify=False)
        while (answer := await asyncio.to_thread(ready)).is_success:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        with pytest.raises(InvalidStatus) as refused:
            async with watching(gateway.url, feed="tally"):
                pass
        async with streaming(gateway.url, feed="tally") as stream:
            await stream.ended()
        read = await asyncio.to_thread(
            httpx.get, f"{gateway.url}/v1/ga/roll-calls", verify=False
        )
        await stopping
    assert answer.status_code == 503
    assert set(answer.json()["missing"].values()) == {"the process is stopping"}
    assert read.status_code == 200
    assert refused.value.response.status_code == 503
    assert refused.value.response.headers["Retry-After"] == "1"
    assert json.loads(refused.value.response.body or b"")["code"] == "restarting"
    assert stream.frames == []


async def test_a_few_viewers_go_at_once(gateway: Service) -> None:
    async with (
        watching(gateway.url, feed="tally") as first,
        watching(gateway.url, feed="events") as second,
        streaming(gateway.url, feed="tally") as third,
    ):
        for viewer in (first, second, third):
            await viewer.caught_up()
        stopping = asyncio.create_task(asyncio.to_thread(gateway.stop))
        assert await first.closed() == (1012, "the gateway restarts")
        assert (await second.closed())[0] == 1012
        await third.ended()
        await stopping
    assert gateway.log.read_text().count("Traceback") == 0


async def is_let_go(viewer: Socket, gateway: Service) -> None:
    """With 4429; but who is still sending when that is over a second ago, on a busy
    machine, may never read it."""
    code, reason = await viewer.closed()
    assert (code, reason) in ((4429, "at most 10 messages a second"), (None, ""))
    too_many = await asyncio.to_thread(metric, gateway.url, TOO_MANY)
    assert too_many == 1


async def test_who_sends_too_many_messages_is_let_go(gateway: Service) -> None:
    async with watching(gateway.url, feed="tally") as viewer:
        await viewer.caught_up()
        for _ in range(MESSAGES_AT_ONCE + 2 * MESSAGES_A_SECOND):
            await viewer.connection.send('{"op":"unsubscribe","id":7}')
        await is_let_go(viewer, gateway)


async def test_who_pings_too_often_is_let_go(gateway: Service) -> None:
    async with watching(gateway.url, feed="tally") as viewer:
        await viewer.caught_up()
        pings = MESSAGES_AT_ONCE + 2 * MESSAGES_A_SECOND
        await asyncio.gather(*(viewer.connection.ping() for _ in range(pings)))
        await is_let_go(viewer, gateway)


async def test_who_sends_frames_without_end_is_let_go(gateway: Service) -> None:
    """Pieces of a message that never ends are no messages; their bytes are counted."""
    async with watching(gateway.url, feed="tally") as viewer:
        await viewer.caught_up()

        async def pieces() -> None:
            with pytest.raises(ConnectionClosed):
                await viewer.connection.send("" for _ in range(BYTES_AT_ONCE))

        sending = asyncio.create_task(pieces())
        await is_let_go(viewer, gateway)
        await sending


async def test_who_subscribes_to_all_he_may_at_once_stays(gateway: Service) -> None:
    async with watching(gateway.url) as viewer:
        for number in range(1, 65):
            await viewer.connection.send(
                f'{{"op":"subscribe","id":{number},"feed":"events"}}'
            )
        await viewer.until(lambda f: f["op"] == "caught_up" and f["id"] == 64)
