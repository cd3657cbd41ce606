"""What a subscriber must do with each frame, silence and close. No socket, no clock.

The caller owns a connection and a clock, and asks:

    query()     what to ask for on the next connection
    received()  what a frame comes to: items to deliver, a restart, or "reconnect"
    silent_at   when to give the connection up
    lost()      how long to wait before the next one; raises when there is no point

    connecting --subscribed--> live --lost, silent--> stale --subscribed--> live

Rules, so that the number on the screen is right or visibly old:
- within an epoch nothing is delivered that is not newer than what was, but for the
  mark that a tally is held, or no longer is;
- another epoch is taken up only after the server said that it starts afresh;
- an event feed has no gaps: one that appears is refetched.
Source: the contract's section "WebSocket tellers.v1".
"""

from abc import ABC, abstractmethod
from enum import StrEnum
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

import msgspec
from msgspec import Struct

from tellers_client.errors import NotUnderstood, SubscriptionRefused
from tellers_core.tally import Held, Tally, decode_tally

SUBPROTOCOL = "tellers.v1"
# Heartbeats come every 5 s; two may be late.
SILENCE_SECONDS = 12.0
# Full jitter: random between nothing and min(MAX, 1 s x 2^n), so that the viewers of a
# gateway that went away do not all come back at once.
MAX_BACKOFF_SECONDS = 30.0
FIRST_TRY_SECONDS = 0.1
# Close codes that tell how long to stay away, as (least, jitter) in seconds.
RESTARTING = 0.0, 5.0
SHEDDING_SECONDS = 10.0
TOO_MANY_SECONDS = 60.0
TERMINAL_CODES = frozenset({1008, 4400, 4401, 4403, 4404, 4409, 4410})
RETRIED_STATUSES = frozenset({408, 425, 429})
CLIENT_ERRORS = range(400, 500)

CloudEvent = dict[str, Any]
Item = TypeVar("Item")


class State(StrEnum):
    """Whether what was delivered last can be shown as live."""

    CONNECTING = "connecting"
    LIVE = "live"
    STALE = "stale"


class Deliver(NamedTuple, Generic[Item]):
    """Hand this to the subscriber."""

    item: Item


class Restarted(NamedTuple):
    """What was delivered before does not lead to what comes now: forget it."""

    epoch: str
    reason: str


class Reconnect(NamedTuple):
    """Give this connection up; the next one resumes."""

    reason: str


Output = Deliver[Item] | Restarted | Reconnect


class Closed(NamedTuple):
    """The connection ended; `code` is None when nobody closed it properly."""

    code: int | None = None
    reason: str = ""


class HandshakeRefused(NamedTuple):
    """HTTP answered instead of a WebSocket."""

    status: int
    retry_after_seconds: float = 0.0


class _Problem(Struct, frozen=True):
    status: int = 0
    detail: str = ""


class _Frame(Struct):
    """Any frame of tellers.v1 but tallies; each kind has some of these."""

    op: str
    epoch: str = ""
    seq: int = 0
    recovered: bool | None = None
    reason: str = ""
    event: CloudEvent = {}
    problem: _Problem = _Problem()


_decode_frame = msgspec.json.Decoder(_Frame).decode


