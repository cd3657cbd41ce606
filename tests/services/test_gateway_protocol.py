"""A WebSocket by itself, on a real connection: pings, full buffers, goodbyes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from functools import partial

import pytest
import uvicorn
from starlette.applications import Starlette
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tellers_gateway import keepalive as keepalive_module
from tellers_gateway import protocol as protocol_module
from tellers_gateway.frames import websocket_message
from tellers_gateway.handshake import accept
from tellers_gateway.keepalive import Keepalive
from tellers_gateway.protocol import FanoutProtocol
from tellers_runtime.connections import Limits, Upgrade
from tellers_runtime.server import configuration, listen

PATIENCE = 10.0
BUFFER_BYTES = 65_536


class Told:
    """What a WebSocket tells."""

    def __init__(self, socket: FanoutProtocol) -> None:
        self.socket = socket
        self.messages: list[str | bytes] = []
        self.times_lost = 0

    def message(self, message: str | bytes) -> None:
        self.messages.append(message)

    def lost(self) -> None:
        self.times_lost += 1


class House:
    """A server of such WebSockets, and what they told, in the order they came."""

    def __init__(self, port: int) -> None:
        self.url = f"ws://127.0.0.1:{port}/"
        self.told: list[Told] = []
        self.left = 0

    def let_in(self, keepalive: Keepalive, upgrade: Upgrade) -> None:
        before = upgrade.leave

        def leave() -> None:
            self.left += 1
            before()

        scope = upgrade.scope
        accepted = accept(scope["method"], scope["http_version"], scope["headers"], ())
        upgrade = upgrade._replace(leave=leave)
        socket = FanoutProtocol(upgrade, keepalive, BUFFER_BYTES)
        self.told.append(Told(socket))
        socket.open(self.told[-1], accepted.answer)
        socket.write(websocket_message(b"first"))
        socket.release()

    @asynccontextmanager
    async def viewer(self) -> AsyncIterator[tuple[ClientConnection, Told]]:
        """A client that has had its first message, and what is told of it."""
        async with connect(self.url, ping_interval=None, max_queue=None) as client:
            assert await client.recv() == "first"
            yield client, self.told[-1]


async def until(told: Told, messages: int = 0, lost: int = 0) -> None:
    async with asyncio.timeout(PATIENCE):
        while len(told.messages) < messages or told.times_lost < lost:  # noqa: ASYNC110
            await asyncio.sleep(0.005)


@pytest.fixture
async def house() -> AsyncIterator[House]:
    with closing(listen("127.0.0.1", 0)) as sock:
        house = House(sock.getsockname()[1])
        sockets = partial(house.let_in, Keepalive())
        server = uvicorn.Server(configuration(Starlette(), Limits(), sockets))
        serving = asyncio.create_task(server._serve(sockets=[sock]))
        while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.005)
        yield house
        server.should_exit = True
        await serving


async def test_who_only_watches_costs_no_parser(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keepalive_module, "INTERVAL_SECONDS", 0.05)
    monkeypatch.setattr(keepalive_module, "LOOK_SECONDS", 0.01)
    async with house.viewer() as (_, told):
        await asyncio.sleep(0.5)
        assert told.socket.is_open
        assert told.socket._wire is None


async def test_a_pong_counts_wherever_it_comes(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also to a viewer whose frames are taken apart."""
    monkeypatch.setattr(keepalive_module, "INTERVAL_SECONDS", 0.05)
    monkeypatch.setattr(keepalive_module, "LOOK_SECONDS", 0.01)
    async with house.viewer() as (client, told):
        await client.send("hello")
        await until(told, messages=1)
        await asyncio.sleep(0.5)
        assert told.socket.is_open
        assert told.socket._wire is not None


async def test_who_answers_no_ping_is_let_go(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keepalive_module, "INTERVAL_SECONDS", 0.05)
    monkeypatch.setattr(keepalive_module, "LOOK_SECONDS", 0.01)
    reader, writer = await asyncio.open_connection(*house.url[5:-1].split(":"))
    writer.write(
        b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        b"Sec-WebSocket-Version: 13\r\n\r\n"
    )
    async with asyncio.timeout(PATIENCE):
        said = await reader.read()
    writer.close()
    assert b"keepalive ping timeout" in said
    await until(house.told[-1], lost=1)


async def test_a_message_in_pieces_is_told_once_and_whole(house: House) -> None:
    async with house.viewer() as (client, told):
        await client.send(["Ελ", "λά", "δα"])
        await client.send(b"\x00\xff")
        await until(told, messages=2)
    assert told.messages == ["Ελλάδα", b"\x00\xff"]


async def test_who_takes_nothing_is_full_and_then_no_longer(house: House) -> None:
    async with house.viewer() as (client, told):
        message = websocket_message(b"x" * 50_000)
        written = 0
        while not told.socket.is_full:
            told.socket.write(message)
            written += 1
        drained = asyncio.create_task(told.socket.drained())
        await asyncio.sleep(0)
        assert not drained.done()
        async with asyncio.timeout(PATIENCE):
            for _ in range(written):
                assert len(await client.recv()) == 50_000
            await drained
        assert not told.socket.is_full
        assert told.socket.waiting_bytes <= BUFFER_BYTES // 16


async def test_who_waits_for_room_is_told_when_the_viewer_has_gone(
    house: House,
) -> None:
    async with house.viewer() as (client, told):
        while not told.socket.is_full:
            told.socket.write(websocket_message(b"x" * 50_000))
        client.transport.abort()
        async with asyncio.timeout(PATIENCE):
            await told.socket.drained()
    await until(told, lost=1)


async def test_every_end_is_told_once(house: House) -> None:
    """By the viewer, by its connection, by us, by both at the same moment."""
    async with house.viewer() as (client, left):
        await client.close(4001, "bye")
    async with house.viewer() as (client, cut):
        client.transport.abort()
        await until(cut, lost=1)
    async with house.viewer() as (client, let_go):
        let_go.socket.let_go(1012, "we restart")
        let_go.socket.let_go(1012, "again")
        assert let_go.times_lost == 1
        with pytest.raises(ConnectionClosed) as closed:
            await client.recv()
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (
            1012,
            "we restart",
        )
    async with house.viewer() as (client, goodbye):
        goodbye.socket.close(4404, "no such")
        await client.send("too late")
        await client.wait_closed()
        assert client.close_code == 4404
    async with house.viewer() as (client, both):
        closing_it = asyncio.create_task(client.close())
        both.socket.let_go(1012, "we restart")
        await closing_it
    async with asyncio.timeout(PATIENCE):
        while house.left < 5:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    for told in (left, cut, let_go, goodbye, both):
        assert told.times_lost == 1
        assert not told.socket.is_open
        assert told.messages == []
    assert house.left == 5


async def test_nothing_is_written_to_who_has_gone(house: House) -> None:
    async with house.viewer() as (_, told):
        told.socket.let_go(1012, "we restart")
    told.socket.write(b"x")
    told.socket.ping(b"1234")


async def test_what_belongs_to_the_answer_is_one_piece(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And too much of it is not kept back."""
    monkeypatch.setattr(protocol_module, "HELD_BYTES", 2)
    async with house.viewer() as (client, told):
        told.socket.write(websocket_message(b"second"))
        assert await client.recv() == "second"
