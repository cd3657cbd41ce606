"""Words for the tests: roll calls in sentences of given, when and then.

A sentence is one line, such as

    given(*OPENED).when(CastVote("FJI", YES)).then(VoteRecorded("FJI", YES))
    given(*LOCKED).when(CastVote("NOR", YES)).refused(NotOpen)
"""

import csv
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple, TypeVar

from tellers_core import roll_call, tally
from tellers_core.codec import Recorded
from tellers_core.errors import Refused
from tellers_core.events import (
    Event,
    Imported,
    Reveal,
    RollCallClosed,
    RollCallLocked,
    RollCallOpened,
    RollCallScheduled,
    Vote,
    VoteRecorded,
)
from tellers_core.majority import Rule
from tellers_core.members import general_assembly
from tellers_core.roll_call import Command, RollCall, decide, replay
from tellers_core.tally import Projection

FIXTURES = Path(__file__).parent / "fixtures"
SIX = ("FJI", "FRA", "NOR", "PER", "RUS", "ZMB")
AT = "2026-11-23T17:02:41.002Z"
EPOCH = "k3v9"
RefusedKind = TypeVar("RefusedKind", bound=Refused)


def scheduled(
    rule: Rule = "simple",
    members: tuple[str, ...] = SIX,
    *,
    barred: Mapping[str, str] | None = None,
    entitled: tuple[str, ...] | None = None,
    permanent: tuple[str, ...] = (),
    title: str = "Aggression against Ukraine",
    rehearsal: bool = False,
    imported: Imported | None = None,
    reveal: Reveal = Reveal.LIVE,
) -> RollCallScheduled:
    """A roll call of six delegations, unless told otherwise; all may vote who are not
    barred."""
    barred = barred or {}
    if entitled is None:
        entitled = tuple(code for code in members if code not in barred)
    return RollCallScheduled(
        title=title,
        symbol="A/ES-11/L.1",
        rule=rule,
        members=members,
        entitled=entitled,
        barred=barred,
        permanent=permanent,
        called_from=None,
        rehearsal=rehearsal,
        reveal=reveal,
        imported=imported,
    )


SCHEDULED: tuple[Event, ...] = (scheduled(),)
OPENED: tuple[Event, ...] = (*SCHEDULED, RollCallOpened())
LOCKED: tuple[Event, ...] = (*OPENED, RollCallLocked())


def opened(rule: Rule = "simple", members: tuple[str, ...] = SIX) -> tuple[Event, ...]:
    """The events until votes are taken."""
    return (scheduled(rule, members), RollCallOpened())


def votes(yes: str = "", no: str = "", abstain: str = "") -> tuple[Event, ...]:
    """Recorded votes: `votes(yes="FJI FRA", no="NOR")`."""
    answers = {Vote.YES: yes, Vote.NO: no, Vote.ABSTAIN: abstain}
    return tuple(
        VoteRecorded(code, vote)
        for vote, codes in answers.items()
        for code in codes.split()
    )


def result(yes: int, no: int, abstain: int, rule: Rule = "simple") -> tuple[Event, ...]:
    """The General Assembly, open, with that many answers."""
    codes = iter(general_assembly().codes)
    answers = [Vote.YES] * yes + [Vote.NO] * no + [Vote.ABSTAIN] * abstain
    return (
        *opened(rule, general_assembly().codes),
        *(VoteRecorded(next(codes), vote) for vote in answers),
    )


def closed(*history: Event) -> tuple[Event, ...]:
    """That open roll call, locked and closed with the result it has."""
    state = replay((*history, RollCallLocked()))
    end = RollCallClosed(state.counts, roll_call.outcome(state), None)
    return (*history, RollCallLocked(), end)


@dataclass(frozen=True, slots=True)
class Reaction:
    """What a command came to."""

    before: RollCall | None
    answer: tuple[Event, ...] | Refused

    def then(self, *events: Event) -> "Given":
        """It caused exactly these events, and they can follow what was given."""
        assert self.answer == events
        assert not isinstance(self.answer, Refused)
        return Given(replay(events, onto=self.before))

    def then_nothing(self) -> None:
        """It asked for what is already true."""
        assert self.answer == ()

    def refused(self, kind: type[RefusedKind]) -> RefusedKind:
        """It was refused in this way; returns the refusal, to look closer."""
        assert type(self.answer) is kind
        return self.answer


@dataclass(frozen=True, slots=True)
class Given:
    """A roll call as its events made it."""

    state: RollCall | None

    def when(self, command: Command) -> Reaction:
        """Put the command to it; deciding must leave it as it is."""
        before = deepcopy(self.state)
        try:
            answer: tuple[Event, ...] | Refused = decide(self.state, command)
        except Refused as refusal:
            answer = refusal
        assert self.state == before
        return Reaction(self.state, answer)


def given(*events: Event) -> Given:
    """A roll call with these events behind it; none when there are no events."""
    return Given(replay(events) if events else None)


def recorded(
    events: Iterable[Event], first_seq: int = 1, source: str = "/chambers/ga"
) -> Iterator[Recorded]:
    """The events in their place in the log, the roll call's own from version 1."""
    for version, event in enumerate(events, 1):
        seq = first_seq + version - 1
        yield Recorded(source, "es-11-1", f"{seq:016}", version, AT, event)


def projected(events: Iterable[Event]) -> Projection:
    """The projection after all these events."""
    projection = None
    for entry in recorded(events):
        projection = tally.absorb(projection, entry)
    assert projection is not None
    return projection


class Row(NamedTuple):
    """A line of a recorded roll call; `number` as in the file, without the header."""

    number: int
    code: str
    vote: Vote | None


@cache
def recorded_roll_call(name: str) -> tuple[Row, ...]:
    """A real roll call in file order; `vote` is None for absent delegations."""
    path = FIXTURES / "roll-calls" / f"{name}.csv"
    with path.open(encoding="utf-8", newline="") as lines:
        return tuple(
            Row(number, row["iso3"], VOTES[row["vote"]])
            for number, row in enumerate(csv.DictReader(lines), 1)
        )


VOTES = {**{vote.value: vote for vote in Vote}, "absent": None}
