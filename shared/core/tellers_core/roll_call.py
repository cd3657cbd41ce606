"""One roll call as a decider: commands in, events out, state from events.

    scheduled --open--> open <--unlock/lock--> locked --close--> closed
    annul: from scheduled, open or locked to annulled

Votes are taken only while open; intentions only after closing. Source of the rules:
Rules of Procedure of the General Assembly, rules 87 and 88, and `docs/voting-rules.md`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from msgspec import Struct
from msgspec.structs import replace

from tellers_core.errors import (
    AlreadyClosed,
    AlreadyExists,
    AnnouncedMismatch,
    BadRequest,
    CorruptHistory,
    NotClosed,
    NotEntitled,
    NotOpen,
    Problem,
    Refused,
    UnknownDelegation,
    UnknownRollCall,
    WrongPhase,
)
from tellers_core.events import (
    Counts,
    Event,
    Figures,
    IntentionRecorded,
    Outcome,
    RollCallAnnulled,
    RollCallClosed,
    RollCallLocked,
    RollCallOpened,
    RollCallScheduled,
    RollCallUnlocked,
    RuleChanged,
    Vote,
    VoteChanged,
    VoteEvent,
    VoteRecorded,
    VoteWithdrawn,
)
from tellers_core.majority import Rule, Standing, majority


class Phase(StrEnum):
    SCHEDULED = "scheduled"
    OPEN = "open"
    LOCKED = "locked"
    CLOSED = "closed"
    ANNULLED = "annulled"


RUNNING = (Phase.SCHEDULED, Phase.OPEN, Phase.LOCKED)
ANSWERING = (Phase.OPEN, Phase.SCHEDULED)


@dataclass(frozen=True, slots=True)
class Schedule:
    """Announce a roll call; the roll is already settled in the event it asks for."""

    scheduled: RollCallScheduled


@dataclass(frozen=True, slots=True)
class Open:
    """Begin to take votes."""


@dataclass(frozen=True, slots=True)
class Lock:
    """Stop taking votes, to check the board."""


@dataclass(frozen=True, slots=True)
class Unlock:
    """Take votes again."""


@dataclass(frozen=True, slots=True)
class Close:
    """Proclaim the result; `announced` must equal what was recorded."""

    announced: Figures | None = None


@dataclass(frozen=True, slots=True)
class Annul:
    """Declare the roll call void."""


@dataclass(frozen=True, slots=True)
class SwitchRule:
    """Require another majority."""

    rule: Rule


@dataclass(frozen=True, slots=True)
class CastVote:
    """One delegation answers, or answers anew."""

    delegation: str
    vote: Vote


@dataclass(frozen=True, slots=True)
class WithdrawVote:
    """One delegation takes its answer back."""

    delegation: str


@dataclass(frozen=True, slots=True)
class CastVotes:
    """Many answers, all or nothing; `places` says where each stood in the input."""

    votes: tuple[CastVote, ...]
    places: tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class RecordIntention:
    """After closing: how a delegation had meant to vote."""

    delegation: str
    vote: Vote
    note: str | None = None


Command = (
    Schedule
    | Open
    | Lock
    | Unlock
    | Close
    | Annul
    | SwitchRule
    | CastVote
    | WithdrawVote
    | CastVotes
    | RecordIntention
)


class RollCall(Struct):
    """The state of one roll call. A value: `evolve` returns a new one.

    `votes` holds recorded answers by delegation; yes, no and abstain count them.
    """

    roll: RollCallScheduled
    entitled: frozenset[str]
    phase: Phase
    rule: Rule
    votes: dict[str, Vote]
    yes: int = 0
    no: int = 0
    abstain: int = 0
    outcome: Outcome | None = None
    intentions: Mapping[str, IntentionRecorded] = {}

    @property
    def counts(self) -> Counts:
        """The counts as published; `not_voting` is who may vote and has not."""
        entitled = len(self.entitled)
        return Counts(
            self.yes,
            self.no,
            self.abstain,
            entitled - self.yes - self.no - self.abstain,
            entitled,
            len(self.roll.members),
        )

    @property
    def outstanding(self) -> int:
        """Answers that may still come. At the lock none may any more: who has not
        answered is not voting."""
        if self.phase not in ANSWERING:
            return 0
        return len(self.entitled) - self.yes - self.no - self.abstain

    @property
    def standing(self) -> Standing:
        """What a majority needs to know."""
        outstanding, members = self.outstanding, len(self.roll.members)
        if self.rule != "security_council":
            return Standing(self.yes, self.no, outstanding, members)
        # A permanent member that may not vote here (Article 27(3)) cannot veto.
        permanent = self.entitled.intersection(self.roll.permanent)
        answers = [self.votes.get(code) for code in permanent]
        return Standing(
            self.yes,
            self.no,
            outstanding,
            members,
            vetoes=answers.count(Vote.NO),
            silent_permanent=answers.count(None) if self.phase in ANSWERING else 0,
            agreeing_permanent=answers.count(Vote.YES),
        )


def decide(state: RollCall | None, command: Command) -> tuple[Event, ...]:
    """Answer a command with the events it causes; change nothing.

    `state` is None when there is no such roll call. Returns an empty tuple when the
    command asks for what is already true. Raises Refused when the rules do not allow
    it.
    """
    if isinstance(command, Schedule):
        if state is not None:
            raise AlreadyExists("a roll call of this id exists")
        _must_be_possible(command.scheduled.rule, command.scheduled)
        return (command.scheduled,)
    if state is None:
        raise UnknownRollCall("no such roll call")
    match command:
        case CastVote():
            _must_be_open(state)
            return _cast(state, command)
        case CastVotes():
            return _cast_all(state, command)
        case WithdrawVote(delegation):
            _must_be_open(state)
            _must_be_entitled(state, delegation)
            previous = state.votes.get(delegation)
            return (VoteWithdrawn(delegation, previous),) if previous else ()
        case Open():
            _must_be_in(state, "open", Phase.SCHEDULED)
            return (RollCallOpened(),)
        case Lock():
            _must_be_in(state, "lock", Phase.OPEN)
            return (RollCallLocked(),)
        case Unlock():
            _must_be_in(state, "unlock", Phase.LOCKED)
            return (RollCallUnlocked(),)
        case Annul():
            _must_be_in(state, "annul", *RUNNING)
            return (RollCallAnnulled(),)
        case SwitchRule(rule):
            return _switch_rule(state, rule)
        case Close(announced):
            return (_close(state, announced),)
        case RecordIntention():
            return _record_intention(state, command)
        case _:
            assert_never(command)


def _must_be_in(state: RollCall, doing: str, *phases: Phase) -> None:
    if state.phase in phases:
        return
    if state.phase is Phase.CLOSED:
        raise AlreadyClosed(f"cannot {doing}: the roll call is closed")
    allowed = " or ".join(phases)
    raise WrongPhase(f"cannot {doing}: the roll call is {state.phase}, not {allowed}")


def _must_be_open(state: RollCall) -> None:
    if state.phase is not Phase.OPEN:
        raise NotOpen(
            f"votes are taken only while open; the roll call is {state.phase}"
        )


def _must_be_entitled(state: RollCall, delegation: str) -> None:
    if delegation in state.entitled:
        return
    if delegation not in state.roll.members:
        raise UnknownDelegation(f"{delegation} is not a member of this chamber")
    reason = state.roll.barred.get(delegation)
    raise NotEntitled(
        f"{delegation} may not vote here" + (f": {reason}" * bool(reason))
    )


def _cast(state: RollCall, command: CastVote) -> tuple[VoteEvent, ...]:
    _must_be_entitled(state, command.delegation)
    previous = state.votes.get(command.delegation)
    if previous is command.vote:
        return ()
    if previous is None:
        return (VoteRecorded(command.delegation, command.vote),)
    return (VoteChanged(command.delegation, command.vote, previous),)


def _cast_all(state: RollCall, command: CastVotes) -> tuple[Event, ...]:
    _must_be_open(state)
    problems: list[Problem] = []
    events: list[Event] = []
    first: dict[str, str | int] = {}
    for vote, place in zip(command.votes, command.places, strict=True):
        try:
            events += _cast(state, vote)
        except Refused as refusal:
            problems.append(Problem(place, refusal.detail))
        if vote.delegation in first:
            at = first[vote.delegation]
            problems.append(Problem(place, f"{vote.delegation} stands already at {at}"))
        first.setdefault(vote.delegation, place)
    if problems:
        raise BadRequest("nothing was recorded", tuple(problems))
    return tuple(events)


def _must_be_possible(rule: Rule, roll: RollCallScheduled) -> None:
    try:
        majority(rule)
    except ValueError as error:
        raise BadRequest("no such majority", (Problem("/rule", str(error)),)) from error
    if rule == "security_council" and not roll.permanent:
        raise BadRequest(
            "a chamber without permanent members",
            (Problem("/rule", "security_council needs permanent members"),),
        )


def _switch_rule(state: RollCall, rule: Rule) -> tuple[Event, ...]:
    _must_be_in(state, "switch the rule", *RUNNING)
    _must_be_possible(rule, state.roll)
    return () if rule == state.rule else (RuleChanged(rule, state.rule),)


def _close(state: RollCall, announced: Figures | None) -> Event:
    _must_be_in(state, "close", Phase.LOCKED)
    recorded = Figures(state.yes, state.no, state.abstain)
    if announced is not None and announced != recorded:
        raise AnnouncedMismatch(_as_dict(announced), _as_dict(recorded))
    return RollCallClosed(state.counts, outcome(state), announced)


def _as_dict(figures: Figures) -> dict[str, int]:
    return {"yes": figures.yes, "no": figures.no, "abstain": figures.abstain}


def _record_intention(state: RollCall, command: RecordIntention) -> tuple[Event, ...]:
    if state.phase is not Phase.CLOSED:
        raise NotClosed(f"intentions come after closing; it is {state.phase}")
    _must_be_entitled(state, command.delegation)
    event = IntentionRecorded(command.delegation, command.vote, command.note)
    return () if state.intentions.get(command.delegation) == event else (event,)


def outcome(state: RollCall) -> Outcome:
    """What the result is if it is proclaimed now."""
    required = majority(state.rule)
    if required.carried(state.standing):
        return Outcome.ADOPTED
    if required.is_simple and state.yes == state.no > 0:
        return Outcome.TIED
    return Outcome.REJECTED


def evolve(state: RollCall | None, event: Event) -> RollCall:
    """The state after one more event; `state` itself stays as it is.

    Raises CorruptHistory when the event contradicts the state: the log is wrong.
    """
    return replay((event,), onto=state)


def replay(events: Iterable[Event], onto: RollCall | None = None) -> RollCall:
    """The state after all these events. Raises CorruptHistory like `evolve`."""
    state = None if onto is None else replace(onto, votes=dict(onto.votes))
    for event in events:
        state = absorb(state, event)
    if state is None:
        raise CorruptHistory("no events, no roll call")
    return state


def absorb(state: RollCall | None, event: Event) -> RollCall:
    """`evolve` in place, for who owns the state alone and reads millions of events."""
    if state is None or isinstance(event, RollCallScheduled):
        if state is not None or not isinstance(event, RollCallScheduled):
            raise CorruptHistory(f"{type(event).__name__} is out of place")
        entitled = frozenset(event.entitled)
        return RollCall(event, entitled, Phase.SCHEDULED, _known(event.rule), {})
    match event:
        case VoteRecorded() | VoteChanged() | VoteWithdrawn():
            absorb_vote(state, event)
        case RollCallOpened():
            _step(state, Phase.OPEN, Phase.SCHEDULED)
        case RollCallLocked():
            _step(state, Phase.LOCKED, Phase.OPEN)
        case RollCallUnlocked():
            _step(state, Phase.OPEN, Phase.LOCKED)
        case RuleChanged(rule, previous):
            if state.phase not in RUNNING or previous != state.rule:
                raise CorruptHistory(f"the rule {previous} was not there to change")
            state.rule = _known(rule)
        case RollCallClosed(counts, proclaimed):
            if counts != state.counts or proclaimed is not outcome(state):
                raise CorruptHistory("closed with another result than its votes give")
            _step(state, Phase.CLOSED, Phase.LOCKED)
            state.outcome = proclaimed
        case RollCallAnnulled():
            _step(state, Phase.ANNULLED, *RUNNING)
        case IntentionRecorded(delegation):
            if state.phase is not Phase.CLOSED or delegation not in state.entitled:
                raise CorruptHistory(f"{delegation}'s intention is out of place")
            state.intentions = {**state.intentions, delegation: event}
        case _:
            assert_never(event)
    return state


def _step(state: RollCall, after: Phase, *before: Phase) -> None:
    if state.phase not in before:
        raise CorruptHistory(f"{after} cannot follow {state.phase}")
    state.phase = after


def _known(rule: Rule) -> Rule:
    try:
        majority(rule)
    except ValueError as error:
        raise CorruptHistory(f"impossible rule: {error}") from error
    return rule


# Looked up for each of millions of votes: a name is found faster than an enum's member.
_OPEN, _YES, _NO = Phase.OPEN, Vote.YES, Vote.NO


def absorb_vote(state: RollCall, event: VoteEvent) -> None:
    """`absorb` for a vote. Raises CorruptHistory."""
    votes, delegation, previous = state.votes, event.delegation, event.previous
    if state.phase is not _OPEN or votes.get(delegation) is not previous:
        raise CorruptHistory(f"{delegation}'s vote contradicts what came before it")
    if delegation not in state.entitled:
        raise CorruptHistory(f"{delegation} is not entitled to vote here")
    if previous is not None:
        _count(state, previous, -1)
    vote = event.vote
    if vote is None:
        del votes[delegation]
    else:
        votes[delegation] = vote
        _count(state, vote, 1)


def _count(state: RollCall, vote: Vote, by: int) -> None:
    if vote is _YES:
        state.yes += by
    elif vote is _NO:
        state.no += by
    else:
        state.abstain += by
