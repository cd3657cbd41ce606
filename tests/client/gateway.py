"""A small WebSocket server that speaks tellers.v1 by script, and forgets to, too."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from urllib.parse import parse_qsl, urlsplit

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.typing import Subprotocol

Query = dict[str, str]
Script = Callable[[ServerConnection, Query, int], Awaitable[None]]


class Gateway:
    """Where it listens, and what each connection asked for."""

    def __init__(self, server: Server) -> None:
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        self.asked: list[Query] = []
        self.paths: list[str] = []


@asynccontextmanager
async def gateway(script: Script) -> AsyncIterator[Gateway]:
    """Run `script(connection, query, number)` for every connection, from number 1."""

    async def handle(connection: ServerConnection) -> None:
        assert connection.request is not None
        assert connection.subprotocol == "tellers.v1"
        _, _, path, query, _ = urlsplit(connection.request.path)
        here.asked.append(dict(parse_qsl(query)))
        here.paths.append(path)
        await script(connection, here.asked[-1], len(here.asked))

    async with serve(
        handle, "127.0.0.1", 0, subprotocols=[Subprotocol("tellers.v1")]
    ) as server:
        here = Gateway(server)
        yield here


async def send(connection: ServerConnection, *frames: bytes) -> None:
    """Send frames as text, as a gateway does."""
    for frame in frames:
        await connection.send(frame, text=True)
