"""One roll call in full, from its events: who voted what, and how it ended. Pure."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from tellers_core.codec import Recorded
from tellers_core.errors import CorruptHistory
from tellers_core.events import (
    Counts,
    Figures,
    IntentionRecorded,
    Outcome,
    RollCallClosed,
    RollCallScheduled,
    Vote,
    VoteChanged,
    VoteRecorded,
    VoteWithdrawn,
)
from tellers_core.former import member, name_on


class VoteLine(Struct, frozen=True):
    """A recorded vote; `changed`: the delegation answered otherwise before."""

    delegation: str
    name: str
    vote: Vote
    seq: int
    changed: bool


class MemberLine(Struct, frozen=True):
    """A member of the chamber when the vote was taken; `iso2` and regional `group` are
    null for one that nobody knows, `iso2` also where the membership has ended."""

    delegation: str
    name: str
    entitled: bool
    iso2: str | None
    group: str | None


class Intention(Struct, frozen=True):
    """How a delegation had meant to vote, said after closing; never counted."""

    delegation: str
    name: str
    vote: Vote
    note: str | None
    seq: int
    at: str


class Result(Struct, frozen=True):
    """What was proclaimed at closing."""

    outcome: Outcome
    counts: Counts
    announced: Figures | None
    seq: int
    at: str


class Detail(Struct, frozen=True):
    """What a roll call has beyond its tally; lists in the chamber's order. `voted_at`:
    when each vote in `votes` was given, by delegation."""

    votes: list[VoteLine]
    voted_at: Mapping[str, str]
    not_voting: list[str]
    barred: Mapping[str, str]
    called_from: str | None
    members: list[MemberLine]
    intentions: list[Intention]
    result: Result | None


class _Answer(NamedTuple):
    vote: Vote | None
    seq: int
    changed: bool
    at: str


# A day after every change of name.
TODAY = "9999-12-31"


def name_of(code: str, language: str, day: str = TODAY) -> str:
    """The member's name in that language, in English that of the day; its code when
    nobody is known by it."""
    return name_on(code, day, language)


def _member_line(code: str, name: str, *, entitled: bool) -> MemberLine:
    known = member(code)
    iso2, group = (known.iso2, known.group) if known else (None, None)
    return MemberLine(code, name, entitled, iso2, group)


def without_names(full: Detail) -> Detail:
    """The same while names are withheld: who is silent would name who is not."""
    return replace(full, votes=[], voted_at={}, not_voting=[])


def detail(history: Iterable[Recorded], language: str = "en") -> Detail:
    """The roll call after these events, its `scheduled` first.

    Raises CorruptHistory when they do not begin there.
    """
    roll: RollCallScheduled | None = None
    answers: dict[str, _Answer] = {}
    intentions: dict[str, Intention] = {}
    result: Result | None = None
    for recorded in history:
        match recorded.event:
            case RollCallScheduled() as scheduled:
                roll = scheduled
            case VoteRecorded() | VoteChanged() | VoteWithdrawn() as voted:
                again = voted.delegation in answers
                answers[voted.delegation] = _Answer(
                    voted.vote, recorded.seq, again, recorded.time
                )
            case IntentionRecorded(code, vote, note):
                name = name_of(code, language)
                intentions[code] = Intention(
                    code, name, vote, note, recorded.seq, recorded.time
                )
            case RollCallClosed(counts, outcome, announced):
                result = Result(outcome, counts, announced, recorded.seq, recorded.time)
            case _:
                pass  # phases and rules are in the tally
    if roll is None:
        raise CorruptHistory("a roll call without its beginning")
    return _in_order(roll, answers, intentions, result, language)


def _in_order(
    roll: RollCallScheduled,
    answers: Mapping[str, _Answer],
    intentions: Mapping[str, Intention],
    result: Result | None,
    language: str,
) -> Detail:
    day = roll.imported.voted_on if roll.imported else TODAY
    names = {code: name_of(code, language, day) for code in roll.members}
    votes = [
        VoteLine(
            code,
            names[code],
            answer.vote,
            answer.seq,
            answer.changed,
        )
        for code in roll.members
        if (answer := answers.get(code)) is not None and answer.vote is not None
    ]
    voted = {line.delegation for line in votes}
    entitled = set(roll.entitled)
    return Detail(
        votes,
        {line.delegation: answers[line.delegation].at for line in votes},
        [code for code in roll.entitled if code not in voted],
        roll.barred,
        roll.called_from,
        [
            _member_line(code, names[code], entitled=code in entitled)
            for code in roll.members
        ],
        [intentions[code] for code in roll.members if code in intentions],
        result,
    )
