"""A network that delays, loses and cuts, between a client and a server here."""

import asyncio
import random
import socket
import struct
from contextlib import suppress
from types import TracebackType
from typing import Self

from tests.servers import HOST

CHUNK = 16 * 1024
# Chunks on their way in one direction; who sends more must wait, as in a full pipe.
ON_THE_WAY = 1000
_POLL = 0.005


class FaultProxy:
    """Passes TCP connections on to a port of this machine; faults may change any time.

    target: the port, for connections yet to come.
    delay, jitter: seconds that each chunk takes, and at most more, either way.
    bandwidth: bytes a second, either way; 0 for no limit.
    drop: nothing arrives. half: nothing comes back. Both hold, and deliver when lifted.
    """

    def __init__(self, target: int, delay: float = 0.0, jitter: float = 0.0) -> None:
        self.target = target
        self.delay = delay
        self.jitter = jitter
        self.bandwidth = 0.0
        self.drop = False
        self.half = False
        self.port = 0
        self._links: dict[asyncio.Task[None], list[asyncio.StreamWriter]] = {}

    @property
    def redis_url(self) -> str:
        """Where to reach a Redis behind it."""
        return f"redis://{HOST}:{self.port}/0"

    def reset(self) -> None:
        """Cut all connections with a TCP reset; what was on its way is lost."""
        for link, writers in self._links.items():
            for writer in writers:
                _abort(writer)
            link.cancel()

    async def __aenter__(self) -> Self:
        # Noting a stack for each callback takes longer than the network it slows down.
        asyncio.get_running_loop().set_debug(False)
        self._server = await asyncio.start_server(self._connected, HOST, 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.close()
        links = list(self._links)
        self.reset()
        await asyncio.gather(*links, return_exceptions=True)
        await self._server.wait_closed()

    def _connected(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        link = asyncio.create_task(self._link(reader, writer))
        self._links[link] = [writer]
        link.add_done_callback(self._links.pop)

    async def _link(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        task = asyncio.current_task()
        assert task is not None
        try:
            there, onward = await asyncio.open_connection(HOST, self.target)
        except OSError:
            _abort(writer)
            return
        self._links[task].append(onward)
        pumps = {
            asyncio.create_task(self._pump(reader, onward, down=False)),
            asyncio.create_task(self._pump(there, writer, down=True)),
        }
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            _abort(writer)
            _abort(onward)

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        down: bool,
    ) -> None:
        """Pass on until one side closes: then what is on its way still arrives."""
        way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(ON_THE_WAY)
        taking = asyncio.create_task(self._take(reader, way))
        try:
            while data := await self._arrived(way, down=down):
                writer.write(data)
                with suppress(OSError):
                    await writer.drain()
        finally:
            taking.cancel()
            await asyncio.gather(taking, return_exceptions=True)

    async def _take(
        self, reader: asyncio.StreamReader, way: asyncio.Queue[tuple[float, bytes]]
    ) -> None:
        loop = asyncio.get_running_loop()
        data = b"begin"
        while data:
            try:
                data = await reader.read(CHUNK)
            except OSError:
                data = b""
            lag = self.delay + random.uniform(0, self.jitter)
            await way.put((loop.time() + lag, data))

    async def _arrived(
        self, way: asyncio.Queue[tuple[float, bytes]], *, down: bool
    ) -> bytes:
        due, data = await way.get()
        await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))
        while self.drop or (self.half and down):  # noqa: ASYNC110 - tests switch these
            await asyncio.sleep(_POLL)
        if self.bandwidth:
            await asyncio.sleep(len(data) / self.bandwidth)
        return data


def _abort(writer: asyncio.StreamWriter) -> None:
    """Close with a reset."""
    opened: socket.socket | None = writer.get_extra_info("socket")
    if opened is None or writer.transport.is_closing():
        return
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
