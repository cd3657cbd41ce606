"""Subscriptions of a WebSocket: written to directly while the viewer keeps up.

Each subscription is in one of two states. *Live*: it stands in the hub's audience,
which writes to it. *Behind*: it is given what it missed as fast as the viewer takes it,
then goes live again. It is never in both, so nothing is sent twice or out of order, and
nothing is kept for it but its place. Only who must wait, for room or for what has to be
read back, has a task, until he is live.
"""

import asyncio
from collections.abc import Callable, Coroutine

from tellers_gateway import metrics
from tellers_gateway.audience import Audience
from tellers_gateway.feed import EventsWanted, LoggedEvent, event_message
from tellers_gateway.frames import Frame, control_frame
from tellers_gateway.hub import Hub
from tellers_gateway.protocol import RESTART, FanoutProtocol
from tellers_gateway.resume import Beginning

EVENTS_AT_ONCE = 500
TALLIES_AT_ONCE = 100
SLOW = 4413


class Stalled(Exception):
    """The viewer takes nothing any more."""


class NotHere(Exception):
    """What follows must be read back first."""


class Connection:
    """One WebSocket as its subscriptions see it.

    `bare` (subprotocol `cloudevents.json`): every message must be an event, so control
    frames are left out.
    """

    __slots__ = ("_last_heartbeat", "_stalled_seconds", "bare", "socket")

    def __init__(
        self, socket: FanoutProtocol, *, bare: bool, stalled_seconds: float
    ) -> None:
        self.bare = bare
        self.socket = socket
        self._stalled_seconds = stalled_seconds
        self._last_heartbeat: Frame | None = None

    @property
    def full(self) -> bool:
        """Whether too much waits for the viewer already."""
        return self.socket.is_full

    def write(self, message: bytes) -> None:
        """Write at once, whatever waits."""
        self.socket.write(message)

    def control(self, frame: Frame) -> None:
        """Write a frame that is no event."""
        if not self.bare:
            self.socket.write(frame.message)

    async def room(self) -> None:
        """Wait until the viewer has taken most of what waits for it.

        Raises Stalled when it takes nothing any more.
        """
        # Again and again: whoever of its subscriptions wakes first fills the buffer.
        while self.socket.is_full:
            waiting = self.socket.waiting_bytes
            try:
                async with asyncio.timeout(self._stalled_seconds):
                    await self.socket.drained()
            except TimeoutError:
                if self.socket.waiting_bytes < waiting:
                    continue  # slow, but it reads
                metrics.EVICTED.inc()
                self.let_go(SLOW, "too slow")
                raise Stalled from None

    def heartbeat(self, frame: Frame) -> None:
        """Once a beat, however many subscriptions there are."""
        if frame is not self._last_heartbeat:
            self._last_heartbeat = frame
            self.control(frame)

    def end(self) -> None:
        """The gateway stops: the viewer connects again, to another or to its heir."""
        self.let_go(RESTART, "the gateway restarts")

    def let_go(self, code: int, reason: str) -> None:
        """Close now."""
        self.socket.let_go(code, reason)


# Runs a subscription's waiting in a task, and tells the viewer when that fails.
Spawn = Callable[[Coroutine[None, None, None]], asyncio.Task[None]]


