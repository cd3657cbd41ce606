"""The one object everybody paints: counts, verdict, and where in the log it holds.

`Projection` is a roll call together with its place in the log; `absorb` moves it one
event on and notices a clinch that is taken back; `tally` renders it. Deterministic: the
same events give the same bytes in every service, today and in a rebuild.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import msgspec
from msgspec import Struct

from tellers_core import roll_call
from tellers_core.codec import LogName, Recorded
from tellers_core.errors import CorruptHistory
from tellers_core.events import (
    Counts,
    Imported,
    Reveal,
    RuleChanged,
    VoteChanged,
    VoteRecorded,
    VoteWithdrawn,
    wire_name,
)
from tellers_core.majority import Rule, majority
from tellers_core.members import search_key
from tellers_core.roll_call import Phase, RollCall, absorb_vote

Status = Literal[
    "pending",
    "passing",
    "failing",
    "tied",
    "clinched",
    "unreachable",
    "adopted",
    "rejected",
    "annulled",
]
SETTLED = ("clinched", "unreachable")
ENDED = (Phase.CLOSED, Phase.ANNULLED)
_OPEN = Phase.OPEN


class Retracted(Struct, frozen=True):
    """A settled verdict that a later event undid: what it was and what undid it."""

    was: Status
    seq: int
    cause: str


class Verdict(Struct, frozen=True, omit_defaults=True):
    """Whether the required majority is reached and whether that can still change.

    Args:
        required: yes votes needed among the present yes + no, or of all members.
        margin: yes - required.
        to_clinch: further yes votes after which it is certain; None: out of reach.
        flips: recorded votes that would have to turn to turn the verdict now.
        because: the inequality in figures.
    """

    rule: Rule
    status: Status
    required: int
    margin: int
    to_clinch: int | None
    flips: int | None
    because: str
    retracted: Retracted | None = None


class Held(Struct, frozen=True):
    """The tally is the last good one; `seq` is the event that could not be counted."""

    seq: int
    reason: str


class Tally(Struct, frozen=True, omit_defaults=True, tag_field="type", tag="tally"):
    """The state of a roll call as of `seq`. `held` is there only when it is held,
    `confirmed` only when a second, independent count of the same events agrees,
    `imported` only when it was recorded afterwards from somebody else's data,
    `withheld` only while not everything of it is public (`reveal.py`)."""

    chamber: str
    roll_call: str
    title: str
    symbol: str | None
    epoch: str
    seq: int
    version: int
    phase: Phase
    rehearsal: bool
    counts: Counts
    verdict: Verdict
    at: str
    held: Held | None = None
    confirmed: bool = False
    imported: Imported | None = None
    withheld: Reveal | None = None

    @property
    def day(self) -> str:
        """The day of the vote, ISO 8601: what lists of the past are ordered by."""
        return self.imported.voted_on if self.imported else self.at[:10]

    @property
    def search_text(self) -> str:
        """What it is found by, as `search_key` makes it."""
        session = self.imported.session if self.imported else ""
        said = (self.title, self.symbol or "", self.roll_call, session, self.day)
        return search_key(" ".join(said))

    @property
    def is_public(self) -> bool:
        """Whether it may be published: while a roll call of the past comes in, nobody
        is voting, and no screen may look as if somebody were."""
        return self.imported is None or self.phase not in (Phase.SCHEDULED, Phase.OPEN)


@dataclass(slots=True)  # four fields are set for each event: in a Struct that is slower
class Projection:
    """A roll call and its place in the log: sequence and version of its last event, its
    time, and what that event retracted."""

    chamber: str
    id: str
    roll_call: RollCall
    sequence: str
    version: int
    at: str
    retracted: Retracted | None = None

    @property
    def seq(self) -> int:
        """The seq of its last event."""
        return int(self.sequence)

    @property
    def status(self) -> Status:
        """How the verdict stands."""
        return status_of(self.roll_call)


def judged(state: RollCall) -> tuple[Status, int]:
    """How the verdict stands, and the yes votes needed now."""
    required = majority(state.rule)
    if state.rule == "security_council":  # who voted matters
        standing = state.standing
        found: tuple[Status, int]
        found = required.prospect(standing), required.required(standing)
    else:
        members = len(state.roll.members)
        found = required.judge(state.yes, state.no, state.outstanding, members)
    if state.phase is _OPEN:  # most are asked about while votes come
        return found
    if state.phase is Phase.CLOSED and state.outcome is not None:
        return state.outcome.value, found[1]
    if state.phase is Phase.ANNULLED:
        return "annulled", found[1]
    return found


def status_of(state: RollCall) -> Status:
    """How the verdict stands."""
    return judged(state)[0]


def verdict(
    state: RollCall, status: Status, retracted: Retracted | None = None
) -> Verdict:
    """The verdict on a state whose `status_of` is known."""
    required, standing = majority(state.rule), state.standing
    needed = required.required(standing)
    return Verdict(
        state.rule,
        status,
        needed,
        state.yes - needed,
        required.to_clinch(standing),
        required.flips(standing),
        required.because(standing),
        retracted,
    )


def absorb(before: Projection | None, recorded: Recorded) -> Projection:
    """The projection one event later, in place: the caller owns `before` alone.

    Raises CorruptHistory, and leaves `before` as it is, when the event does not follow.
    """
    if before is None:
        if recorded.version != 1:
            raise CorruptHistory(f"version {recorded.version} without its beginning")
        state = roll_call.absorb(None, recorded.event)
        return Projection(
            LogName.parse(recorded.source).chamber,
            recorded.roll_call,
            state,
            recorded.sequence,
            1,
            recorded.time,
        )
    if recorded.version != before.version + 1:
        raise CorruptHistory(
            f"version {recorded.version} after version {before.version}"
        )
    event, retracted = recorded.event, None
    if isinstance(event, VoteRecorded):
        # Settled is what no first answer can change: nobody need look.
        absorb_vote(before.roll_call, event)
    else:
        was = before.status
        state = roll_call.absorb(before.roll_call, event)
        if was in SETTLED and state.phase not in ENDED and status_of(state) != was:
            retracted = Retracted(was, recorded.seq, _cause(recorded))
    before.sequence = recorded.sequence
    before.version = recorded.version
    before.at = recorded.time
    before.retracted = retracted
    return before


def _cause(recorded: Recorded) -> str:
    event = recorded.event
    match event:
        case VoteRecorded() | VoteChanged() | VoteWithdrawn():
            return f"{wire_name(event)} {event.delegation}"
        case RuleChanged(str(rule)):
            return f"{wire_name(event)} {rule}"
        case _:
            return wire_name(event)


def tally(projection: Projection, epoch: str) -> Tally:
    """The projection as everybody paints it."""
    state = projection.roll_call
    return Tally(
        projection.chamber,
        projection.id,
        state.roll.title,
        state.roll.symbol,
        epoch,
        projection.seq,
        projection.version,
        state.phase,
        state.roll.rehearsal,
        state.counts,
        verdict(state, projection.status, projection.retracted),
        projection.at,
        imported=state.roll.imported,
        withheld=withheld(state),
    )


def withheld(state: RollCall) -> Reveal | None:
    """The policy under which something of it is not public now; None: all is."""
    reveal = state.roll.reveal
    return None if reveal is Reveal.LIVE or state.phase in ENDED else reveal


def tallies(history: Iterable[Recorded], epoch: str) -> list[Tally]:
    """The tally at each event of a roll call, from its first on; up to the first that
    does not follow, where it is held."""
    projection: Projection | None = None
    found = []
    for recorded in history:
        try:
            projection = absorb(projection, recorded)
        except CorruptHistory:
            break
        found.append(tally(projection, epoch))
    return found


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Tally)


def encode_tally(value: Tally) -> bytes:
    """The tally as JSON, members in the contract's order."""
    return _encoder.encode(value)


def decode_tally(data: bytes) -> Tally:
    """The tally in this JSON. Raises msgspec.DecodeError when it is none."""
    return _decoder.decode(data)
