"""How far a log is public: the delay before publication, and the freeze (ADR 26). Pure.

Every seq up to the *horizon* is public, nothing beyond it. The horizon never goes back,
and it never stops between a slip and its correction: a vote that is changed while it
still waits goes out together with the change.
"""

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

import msgspec
from msgspec import Struct

from tellers_core.codec import decode
from tellers_core.errors import CorruptHistory
from tellers_core.events import VoteChanged, VoteRecorded, VoteWithdrawn

MAX_DELAY_SECONDS = 30.0
FROZEN = "publication is frozen by the operator"


class Publication(Struct, frozen=True, omit_defaults=True):
    """What the operators last said about one log.

    Args:
        frozen: nothing further is published.
        delay_seconds: None: as the setting says.
        seq, at: the head of the log, and the time (RFC 3339), when it was said.
        public_seq: everything up to there is public, whatever the delay.
        token, reason: who said it (the token's id) and why; never published.
    """

    frozen: bool = False
    delay_seconds: float | None = None
    seq: int = 0
    public_seq: int = 0
    at: str = ""
    token: str = ""
    reason: str = ""


def encode_publication(value: Publication) -> bytes:
    """As it is kept."""
    return msgspec.json.encode(value)


def decode_publication(text: bytes) -> Publication:
    """What was kept. Raises msgspec.DecodeError."""
    return msgspec.json.decode(text, type=Publication)


class Slip(NamedTuple):
    """Tallies of a roll call from `first` up to before `corrected` are never shown."""

    roll_call: str
    first: int
    corrected: int

    def hides(self, roll_call: str, seq: int) -> bool:
        """Whether the tally at that seq has the slip in it."""
        return self.roll_call == roll_call and self.first <= seq < self.corrected


class _Waiting(NamedTuple):
    seq: int
    due: float
    whose: tuple[str, str] | None


class Horizon:
    """Entries that wait for publication, in order.

    Times are seconds of one clock. Args: seq: everything up to there is public.
    """

    def __init__(self, seq: int) -> None:
        self.seq = seq
        self._waiting: deque[_Waiting] = deque()

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def add(self, seq: int, body: bytes, due: float) -> None:
        """The next entry of the log, public when it is `due`."""
        self._waiting.append(_Waiting(seq, due, _whose(body)))

    def advance(self, now: float) -> list[Slip]:
        """Move on as far as may be; the slips that were passed."""
        corrected: dict[tuple[str, str], int] = {}
        for one in self._waiting:
            if one.whose is not None:
                corrected[one.whose] = one.seq
        reach, upto = 0, self.seq
        for one in self._waiting:
            if one.due > now:
                break
            # Who changes it again and again keeps nothing back for ever.
            if one.whose is not None and now - one.due < MAX_DELAY_SECONDS:
                reach = max(reach, corrected[one.whose])
            if one.seq >= reach:
                upto = one.seq
        return self._pass(upto)

    def release(self, now: float) -> None:
        """Everything that waits is due."""
        self._waiting = deque(
            one._replace(due=min(one.due, now)) for one in self._waiting
        )

    def _pass(self, upto: int) -> list[Slip]:
        slips, first = [], dict[tuple[str, str], int]()
        while self._waiting and self._waiting[0].seq <= upto:
            seq, _, whose = self._waiting.popleft()
            if whose is None:
                continue
            if whose in first:
                slips.append(Slip(whose[0], first[whose], seq))
            first.setdefault(whose, seq)
        self.seq = upto
        return slips


def _whose(body: bytes) -> tuple[str, str] | None:
    """Roll call and delegation of a vote."""
    try:
        recorded = decode(body)
    except CorruptHistory:
        return None
    match recorded.event:
        case VoteRecorded() | VoteChanged() | VoteWithdrawn() as vote:
            return recorded.roll_call, vote.delegation
        case _:
            return None


class Dated(NamedTuple):
    """An entry of the log and when it was appended, in seconds of the clock."""

    seq: int
    body: bytes
    at: float


def horizon_of(
    after: int,
    entries: Iterable[Dated],
    said: Publication,
    delay: float,
    said_at: float,
    now: float,
) -> int:
    """How far a log is public, for who comes to it anew.

    Args:
        after: everything up to there is public for certain.
        entries: what follows it.
        delay: seconds, as said or as set.
        said_at: when `said` was said.
    """
    horizon = Horizon(after)
    for entry in entries:
        if said.frozen and entry.seq > said.seq:
            break
        # A clock that is ahead must not keep an entry back for ever.
        at = min(entry.at, said_at if said.frozen else now)
        due = at if entry.seq <= said.public_seq else at + delay
        horizon.add(entry.seq, entry.body, due)
    horizon.advance(said_at if said.frozen else now)
    return horizon.seq
