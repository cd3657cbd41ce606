"""What the gateway makes of a roll call that was recorded long after it was taken."""

import pytest

from tellers_core.events import Event, Imported, RollCallOpened
from tellers_core.roll_call import Phase
from tellers_core.tally import tally
from tellers_gateway.detail import detail
from tellers_gateway.feed import TallyFeed
from tellers_gateway.flat import flat_row, vote_rows
from tellers_gateway.moments import moments
from tellers_gateway.words import Words
from tests.scenario import EPOCH, LOCKED, closed, projected, recorded, scheduled, votes

IMPORTED = Imported("1980-05-01", "34", "undl", "9", None)
MEMBERS = ("BFA", "CSK", "RUS", "USA")
BEGUN: tuple[Event, ...] = (
    scheduled(members=MEMBERS, imported=IMPORTED),
    RollCallOpened(),
    *votes(yes="BFA CSK RUS", no="USA"),
)
HISTORY = closed(*BEGUN)


def test_its_members_have_the_names_of_the_day() -> None:
    full = detail(recorded(HISTORY))
    assert [line.name for line in full.members] == [
        "Upper Volta",
        "Czechoslovakia",
        "Union of Soviet Socialist Republics",
        "United States of America",
    ]
    assert [line.iso2 for line in full.members] == ["BF", None, "RU", "US"]
    assert full.members[1].group == "Eastern European Group"
    assert [line.name for line in full.votes][1] == "Czechoslovakia"
    french = detail(recorded(HISTORY), "fr")
    assert french.members[1].name == "Tchécoslovaquie"


def test_its_result_is_its_only_moment() -> None:
    (only,) = moments(recorded(HISTORY), Words("en"))
    assert only.kind == "closed"
    assert "1 against (United States of America)" in only.headline
    live = (scheduled(members=MEMBERS), *HISTORY[1:])
    kinds = {moment.kind for moment in moments(recorded(live), Words("en"))}
    assert {"opened", "permanent", "first_no", "closed"} <= kinds


def test_exports_have_the_day_of_the_vote_and_say_that_the_rule_is_assumed() -> None:
    told, full = tally(projected(HISTORY), EPOCH), detail(recorded(HISTORY))
    row = flat_row(told, full, Words("en"))
    assert row["occurred_at"] == "1980-05-01"
    assert row["published_at"] == told.at
    assert "assumed" in str(row["majority_rule"])
    assert {row["date"] for row in vote_rows(told, full, Words("en"))} == {"1980-05-01"}


@pytest.mark.parametrize("imported", [IMPORTED, None])
def test_one_that_could_not_be_closed_is_nothing_that_runs(
    imported: Imported | None,
) -> None:
    history = (scheduled(members=MEMBERS, imported=imported), *LOCKED[1:])
    locked = tally(projected(history), EPOCH)
    assert locked.phase is Phase.LOCKED
    feed = TallyFeed(EPOCH, 0, [locked])
    runs = [update.tally.roll_call for update in feed.standing(None)]
    assert bool(runs) is (imported is None)


def test_it_is_published_only_when_nobody_could_still_be_voting() -> None:
    def public(*history: Event) -> bool:
        return tally(projected(history), EPOCH).is_public

    assert not public(*BEGUN[:1])
    assert not public(*BEGUN)
    assert public(*HISTORY)
    assert public(scheduled(), RollCallOpened())
