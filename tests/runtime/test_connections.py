"""The doors of every service: how many come in, and how long a request may take."""

import asyncio
import resource
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from tellers_runtime.connections import (
    HEAD_BYTES,
    Doors,
    Limits,
    fitting,
    network_of,
)
from tellers_runtime.server import configuration, listen

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
LAST = GET[:-2] + b"Connection: close\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n"
# Seconds: of the deadline in these tests, and what a busy machine may add to it.
DEADLINE, PATIENCE = 0.4, 30.0


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2::7", "2001:0db8:0001:0002"),
        ("2001:db8:1:2:ffff::8", "2001:0db8:0001:0002"),
        ("fe80::1%eth0", "fe80:0000:0000:0000"),
        ("127.0.0.1", ""),
        ("127.8.8.8", ""),
        ("::1", ""),
        ("::ffff:127.0.0.1", ""),
        ("", ""),
        ("/run/socket", ""),
    ],
)
def test_an_address_is_counted_with_its_network(address: str, network: str) -> None:
    assert network_of(address) == network


def test_so_many_come_in_and_no_more() -> None:
    doors = Doors(Limits(connections=3, per_address=2))
    assert doors.enter("203.0.113.1") is None
    assert doors.enter("203.0.113.1") is None
    refused = doors.enter("203.0.113.1")
    assert refused is not None
    assert (refused.status, refused.code) == (429, "too_many_requests")
    assert doors.enter("203.0.113.2") is None
    full = doors.enter("203.0.113.3")
    assert full is not None
    assert (full.status, full.code) == (503, "overloaded")
    assert full.headers == {"Retry-After": "5"}
    doors.leave("203.0.113.1")
    assert doors.enter("203.0.113.1") is None


def test_this_machine_has_only_the_limit_of_all() -> None:
    doors = Doors(Limits(connections=3, per_address=1))
    assert [doors.enter("127.0.0.1") for _ in range(3)] == [None] * 3
    assert doors.enter("127.0.0.1") is not None


def test_there_are_never_more_connections_than_files() -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        granted = fitting(Limits(connections=10_000_000))
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert soft == hard
    assert hard == resource.RLIM_INFINITY or granted.connections < hard


class App:
    """Answers `ok` when it has read the whole body. `gone`: who left before that."""

    def __init__(self) -> None:
        self.gone = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.gone += 1
                return
            if not message["more_body"]:
                break
        headers = [(b"content-length", b"2")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"ok"})


@asynccontextmanager
async def served(app: App, limits: Limits) -> AsyncIterator[int]:
    """The app as our services are served; its port."""
    with closing(listen("127.0.0.1", 0)) as sock:
        server = uvicorn.Server(configuration(app, limits=limits))
        serving = asyncio.create_task(server._serve(sockets=[sock]))
        while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.005)
        try:
            yield sock.getsockname()[1]
        finally:
            server.should_exit = True
            await serving


async def answer(port: int, *pieces: bytes, pause: float = 0.0) -> bytes:
    """Send these pieces and read to the end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(PATIENCE):
            for piece in pieces:
                writer.write(piece)
                await asyncio.sleep(pause)
            return await reader.read()
    finally:
        writer.close()


def status(answer: bytes) -> int:
    assert answer.count(b"HTTP/1.1") == 1, answer
    return int(answer.split()[1])


@pytest.mark.parametrize(
    "beginning",
    [
        b"",
        b"\r\n",
        b"GET / HT",
        GET[:-2],
        POST,
        POST + b"12345",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n123",
        b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n",
    ],
)
async def test_half_a_request_is_not_waited_for(beginning: bytes) -> None:
    async with served(App(), Limits(request_seconds=DEADLINE)) as port:
        began = asyncio.get_running_loop().time()
        said = await answer(port, beginning)
        assert asyncio.get_running_loop().time() - began > DEADLINE * 0.9
    assert status(said) == 408
    assert b"application/problem+json" in said


async def test_a_byte_now_and_then_does_not_help() -> None:
    drops = [b"GET / HTTP/1.1\r\n", *[b"X: y\r\n"] * 20]
    async with served(App(), Limits(request_seconds=DEADLINE)) as port:
        assert status(await answer(port, *drops, pause=DEADLINE / 10)) == 408


async def test_a_second_request_has_a_deadline_too() -> None:
    """And what is sent between them keeps no connection open."""
    for second in (GET[:10], b"\r\n", GET + GET[:10]):
        async with served(App(), Limits(request_seconds=DEADLINE)) as port:
            said = await answer(port, GET, second, pause=0.05)
        assert said.startswith(b"HTTP/1.1 200")
        assert b"HTTP/1.1 408" in said


async def test_who_asks_in_time_is_answered_however_often() -> None:
    async with served(App(), Limits(request_seconds=1.0)) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(5):
            writer.write(POST)
            await asyncio.sleep(0.3)  # all of them together are late, none is
            writer.write(b"0123456789")
            assert (await reader.readuntil(b"\r\n\r\nok")).startswith(b"HTTP/1.1 200")
        writer.close()


async def test_the_app_is_told_that_no_body_comes() -> None:
    app = App()
    async with served(app, Limits(request_seconds=DEADLINE)) as port:
        assert status(await answer(port, POST + b"123")) == 408
    assert app.gone == 1


async def test_a_slow_answer_is_nobodys_late_request() -> None:
    class Slow(App):
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http":
                await asyncio.sleep(3 * DEADLINE)
            await super().__call__(scope, receive, send)

    async with served(Slow(), Limits(request_seconds=DEADLINE)) as port:
        asked = b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        body = b"x" * 500_000  # more than is read before the app asks for it
        head = b"%bContent-Length: %d\r\n\r\n" % (asked, len(body))
        assert status(await answer(port, head + body)) == 200


async def test_a_head_without_end_is_refused() -> None:
    lines = [b"X: " + b"y" * 1000 + b"\r\n"] * (HEAD_BYTES // 1000 + 1)
    async with served(App(), Limits()) as port:
        said = await answer(port, b"GET / HTTP/1.1\r\n", *lines, pause=0.001)
    assert status(said) == 431


async def test_who_finds_it_full_is_told_and_let_in_when_somebody_leaves() -> None:
    async with served(App(), Limits(connections=2)) as port:
        inside = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
        for reader, writer in inside:
            writer.write(GET)
            await reader.readuntil(b"\r\n\r\nok")
        refused = await answer(port, GET)
        assert status(refused) == 503
        assert b"Retry-After: 5\r\n" in refused
        inside[0][1].close()
        async with asyncio.timeout(PATIENCE):
            while status(await answer(port, LAST)) != 200:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        inside[1][1].close()


async def test_uvicorn_alone_waits_for_ever() -> None:
    """The control: without our protocol half a request is held."""
    with closing(listen("127.0.0.1", 0)) as sock:
        config = uvicorn.Config(App(), log_config=None, access_log=False)
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server._serve(sockets=[sock]))
        while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.005)
        reader, writer = await asyncio.open_connection(*sock.getsockname())
        writer.write(GET[:-2])
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3 * DEADLINE):
                await reader.read()
        writer.close()
        server.should_exit = True
        await serving
