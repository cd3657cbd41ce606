"""Several gateway processes behind one port."""

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path

import pytest

from tellers_gateway.settings import GatewaySettings
from tests.e2e.stack import Service, Stack
from tests.servers import HOST, free_port, wait_until
from tests.services.viewing import (
    ES_11_1,
    PATIENCE,
    Socket,
    metric,
    of_op,
    span,
    watching,
)

VIEWERS = 24
OPEN_FEEDS = "tellers_gateway_viewers"


class Pair:
    """Two processes on one port; each is asked by itself at its own address."""

    def __init__(self, stack: Stack) -> None:
        port = free_port()
        own = [free_port() for _ in range(2)]
        self.both = [
            stack.service(
                "gateway",
                port,
                TELLERS_GATEWAY_PROCESSES="2",
                TELLERS_GATEWAY_OWN_PORT=str(number),
                TELLERS_DRAIN_SECONDS="0.5",
            )
            for number in own
        ]
        self.url = self.both[0].url
        self.own = [f"http://{HOST}:{number}" for number in own]

    def wait_ready(self) -> None:
        """Both, whoever of them answers at the port they share."""
        for own in self.own:
            alone = Service("gateway", int(own.rpartition(":")[2]), Path(), {})
            wait_until(alone.ready, PATIENCE, own)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    settings = {"TELLERS_SILENT_SECONDS": "20"}
    with Stack(tmp_path_factory.mktemp("pair"), settings=settings) as stack:
        yield stack


@pytest.fixture
def pair(stack: Stack) -> Iterator[Pair]:
    """Both run and are ready."""
    pair = Pair(stack)
    with ExitStack() as running:
        for service in pair.both:
            running.enter_context(service)
        pair.wait_ready()
        yield pair


async def viewers(pair: Pair, everything: AsyncExitStack) -> list[Socket]:
    """So many that each of the two has some."""
    some = [
        await everything.enter_async_context(watching(pair.url, feed="tally"))
        for _ in range(VIEWERS)
    ]
    for viewer in some:
        await viewer.caught_up()
    return some


async def test_the_kernel_deals_viewers_out_and_each_sees_every_change_once(
    stack: Stack, pair: Pair
) -> None:
    clerk = stack.clerk()
    clerk.open("dealt")
    async with AsyncExitStack() as everything:
        some = await viewers(pair, everything)
        shares = [await asyncio.to_thread(metric, own, OPEN_FEEDS) for own in pair.own]
        for delegation, vote in ES_11_1[:20]:
            last = await asyncio.to_thread(clerk.vote, "dealt", delegation, vote)
        for viewer in some:
            await viewer.tally(last["seq"])
    clerk.http.close()
    assert sum(shares) == VIEWERS
    assert min(shares) > 0
    for viewer in some:
        seen = [tally["version"] for tally in of_op(viewer.frames, "tally")
                if tally["roll_call"] == "dealt" and tally["version"] > 2]  # fmt: skip
        assert seen == span(3, 22)


async def test_one_of_two_is_enough(pair: Pair) -> None:
    """Stopped in order: its viewers are sent on. Killed: the kernel knows at once."""
    first, second = pair.both
    async with AsyncExitStack() as everything:
        some = await viewers(pair, everything)
        share = await asyncio.to_thread(metric, pair.own[0], OPEN_FEEDS)
        await asyncio.to_thread(first.stop)
        codes = [viewer.connection.close_code for viewer in some]
        async with asyncio.timeout(PATIENCE):
            while codes.count(1012) < share:
                await asyncio.sleep(0.01)
                codes = [viewer.connection.close_code for viewer in some]
    assert codes.count(1012) == share
    assert codes.count(None) == VIEWERS - share
    async with AsyncExitStack() as everything:
        await viewers(pair, everything)
        assert await asyncio.to_thread(metric, pair.own[1], OPEN_FEEDS) >= VIEWERS
    await asyncio.to_thread(first.start)
    await asyncio.to_thread(pair.wait_ready)
    second.kill()
    async with AsyncExitStack() as everything:
        await viewers(pair, everything)


def test_who_does_not_share_a_port_finds_it_taken(stack: Stack, pair: Pair) -> None:
    alone = stack.service("gateway", pair.both[0].port)
    # It would be answered for by those who are there.
    alone._answers = lambda: False  # type: ignore[method-assign]
    with pytest.raises(RuntimeError):
        alone.start()
    assert "cannot listen on" in alone.log.read_text()


def test_each_grants_its_share() -> None:
    alone = GatewaySettings()
    shared = GatewaySettings(gateway_processes=4, max_connections_per_address=1001)
    assert alone.limits.per_address == 1000
    assert alone.reads_per_second_here == 500
    assert shared.limits.per_address == 251
    assert shared.limits.connections == alone.limits.connections
    assert shared.reads_per_second_here == 125
