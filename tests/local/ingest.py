"""A small ingest by script, which drops connections: a test says what it answers."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

Answer = tuple[int, dict[str, Any]] | None


class Request(NamedTuple):
    """A command as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any

    @property
    def key(self) -> str:
        return self.headers["idempotency-key"]


@asynccontextmanager
async def ingest(
    answer: Callable[[Request], Answer], *, lines: bool = False
) -> AsyncIterator[str]:
    """Serve; `answer` returns status and body, or None to drop the connection.

    With `lines` a body is the list of its lines, and no JSON. The key `Retry-After` of
    an answer becomes that header. Yields the address.
    """

    async def handle(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            while (request := await _read(reader, lines=lines)) is not None:
                answered = answer(request)
                if answered is None:
                    break
                writer.write(_encoded(*answered))
                await writer.drain()
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def _read(reader: asyncio.StreamReader, *, lines: bool) -> Request | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    first, *named = head.decode().rstrip().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in named)
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    method, path, _ = first.split(" ")
    if lines:
        return Request(method, path, headers, body.splitlines())
    return Request(method, path, headers, json.loads(body) if body else None)


def _encoded(status: int, body: dict[str, Any]) -> bytes:
    retry = body.pop("Retry-After", None)
    extra = f"Retry-After: {retry}\r\n" if retry is not None else ""
    text = json.dumps(body)
    return (
        f"HTTP/1.1 {status} X\r\n{extra}Content-Length: {len(text)}\r\n\r\n{text}"
    ).encode()
