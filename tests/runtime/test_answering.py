"""An answer written in one piece is, to the byte, the answer that uvicorn writes."""

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest
import uvicorn
from starlette.types import Message, Receive, Scope, Send
from uvicorn.server import ServerState

from tellers_runtime.connections import Limits
from tellers_runtime.server import configuration

PATIENCE = 30.0
LENGTH = (b"content-length", b"5")
TYPE = (b"content-type", b"text/plain")
START = {"type": "http.response.start", "status": 200, "headers": [LENGTH, TYPE]}
BODY = {"type": "http.response.body", "body": b"hello"}


def start(*headers: tuple[bytes, bytes], status: int = 200) -> Message:
    return {**START, "status": status, "headers": list(headers)}


def body(text: bytes, *, more: bool = False) -> Message:
    return {**BODY, "body": text, "more_body": more}


ANSWERS: dict[str, list[Message]] = {
    "plain": [START, BODY],
    "another status": [start(LENGTH, status=418), BODY],
    "nothing in it": [start((b"content-length", b"0")), body(b"")],
    "no body named": [start((b"content-length", b"0")), {"type": BODY["type"]}],
    "in parts": [START, body(b"he", more=True), body(b"llo")],
    "of no known length": [start(TYPE), body(b"he", more=True), body(b"llo")],
    "of no content": [start(status=204), body(b"")],
    "not modified": [start((b"etag", b'"1"'), status=304), body(b"")],
    "its connection ends": [start(LENGTH, (b"connection", b"close")), BODY],
    "a tab in a value": [start(LENGTH, (b"x-tab", b"a\tb")), BODY],
    "longer than it said": [START, body(b"hello there")],
    "shorter than it said": [START, body(b"hell")],
    "a line in a value": [start(LENGTH, (b"x-evil", b"a\r\nset-cookie: b")), BODY],
    "a line in a name": [start(LENGTH, (b"x\r\nset-cookie", b"b")), BODY],
    "a nought in a value": [start(LENGTH, (b"x-evil", b"a\0b")), BODY],
    "said twice": [START, BODY, BODY],
    "begun twice": [START, START, BODY],
}
REQUESTS = {
    "one": b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "of old": b"GET / HTTP/1.0\r\n\r\n",
    "of its head": b"HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "two at once": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "who waits to send": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n"
    b"Expect: 100-continue\r\nConnection: close\r\n\r\nhi",
}


class Says:
    """An app that answers every request with these messages."""

    def __init__(self, messages: Iterable[Message]) -> None:
        self._messages = list(messages)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        for message in self._messages:
            await send({**message})


def ours(app: Says) -> uvicorn.Config:
    config = configuration(app, Limits())
    config.date_header = False
    config.headers = [("X-Every", "answer")]
    return config


def uvicorns(app: Says) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        http="httptools",
        server_header=False,
        date_header=False,
        headers=[("X-Every", "answer")],
    )


class Transport(asyncio.Transport):
    """Keeps what is written, piece by piece."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[bytes] = []
        self.closed = asyncio.Event()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.pieces.append(bytes(data))

    def close(self) -> None:
        self.closed.set()

    def is_closing(self) -> bool:
        return self.closed.is_set()

    def pause_reading(self) -> None:
        """All that is sent is there already."""

    resume_reading = pause_reading


async def pieces(config: uvicorn.Config, request: bytes) -> list[bytes]:
    """What the server writes until it hangs up."""
    config.load()
    protocol: Any = config.http_protocol_class(config, ServerState(), {})  # type: ignore[call-arg]
    protocol.server_state.default_headers = config.encoded_headers
    transport = Transport()
    protocol.connection_made(transport)
    protocol.data_received(request)
    async with asyncio.timeout(PATIENCE):
        await transport.closed.wait()
    return transport.pieces


@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
async def test_it_is_the_answer_that_uvicorn_writes(
    answer: list[Message], request_: bytes
) -> None:
    said = await pieces(ours(Says(answer)), request_)
    assert b"".join(said) == b"".join(await pieces(uvicorns(Says(answer)), request_))


async def test_it_is_one_piece() -> None:
    (one,) = await pieces(ours(Says(ANSWERS["plain"])), REQUESTS["one"])
    uvicorns_own = await pieces(uvicorns(Says(ANSWERS["plain"])), REQUESTS["one"])
    assert len(uvicorns_own) == 2  # the control
    assert one == b"".join(uvicorns_own)
    assert b"x-every: answer\r\n" in one
