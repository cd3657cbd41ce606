"""A roll call of the past, recorded whole: from its votes to its events. Pure.

It goes the way of every other one, `decide` by `decide`: scheduled, opened, every vote,
locked, closed. It is closed only when what was computed from its votes is what its
source says; otherwise it stays locked, and the differences are told.
"""

from collections.abc import Mapping
from typing import NamedTuple

from msgspec import UNSET, Struct, UnsetType

from tellers_core.events import (
    Event,
    Figures,
    Imported,
    Outcome,
    Reveal,
    RollCallScheduled,
    Vote,
)
from tellers_core.former import name_on
from tellers_core.majority import Rule
from tellers_core.members import name_key
from tellers_core.roll_call import (
    CastVote,
    CastVotes,
    Close,
    Command,
    Lock,
    Open,
    RollCall,
    Schedule,
    absorb,
    decide,
    outcome,
)

Total = int | None | UnsetType


class Totals(Struct, frozen=True, forbid_unknown_fields=True):
    """The counts as the source has them. Left out: it has no such count; None: it has
    none for this roll call, which therefore cannot be confirmed."""

    yes: Total = UNSET
    no: Total = UNSET
    abstain: Total = UNSET
    not_voting: Total = UNSET
    members: Total = UNSET

    @property
    def figures(self) -> Figures | None:
        """The three counts, None when one is missing."""
        three = [n for n in (self.yes, self.no, self.abstain) if isinstance(n, int)]
        return Figures(*three) if len(three) == len(Vote) else None


class PastRollCall(Struct, frozen=True, forbid_unknown_fields=True):
    """A roll call as its source has it.

    Args:
        members: codes of the members of that day, in any order: all of them may vote.
        votes: the answers; who is not in it did not vote.
        voted_on, session, source, record: as in `Imported`.
        outcome: what the source says came of it, None when it does not say.
    """

    id: str
    title: str
    rule: Rule
    members: tuple[str, ...]
    votes: Mapping[str, Vote]
    voted_on: str
    source: str
    record: str
    totals: Totals
    symbol: str | None = None
    session: str = ""
    outcome: Outcome | None = None


class Difference(Struct, frozen=True):
    """What the source says, and what its votes come to."""

    what: str
    said: int | str | None
    computed: int | str


class Taken(NamedTuple):
    """The events of a roll call, the state after them, and why it is not closed."""

    events: tuple[Event, ...]
    state: RollCall
    differences: tuple[Difference, ...]


def roll_of(past: PastRollCall, permanent: tuple[str, ...] = ()) -> RollCallScheduled:
    """The event that announces it, its members in alphabetical order of their names on
    that day."""
    names = {code: name_key(name_on(code, past.voted_on)) for code in past.members}
    members = tuple(sorted(names, key=names.__getitem__))
    return RollCallScheduled(
        title=past.title,
        symbol=past.symbol,
        rule=past.rule,
        members=members,
        entitled=members,
        barred={},
        permanent=permanent,
        called_from=None,
        rehearsal=False,
        reveal=Reveal.LIVE,
        imported=Imported(
            past.voted_on,
            past.session,
            past.source,
            past.record,
            past.totals.figures,
        ),
    )


def take(past: PastRollCall, permanent: tuple[str, ...] = ()) -> Taken:
    """The whole roll call. Raises Refused when the rules do not allow it.

    Votes are in the order of the members, so that the same roll call always comes to
    the same events.
    """
    roll = roll_of(past, permanent)
    order = dict.fromkeys((*roll.members, *past.votes))
    votes = tuple(
        CastVote(code, past.votes[code]) for code in order if code in past.votes
    )
    events: list[Event] = []
    state: RollCall | None = None

    def carry_out(command: Command) -> RollCall:
        now = state
        for event in decide(now, command):
            now = absorb(now, event)
            events.append(event)
        assert now is not None
        return now

    state = carry_out(Schedule(roll))
    for command in (Open(), CastVotes(votes, tuple(range(len(votes)))), Lock()):
        state = carry_out(command)
    differences = _differences(past, state)
    if not differences:
        state = carry_out(Close(Figures(state.yes, state.no, state.abstain)))
    return Taken(tuple(events), state, differences)


def _differences(past: PastRollCall, state: RollCall) -> tuple[Difference, ...]:
    said, counts = past.totals, state.counts
    found = [
        Difference(name, total, getattr(counts, name))
        for name in said.__struct_fields__
        if (total := getattr(said, name)) is not UNSET
        and total != getattr(counts, name)
    ]
    result = outcome(state)
    if past.outcome is not None and past.outcome is not result:
        found.append(Difference("outcome", str(past.outcome), str(result)))
    return tuple(found)