class Resumer(ABC, Generic[Item]):
    """One subscription across all its connections.

    Args:
        roll_call: only this one; None for the whole chamber.
        after, epoch: where an earlier subscription of this caller ended.
    """

    feed: ClassVar[str]

    def __init__(
        self,
        roll_call: str | None = None,
        *,
        after: int | None = None,
        epoch: str | None = None,
        rehearsal: bool = False,
    ) -> None:
        self.state = State.CONNECTING
        self.epoch = epoch
        self.seq = after
        self.silent_at = 0.0
        self._roll_call = roll_call
        self._rehearsal = rehearsal
        self._failures = 0
        self._can_resume = True
        self._clear()

    def query(self) -> dict[str, str]:
        """The query parameters of the next connection."""
        resumes = self._can_resume and self.seq is not None
        asked = {
            "feed": self.feed,
            "roll_call": self._roll_call,
            "after": self.seq if resumes else None,
            "epoch": self.epoch if resumes else None,
            "rehearsal": 1 if self._rehearsal else None,
        }
        return {name: str(value) for name, value in asked.items() if value is not None}

    def connected(self, now: float) -> None:
        """A connection is open; frames should follow."""
        self.silent_at = now + SILENCE_SECONDS

    def received(self, data: bytes, now: float) -> list[Output[Item]]:
        """What a frame comes to. `now` is any clock that only goes forward.

        Raises SubscriptionRefused, or NotUnderstood when the frame cannot be read.
        """
        # Any frame is a sign of life: a long replay may come before a heartbeat.
        self.silent_at = now + SILENCE_SECONDS
        try:
            frame = _decode_frame(data)
            match frame.op:
                case "subscribed":
                    return self._subscribed(frame)
                case "heartbeat":
                    return self._heartbeat(frame)
                case "caught_up":
                    self._caught_up(frame.seq)
                case "error":
                    return self._error(frame.problem)
                case "tally" | "event":
                    return self._content(frame, data)
                case _:
                    pass  # newer than this client, and nothing it asked for
        except (msgspec.DecodeError, ValueError) as error:
            raise NotUnderstood(f"cannot read a frame: {error}") from error
        return []

    def lost(self, how: Closed | HandshakeRefused, chance: float) -> float:
        """Seconds to wait before the next connection; `chance` is random in [0, 1).

        Raises SubscriptionRefused when the gateway would say the same again.
        """
        if self.state is State.LIVE:
            self.state = State.STALE
        backoff = min(MAX_BACKOFF_SECONDS, 2.0 ** min(self._failures, 10))
        self._failures += 1
        match how:
            case Closed(code, reason) if code in TERMINAL_CODES:
                raise SubscriptionRefused(code or 0, reason)
            case Closed(1001 | 1012):
                least, jitter = RESTARTING
            case Closed(1013):
                least, jitter = SHEDDING_SECONDS, backoff
            case Closed(4429):
                least, jitter = TOO_MANY_SECONDS, backoff
            case HandshakeRefused(status, retry_after):
                if status in CLIENT_ERRORS and status not in RETRIED_STATUSES:
                    raise SubscriptionRefused(status, f"HTTP status {status}")
                least, jitter = retry_after, backoff
            case _:
                least, jitter = 0.0, backoff
        return least + chance * jitter

    def _subscribed(self, frame: _Frame) -> list[Output[Item]]:
        self.state = State.LIVE
        self._failures = 0
        other_log = self.seq is not None and self.epoch not in (None, frame.epoch)
        self.epoch = frame.epoch
        if frame.recovered:
            return []
        restarts = frame.recovered is False or other_log
        if restarts:
            self._clear()
        self._begin(None if restarts else frame.seq)
        reason = frame.reason or "the gateway starts afresh"
        return [Restarted(frame.epoch, reason)] if restarts else []

    def _content(self, frame: _Frame, data: bytes) -> list[Output[Item]]:
        found = self._found(frame, data)
        if found is None:
            return []
        item, epoch = found
        if self.epoch is not None and epoch != self.epoch:
            return [Reconnect(f"epoch {epoch} without a fresh start")]
        return self._take(item, frame.seq)

    def _error(self, problem: _Problem) -> list[Output[Item]]:
        if problem.status in CLIENT_ERRORS and problem.status not in RETRIED_STATUSES:
            raise SubscriptionRefused(problem.status, problem.detail)
        return [Reconnect(problem.detail)]

    def _heartbeat(self, frame: _Frame) -> list[Output[Item]]:
        if self.epoch not in (None, frame.epoch):
            return [Reconnect(f"the log's epoch became {frame.epoch}")]
        return []

    @abstractmethod
    def _begin(self, head: int | None) -> None:
        """What comes now starts afresh; `head` unless everything comes again."""

    @abstractmethod
    def _caught_up(self, seq: int) -> None:
        """What was to be sent again has been sent; the log is at `seq`."""

    @abstractmethod
    def _found(self, frame: _Frame, data: bytes) -> tuple[Item, str] | None:
        """The item in a frame and its epoch; None when it is of another feed."""

    @abstractmethod
    def _take(self, item: Item, seq: int) -> list[Output[Item]]:
        """Deliver the item, or not."""

    @abstractmethod
    def _clear(self) -> None:
        """Forget what was delivered."""


class TallyResumer(Resumer[Tally]):
    """The feed of tallies: states, so what is missed needs no catching up."""

    feed = "tally"

    def _clear(self) -> None:
        # Per roll call what was delivered. A tally that is held, or let go again, keeps
        # its seq and is news all the same.
        self._delivered: dict[str, tuple[int, Held | None]] = {}

    def _begin(self, head: int | None) -> None:
        # The state of many roll calls comes in no order: cut off, it must come again.
        self.seq = None
        self._can_resume = False

    def _caught_up(self, seq: int) -> None:
        # Not `seq`: the log may be ahead of the tallies.
        self._can_resume = True

    def _found(self, frame: _Frame, data: bytes) -> tuple[Tally, str] | None:
        if frame.op != "tally":
            return None
        tally = decode_tally(data)
        return tally, tally.epoch

    def _take(self, item: Tally, seq: int) -> list[Output[Tally]]:
        shown, held = self._delivered.get(item.roll_call, (-1, None))
        if item.seq < shown or (item.seq == shown and item.held == held):
            return []
        self._delivered[item.roll_call] = item.seq, item.held
        self.seq = max(self.seq or 0, item.seq)
        return [Deliver(item)]


class EventResumer(Resumer[CloudEvent]):
    """The feed of events: each exactly once, in order, without gaps."""

    feed = "events"

    def _clear(self) -> None:
        # The roll call's own count: the seq of one roll call has gaps by nature.
        self._version: int | None = None
        # The log's head and our place as of the heartbeat before.
        self._then = 0, 0

    def _begin(self, head: int | None) -> None:
        self.seq = head or 0

    def _caught_up(self, seq: int) -> None:
        self.seq = max(self.seq or 0, seq)

    def _found(self, frame: _Frame, data: bytes) -> tuple[CloudEvent, str] | None:
        if frame.op != "event":
            return None
        return frame.event, str(frame.event.get("epoch", self.epoch))

    def _take(self, item: CloudEvent, seq: int) -> list[Output[CloudEvent]]:
        if self.seq is not None and seq <= self.seq:
            return []
        version = int(item.get("rollcallversion", 0))
        if self._roll_call is None:
            missing = self.seq is not None and seq != self.seq + 1
        else:
            missing = self._version is not None and version != self._version + 1
        if missing:
            return [Reconnect(f"a gap before event {seq}")]
        self.seq, self._version = seq, version
        return [Deliver(item)]

    def _heartbeat(self, frame: _Frame) -> list[Output[CloudEvent]]:
        (head, place), here = self._then, self.seq or 0
        self._then = frame.seq, here
        if self._roll_call is None and here == place and here < head:
            self._then = 0, 0
            return [Reconnect("the log goes on, but no events come")]
        return super()._heartbeat(frame)
