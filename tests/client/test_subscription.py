"""The SDK against a real WebSocket server that drops, stalls and refuses."""

import asyncio
import random
from http import HTTPStatus
from typing import TypeVar

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from tellers_client import (
    CloudEvent,
    Restarted,
    State,
    Subscription,
    SubscriptionRefused,
    events,
    resumer,
    subscribe,
)
from tests.client.frames import (
    a_tally,
    an_event,
    caught_up,
    event_frame,
    frame,
    heartbeat,
    subscribed,
    tally_frame,
)
from tests.client.gateway import Query, gateway, send
from tests.scenario import EPOCH
from tests.servers import free_port

T = TypeVar("T")


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The waits of these tests are short, not their rules."""
    monkeypatch.setattr(resumer, "MAX_BACKOFF_SECONDS", 0.02)
    monkeypatch.setattr(resumer, "RESTARTING", (0.0, 0.02))


async def take(subscription: Subscription[T], count: int) -> list[T]:
    """The first items; then the connection is closed."""
    async with subscription:
        return [await anext(subscription) for _ in range(count)]


def numbers(found: list[CloudEvent]) -> list[int]:
    return [int(event["id"][3:]) for event in found]


async def test_tallies_arrive_and_the_state_is_live() -> None:
    async def script(connection: ServerConnection, _: Query, __: int) -> None:
        await send(connection, subscribed(7), tally_frame(a_tally(7)), heartbeat(7))
        await send(connection, tally_frame(a_tally(8)))
        await connection.wait_closed()

    async with gateway(script) as server:
        subscription = subscribe(server.url, "ga", "es-11-1")
        assert await take(subscription, 2) == [a_tally(7), a_tally(8)]
        assert subscription.state is State.LIVE
        assert (subscription.epoch, subscription.seq) == (EPOCH, 8)
        assert server.paths == ["/v1/ga/live"]
        assert server.asked == [{"feed": "tally", "roll_call": "es-11-1"}]


async def test_events_come_once_each_over_any_number_of_connections() -> None:
    dice = random.Random(11)

    async def script(connection: ServerConnection, query: Query, _: int) -> None:
        after = int(query["after"])
        await send(connection, subscribed(200, recovered=True))
        # Some are sent again, as by a gateway that is not sure; then the line drops.
        for seq in range(max(1, after - 3), after + dice.randint(2, 30)):
            await send(connection, event_frame(an_event(min(seq, 200))))
        connection.transport.abort()

    async with gateway(script) as server:
        found = await take(events(server.url, after=0), 200)
        assert numbers(found) == list(range(1, 201))
        assert len(server.asked) > 5


async def test_an_event_that_was_left_out_is_fetched() -> None:
    async def script(connection: ServerConnection, query: Query, number: int) -> None:
        after = int(query["after"])
        sent = [1, 2, 4, 5] if number == 1 else range(after + 1, 6)
        frames = [event_frame(an_event(seq)) for seq in sent]
        await send(connection, subscribed(5, recovered=True), *frames)
        await connection.wait_closed()

    async with gateway(script) as server:
        found = await take(events(server.url, after=0), 5)
        assert numbers(found) == [1, 2, 3, 4, 5]
        assert [query["after"] for query in server.asked] == ["0", "2"]


async def test_silence_is_stale_and_ends_the_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(resumer, "SILENCE_SECONDS", 0.05)
    states: list[State] = []

    async def script(connection: ServerConnection, _: Query, number: int) -> None:
        tally = tally_frame(a_tally(number))
        await send(connection, subscribed(), tally, caught_up(number))
        await connection.wait_closed()

    async with gateway(script) as server:
        subscription = subscribe(server.url, on_state=states.append)
        assert await take(subscription, 2) == [a_tally(1), a_tally(2)]
    assert states == [State.LIVE, State.STALE, State.LIVE]
    assert server.asked[1] == {"feed": "tally", "after": "1", "epoch": EPOCH}


async def test_a_fresh_start_is_told() -> None:
    told: list[object] = []

    async def script(connection: ServerConnection, query: Query, number: int) -> None:
        if number == 1:
            tally = tally_frame(a_tally(9))
            await send(connection, subscribed(9), tally, caught_up(9))
            await connection.close(1012)
            return
        assert query["epoch"] == EPOCH
        restart = subscribed(3, "new", recovered=False, reason="restored")
        await send(connection, restart, tally_frame(a_tally(3, epoch="new")))
        await connection.wait_closed()

    async with gateway(script) as server:
        subscription = subscribe(server.url, on_restart=told.append)
        told += [tally.seq for tally in await take(subscription, 2)]
    assert told == [Restarted("new", "restored"), 9, 3]


async def test_a_gateway_that_is_not_there_yet_is_waited_for() -> None:
    port = free_port()
    subscription = subscribe(f"http://127.0.0.1:{port}")
    first = asyncio.create_task(take(subscription, 1))
    await asyncio.sleep(0.05)
    assert subscription.state is State.CONNECTING

    async def handle(connection: ServerConnection) -> None:
        await send(connection, subscribed(), tally_frame(a_tally(1)))
        await connection.wait_closed()

    async with serve(handle, "127.0.0.1", port):
        assert await first == [a_tally(1)]


async def test_a_terminal_close_code_is_an_error() -> None:
    async def script(connection: ServerConnection, _: Query, __: int) -> None:
        await connection.close(4404, "no roll call es-99")

    async with gateway(script) as server:
        with pytest.raises(SubscriptionRefused, match="es-99") as refused:
            await take(subscribe(server.url, roll_call="es-99"), 1)
        assert refused.value.code == 4404


async def test_an_error_frame_is_an_error() -> None:
    problem = {"status": 404, "detail": "no roll call es-99"}

    async def script(connection: ServerConnection, _: Query, __: int) -> None:
        await send(connection, frame("error", problem=problem))
        await connection.wait_closed()

    async with gateway(script) as server:
        with pytest.raises(SubscriptionRefused, match="es-99"):
            await take(subscribe(server.url, roll_call="es-99"), 1)


@pytest.mark.parametrize(
    ("status", "tries"), [(HTTPStatus.NOT_FOUND, 1), (HTTPStatus.BAD_GATEWAY, 3)]
)
async def test_a_refused_handshake_is_an_error_or_tried_again(
    status: HTTPStatus, tries: int
) -> None:
    asked = []

    def refuse(connection: ServerConnection, _: Request) -> Response:
        asked.append(1)
        last = len(asked) == tries
        return connection.respond(HTTPStatus.GONE if last and tries > 1 else status, "")

    async def handle(_: ServerConnection) -> None:
        raise AssertionError("nobody should come this far")

    async with serve(handle, "127.0.0.1", 0, process_request=refuse) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(SubscriptionRefused):
            await take(subscribe(f"http://127.0.0.1:{port}"), 1)
    assert len(asked) == tries


async def test_a_busy_subscriber_finds_what_came_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(resumer, "SILENCE_SECONDS", 0.01)

    async def script(connection: ServerConnection, _: Query, __: int) -> None:
        tallies = [tally_frame(a_tally(seq)) for seq in range(1, 6)]
        await send(connection, subscribed(), *tallies)
        await connection.wait_closed()

    async with gateway(script) as server:
        seen = []
        async with subscribe(server.url) as subscription:
            async for tally in subscription:
                seen.append(tally.seq)
                await asyncio.sleep(0.02)
                if tally.seq == 5:
                    break
        assert seen == [1, 2, 3, 4, 5]
        assert len(server.asked) == 1


def test_what_is_no_address_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="no http address"):
        Subscription("127.0.0.1:8000", "ga", resumer.TallyResumer())
