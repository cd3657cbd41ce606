"""Clients that send half a request, and now and then a byte more."""

import socket
import threading
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from tests.servers import HOST

HEAD = b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: "
HANDSHAKE = (
    b"GET /v1/ga/live HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
    b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nX-Slow: "
)
DRIP_SECONDS = 0.2


class Slowloris:
    """So many half heads and as many half handshakes, until the `with` ends."""

    def __init__(self, port: int, number: int) -> None:
        self._sockets = ExitStack()
        self._open: list[socket.socket] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._drip)
        for beginning in (HEAD, HANDSHAKE) * number:
            sock = self._sockets.enter_context(socket.create_connection((HOST, port)))
            sock.sendall(beginning)
            sock.setblocking(False)
            self._open.append(sock)

    @property
    def held(self) -> int:
        """How many the server has not hung up on."""
        self._open = [sock for sock in self._open if not _is_over(sock)]
        return len(self._open)

    def _drip(self) -> None:
        while not self._stop.wait(DRIP_SECONDS):
            for sock in self._open:
                try:
                    sock.send(b"x")
                except OSError:
                    continue  # it is over, as `held` will find

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._sockets.close()


def _is_over(sock: socket.socket) -> bool:
    try:
        while data := sock.recv(4096):
            if data.startswith(b"HTTP/1.1 408"):
                return True
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True
