"""Subscriptions of a WebSocket: written to directly while the viewer keeps up.

Each subscription is in one of two states. *Live*: it stands in the hub's set and the
hub writes to it. *Behind*: its own task reads what it missed and sends it as fast as
the viewer takes it, then goes live again. It is never in both, so nothing is sent twice
or out of order, and nothing is kept for it but its place.
"""

import asyncio

from tellers_gateway import metrics
from tellers_gateway.feed import LoggedEvent, Update
from tellers_gateway.frames import Frame, control_frame, websocket_message
from tellers_gateway.hub import Hub
from tellers_gateway.protocol import FanoutProtocol
from tellers_gateway.resume import Beginning

EVENTS_AT_ONCE = 500
TALLIES_AT_ONCE = 100
RESTART, SLOW = 1012, 4413


class Stalled(Exception):
    """The viewer takes nothing any more."""


class Connection:
    """One WebSocket as its subscriptions see it.

    `bare` (subprotocol `cloudevents.json`): every message must be an event, so control
    frames are left out.
    """

    def __init__(
        self,
        socket: FanoutProtocol,
        *,
        bare: bool,
        buffer_bytes: int,
        stalled_seconds: float,
    ) -> None:
        self.bare = bare
        self._socket = socket
        self._buffer_bytes = buffer_bytes
        self._stalled_seconds = stalled_seconds
        self._last_heartbeat: Frame | None = None

    @property
    def full(self) -> bool:
        """Whether too much waits for the viewer already."""
        return self._socket.waiting_bytes > self._buffer_bytes

    def write(self, message: bytes) -> None:
        """Write at once, whatever waits."""
        self._socket.write(message)

    def control(self, frame: Frame) -> None:
        """Write a frame that is no event."""
        if not self.bare:
            self._socket.write(frame.message)

    def forget_handshake(self) -> None:
        """What was asked for in the request has been read."""
        self._socket.forget_handshake()

    async def room(self) -> None:
        """Wait until the viewer has taken most of what waits for it.

        Raises Stalled when it takes nothing any more.
        """
        # Again and again: whoever of its subscriptions wakes first fills the buffer.
        while not self._socket.writable.is_set():
            waiting = self._socket.waiting_bytes
            try:
                async with asyncio.timeout(self._stalled_seconds):
                    await self._socket.writable.wait()
            except TimeoutError:
                if self._socket.waiting_bytes < waiting:
                    continue  # slow, but it reads
                metrics.EVICTED.inc()
                self.let_go(SLOW, "too slow")
                raise Stalled from None

    async def send(self, message: bytes) -> None:
        """Write when the viewer takes it. Raises Stalled when it does not."""
        await self.room()
        self._socket.write(message)

    def heartbeat(self, frame: Frame) -> None:
        """Once a beat, however many subscriptions there are."""
        if frame is not self._last_heartbeat and not self.full:
            self._last_heartbeat = frame
            self.control(frame)

    def end(self) -> None:
        """The gateway stops: the viewer connects again, to another or to its heir."""
        self.let_go(RESTART, "the gateway restarts")

    def let_go(self, code: int, reason: str) -> None:
        """Close now."""
        self._socket.let_go(code, reason)


class Subscription:
    """One subscription; `run` ends only with the connection, or by cancellation."""

    def __init__(
        self, connection: Connection, hub: Hub, number: int, roll_call: str | None
    ) -> None:
        self.roll_call = roll_call
        self._connection = connection
        self._hub = hub
        self._id = number
        self._behind = asyncio.Event()

    async def run(self, beginning: Beginning) -> None:
        raise NotImplementedError

    def leave(self) -> None:
        """Stop being written to."""
        self._hub.event_viewers.discard(self)
        self._hub.tally_viewers.discard(self)

    def events(self, events: list[LoggedEvent], message: bytes) -> None:
        """New events; only event subscriptions stand in that set."""

    def updates(self, updates: list[Update], message: bytes) -> None:
        """New tallies; only tally subscriptions stand in that set."""

    def heartbeat(self, frame: Frame) -> None:
        self._connection.heartbeat(frame)

    def _is_void(self, beginning: Beginning) -> bool:
        """Whether the log began anew since; if so, lets the viewer go."""
        if self._hub.epoch == beginning.epoch:
            return False
        self.restart()
        return True

    def restart(self) -> None:
        """The log began anew: the viewer reconnects and is told so."""
        self._connection.let_go(RESTART, "the log was restored")

    def _caught_up(self) -> None:
        frame = control_frame("caught_up", id=self._id, seq=self._hub.head)
        self._connection.control(frame)

    def _fall_behind(self) -> None:
        metrics.BEHIND.inc()
        self.leave()
        self._behind.set()

    async def _until_behind(self) -> None:
        await self._behind.wait()
        self._behind.clear()


class EventSubscription(Subscription):
    """Every event in order, without gaps."""

    _position = 0

    async def run(self, beginning: Beginning) -> None:
        """Replay, then live, for as long as the viewer stays."""
        self._position = beginning.position
        told = False
        while True:
            events = await self._hub.events_after(self._position, EVENTS_AT_ONCE)
            if self._is_void(beginning):
                return
            if events:
                await self._connection.send(self._message(events))
                self._position = events[-1].seq
                continue
            # No await between here and the set: nothing can slip through.
            if not told:
                told = True
                self._caught_up()
            self._hub.event_viewers.add(self)
            await self._until_behind()

    def events(self, events: list[LoggedEvent], message: bytes) -> None:
        """Write them, or fall behind."""
        if self._connection.full:
            self._fall_behind()
            return
        plain = self.roll_call is None and not self._connection.bare
        self._connection.write(message if plain else self._message(events))
        self._position = events[-1].seq

    def _message(self, events: list[LoggedEvent]) -> bytes:
        wanted = (e for e in events if self.roll_call in (None, e.roll_call))
        if self._connection.bare:
            return b"".join(websocket_message(e.cloud_event) for e in wanted)
        return b"".join(e.frame.message for e in wanted)


class TallySubscription(Subscription):
    """The state, then every change; the newest for who cannot take every change."""

    _number = 0

    async def run(self, beginning: Beginning) -> None:
        """The state now or what was missed, then live."""
        for first in range(0, len(beginning.frames), TALLIES_AT_ONCE):
            frames = beginning.frames[first : first + TALLIES_AT_ONCE]
            await self._connection.send(b"".join(frame.message for frame in frames))
        self._caught_up()
        self._number = beginning.number
        while not self._is_void(beginning):
            feed = self._hub.feed
            missed = feed.since(self._number, self.roll_call)
            self._number = feed.number
            if missed:
                message = b"".join(update.frame.message for update in missed)
                await self._connection.send(message)
                continue
            self._hub.tally_viewers.add(self)
            await self._until_behind()

    def updates(self, updates: list[Update], message: bytes) -> None:
        """Write them, or fall behind."""
        if self._connection.full:
            self._fall_behind()
            return
        self._connection.write(message)
        self._number = updates[-1].number
