"""Pings every WebSocket now and then, and lets go who has not answered the last one.

One timer for all of them: two a viewer, as servers usually have, are a tenth of what an
idle one costs. All wait equally long, so those due are always the first in line.
"""

import asyncio
import os
from collections import deque
from typing import Protocol

INTERVAL_SECONDS = 20.0
# So many places in line are looked at together, once in a while.
LOOK_SECONDS = 0.5


class Pinged(Protocol):
    """A WebSocket, as this sees it."""

    @property
    def is_open(self) -> bool: ...

    @property
    def unanswered(self) -> bytes | None:
        """The payload of the last ping, until it is answered."""

    def ping(self, payload: bytes) -> None: ...
    def silent(self) -> None:
        """It did not answer within INTERVAL_SECONDS."""


class Keepalive:
    """The line of those who are to be pinged, and its timer, which runs while anybody
    stands in it."""

    def __init__(self) -> None:
        self._line: deque[tuple[float, Pinged]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def join(self, socket: Pinged) -> None:
        """It is pinged from now on, while it is open."""
        loop = asyncio.get_running_loop()
        self._line.append((loop.time() + INTERVAL_SECONDS, socket))
        if self._timer is None:
            self._timer = loop.call_later(INTERVAL_SECONDS, self._look, loop)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        now, payload = loop.time(), os.urandom(4)
        while self._line and self._line[0][0] <= now:
            _, socket = self._line.popleft()
            if not socket.is_open:
                continue
            if socket.unanswered is not None:
                socket.silent()
                continue
            socket.ping(payload)
            self._line.append((now + INTERVAL_SECONDS, socket))
        self._timer = None
        if self._line:
            wait = max(LOOK_SECONDS, self._line[0][0] - now)
            self._timer = loop.call_later(wait, self._look, loop)