class Subscription:
    """One subscription, from `start` to `leave`."""

    __slots__ = (
        "_connection",
        "_epoch",
        "_hub",
        "_id",
        "_spawn",
        "_task",
        "roll_call",
        "socket",
    )

    def __init__(
        self,
        connection: Connection,
        hub: Hub,
        number: int,
        roll_call: str | None,
        spawn: Spawn,
    ) -> None:
        self.roll_call = roll_call
        self.socket = connection.socket
        self._connection = connection
        self._hub = hub
        self._id = number
        self._spawn = spawn
        self._epoch = ""
        self._task: asyncio.Task[None] | None = None

    def start(self, beginning: Beginning) -> None:
        """Send what was missed, then be live for as long as the viewer stays."""
        self._epoch = beginning.epoch
        self._go_on()

    def leave(self) -> None:
        """Be written to no longer."""
        self._leave_audience()
        if self._task is not None:
            self._task.cancel()

    def fall_behind(self, place: int) -> None:
        """The audience wrote nothing: the viewer has too much waiting already."""
        metrics.BEHIND.inc()
        self._leave_audience()
        self._stand_at(place)
        self._go_on()

    def heartbeat(self, frame: Frame) -> None:
        """The head of the log. Who is full is no longer live, though nothing new came:
        somebody must see whether he takes anything."""
        if self._connection.full:
            self.fall_behind(self._place)
        else:
            self._connection.heartbeat(frame)

    def restart(self) -> None:
        """The log began anew: the viewer reconnects and is told so."""
        self._connection.let_go(RESTART, "the log was restored")

    def _go_on(self) -> None:
        """Be live at once if nothing has to be waited for."""
        try:
            if self._advance():
                return
        except NotHere:
            pass
        self._task = self._spawn(self._catch_up())

    async def _catch_up(self) -> None:
        while True:
            await self._connection.room()
            try:
                if self._advance():
                    break
            except NotHere:
                await self._read_back()
        self._task = None

    def _advance(self) -> bool:
        """Send what is owed, as long as there is room. True: live, or over.

        Nothing here waits: between the last look and the audience nothing can slip
        through. Raises NotHere.
        """
        while not self._connection.full:
            if self._hub.epoch != self._epoch:
                self.restart()
                return True
            owed = self._owed()
            if owed is None:
                self._join_audience()
                return True
            self._connection.write(owed)
        return False

    def _told(self) -> bytes:
        """That it has caught up, on the wire."""
        frame = control_frame("caught_up", id=self._id, seq=self._hub.head)
        return b"" if self._connection.bare else frame.message

    def _owed(self) -> bytes | None:
        """What comes next; None when nothing is missed. Raises NotHere."""
        raise NotImplementedError

    async def _read_back(self) -> None:
        """Fetch what is not here."""
        raise NotImplementedError

    @property
    def _place(self) -> int:
        """Where the feed is now, and whoever is live on it."""
        raise NotImplementedError

    def _stand_at(self, place: int) -> None:
        """Everything up to this place of the feed was sent."""
        raise NotImplementedError

    def _join_audience(self) -> None:
        raise NotImplementedError

    def _leave_audience(self) -> None:
        raise NotImplementedError


class EventSubscription(Subscription):
    """Every event in order, without gaps."""

    __slots__ = ("_fetched", "_is_told", "_position")

    def start(self, beginning: Beginning) -> None:
        """Replay, then live."""
        self._position = beginning.position
        self._fetched: list[LoggedEvent] | None = None
        self._is_told = False
        super().start(beginning)

    @property
    def _wanted(self) -> EventsWanted:
        return EventsWanted(self.roll_call, self._connection.bare)

    @property
    def _audience(self) -> Audience[EventsWanted]:
        return self._hub.event_viewers

    def _owed(self) -> bytes | None:
        events, self._fetched = self._fetched, None
        if events is None:
            events = self._hub.recent_after(self._position, EVENTS_AT_ONCE)
        if events is None:
            raise NotHere
        if events:
            self._position = events[-1].seq
            return event_message(events, self._wanted)
        if not self._is_told:
            self._is_told = True
            return self._told()
        return None

    async def _read_back(self) -> None:
        self._fetched = await self._hub.events_after(self._position, EVENTS_AT_ONCE)

    @property
    def _place(self) -> int:
        return self._hub.head

    def _stand_at(self, place: int) -> None:
        self._position = place

    def _join_audience(self) -> None:
        self._audience.join(self, self._wanted)

    def _leave_audience(self) -> None:
        self._audience.leave(self, self._wanted)


class TallySubscription(Subscription):
    """The state, then every change; the newest for who cannot take every change."""

    __slots__ = ("_first", "_is_told", "_number")

    def start(self, beginning: Beginning) -> None:
        """The state now or what was missed, then live."""
        self._first = beginning.frames
        self._is_told = False
        self._number = beginning.number
        super().start(beginning)

    @property
    def _audience(self) -> Audience[str | None]:
        return self._hub.tally_viewers

    def _owed(self) -> bytes | None:
        if self._first:
            first = self._first[:TALLIES_AT_ONCE]
            self._first = self._first[TALLIES_AT_ONCE:]
            return b"".join(frame.message for frame in first)
        if not self._is_told:
            self._is_told = True
            return self._told()
        feed = self._hub.feed
        missed = feed.since(self._number, self.roll_call)
        self._number = feed.number
        return b"".join(update.frame.message for update in missed) or None

    @property
    def _place(self) -> int:
        return self._hub.feed.number

    def _stand_at(self, place: int) -> None:
        self._number = place

    def _join_audience(self) -> None:
        self._audience.join(self, self.roll_call)

    def _leave_audience(self) -> None:
        self._audience.leave(self, self.roll_call)
