"""A roll call of the past: the way of every other, closed when its source agrees."""

import pytest
from msgspec import UNSET
from msgspec.structs import replace

from tellers_core.errors import BadRequest
from tellers_core.events import (
    Counts,
    Figures,
    Imported,
    Outcome,
    RollCallClosed,
    RollCallLocked,
    RollCallOpened,
    RollCallScheduled,
    Vote,
    VoteRecorded,
)
from tellers_core.past import Difference, PastRollCall, Total, Totals, take
from tellers_core.roll_call import Phase, RollCall, replay

PAST = PastRollCall(
    id="a-res-41-31",
    title="A question",
    rule="simple",
    members=("USA", "TUR", "CSK", "BFA"),
    votes={"USA": Vote.NO, "CSK": Vote.YES, "BFA": Vote.YES},
    voted_on="1984-01-01",
    source="undl",
    record="700002",
    totals=Totals(yes=2, no=1, abstain=0, not_voting=1, members=4),
    session="38",
    outcome=Outcome.ADOPTED,
)


def test_it_is_scheduled_opened_voted_locked_and_closed() -> None:
    scheduled, opened, *votes, locked, closed = take(PAST).events
    assert isinstance(scheduled, RollCallScheduled)
    assert scheduled.imported == Imported(
        "1984-01-01", "38", "undl", "700002", Figures(2, 1, 0)
    )
    assert opened == RollCallOpened()
    # In alphabetical order of the names then: BFA is Upper Volta.
    assert scheduled.members == ("CSK", "TUR", "USA", "BFA")
    assert votes == [
        VoteRecorded("CSK", Vote.YES),
        VoteRecorded("USA", Vote.NO),
        VoteRecorded("BFA", Vote.YES),
    ]
    assert locked == RollCallLocked()
    assert closed == RollCallClosed(
        Counts(2, 1, 0, 1, 4, 4), Outcome.ADOPTED, Figures(2, 1, 0)
    )


def test_its_events_replay_to_its_state() -> None:
    events, state, differences = take(PAST)
    assert replay(events) == state
    assert differences == ()
    assert state.phase is Phase.CLOSED


@pytest.mark.parametrize(
    ("name", "said", "computed"),
    [
        ("yes", 3, 2),
        ("no", 0, 1),
        ("abstain", 5, 0),
        ("not_voting", 0, 1),
        ("members", 5, 4),
        ("yes", None, 2),
    ],
)
def test_one_whose_source_counts_otherwise_stays_locked(
    name: str, said: int | None, computed: int
) -> None:
    past = replace(PAST, totals=replace(PAST.totals, **{name: said}))
    events, state, differences = take(past)
    assert differences == (Difference(name, said, computed),)
    assert state.phase is Phase.LOCKED
    assert not any(isinstance(event, RollCallClosed) for event in events)


def test_what_the_source_does_not_count_is_not_compared() -> None:
    unknown: Total = UNSET
    totals = replace(PAST.totals, not_voting=unknown, members=unknown)
    assert take(replace(PAST, totals=totals)).differences == ()
    assert Totals().figures is None


def test_one_that_was_adopted_cannot_be_rejected_here() -> None:
    _, state, differences = take(replace(PAST, rule="two_thirds_of_members"))
    assert differences == (Difference("outcome", "adopted", "rejected"),)
    assert state.phase is Phase.LOCKED


def test_the_rules_are_those_of_every_roll_call() -> None:
    with pytest.raises(BadRequest):
        take(replace(PAST, rule="security_council"))
    with pytest.raises(BadRequest):
        take(replace(PAST, votes={"FRA": Vote.YES}))


def test_the_order_of_the_members_in_the_file_means_nothing() -> None:
    def state(past: PastRollCall) -> RollCall:
        return take(past).state

    assert state(replace(PAST, members=PAST.members[::-1])) == state(PAST)
