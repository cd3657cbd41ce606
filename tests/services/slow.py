"""A viewer that does not read, and votes enough to fill every buffer on the way."""

import base64
import json
import os
import socket
from collections.abc import Callable
from itertools import cycle, islice
from pathlib import Path
from urllib.parse import urlsplit

from wsproto import ConnectionType
from wsproto.connection import Connection
from wsproto.events import CloseConnection, TextMessage

from tests.e2e.stack import Clerk
from tests.services.viewing import PATIENCE, Json, batch


class SlowViewer:
    """A WebSocket that reads only when told."""

    def __init__(self, url: str, query: str, *, sse: bool = False) -> None:
        place = urlsplit(url)
        self.sock = socket.socket()
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        self.sock.settimeout(PATIENCE)
        self.sock.connect((place.hostname, place.port))
        upgrade = (
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Protocol: tellers.v1\r\n"
            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}\r\n"
        )
        self.sock.sendall(
            f"GET /v1/ga/live?{query} HTTP/1.1\r\nHost: x\r\n"
            f"{'' if sse else upgrade}\r\n".encode()
        )
        self._client = Connection(ConnectionType.CLIENT)
        self._text = ""
        self.frames: list[Json] = []
        self.code: int | None = None
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self.sock.recv(1)
        assert head.split()[1] == (b"200" if sse else b"101")

    def __enter__(self) -> "SlowViewer":
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def read(self, seq: int | None = None) -> bool:
        """Read until the frame of that seq, or the end; whether that frame came."""
        while seq is None or not any(f.get("seq", 0) >= seq for f in self.frames[-50:]):
            try:
                data = self.sock.recv(65_536)
            except ConnectionResetError:
                return False
            if not data:
                return False
            self._client.receive_data(data)
            for event in self._client.events():
                if isinstance(event, CloseConnection):
                    self.code = event.code
                    return False
                assert isinstance(event, TextMessage)
                self._text += event.data
                if event.message_finished:
                    self.frames.append(json.loads(self._text))
                    self._text = ""
        return True


def resident_bytes(pid: int) -> int:
    """What the process has in memory."""
    fields = Path(f"/proc/{pid}/statm").read_text().split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")


def run_votes(
    clerk: Clerk,
    name: str,
    times: int,
    once: Callable[[], bool] = lambda: True,
    most: int = 40,
) -> int:
    """A roll call in which everybody votes again and again; its last seq.

    Args:
        times: how often everybody votes, once it is so.
        once: asked before each of at most `most` times that come before those.
    """
    clerk.open(name)
    choices = cycle(("yes", "no", "abstain"))
    for vote in islice(choices, most):
        if once():
            break
        batch(clerk, name, vote)
    for vote in islice(choices, times):
        batch(clerk, name, vote)
    clerk.step(name, "lock")
    seq: int = clerk.step(name, "close")["seq"]
    return seq
