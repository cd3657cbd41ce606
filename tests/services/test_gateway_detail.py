"""A roll call in full, from its events. Pure."""

import pytest

from tellers_core.errors import CorruptHistory
from tellers_core.events import (
    Counts,
    Event,
    Figures,
    IntentionRecorded,
    Outcome,
    RollCallClosed,
    RollCallOpened,
    Vote,
    VoteChanged,
    VoteRecorded,
    VoteWithdrawn,
)
from tellers_gateway.detail import Detail, detail, name_of
from tests.scenario import AT, SIX, recorded, scheduled

YES, NO, ABSTAIN = Vote.YES, Vote.NO, Vote.ABSTAIN
BARRED = {"ZMB": "Charter Article 19"}


def full(*events: Event, language: str = "en") -> Detail:
    """A roll call of six, one of them barred, after these events."""
    return detail(
        recorded((scheduled(barred=BARRED), RollCallOpened(), *events)), language
    )


def test_votes_stand_in_the_chambers_order_not_in_that_of_voting() -> None:
    votes = full(
        VoteRecorded("RUS", NO), VoteRecorded("FJI", YES), VoteRecorded("FRA", ABSTAIN)
    ).votes
    assert [(v.delegation, v.vote, v.seq, v.changed) for v in votes] == [
        ("FJI", YES, 4, False),
        ("FRA", ABSTAIN, 5, False),
        ("RUS", NO, 3, False),
    ]


def test_not_voting_are_the_entitled_without_a_vote() -> None:
    assert full(VoteRecorded("FRA", YES)).not_voting == ["FJI", "NOR", "PER", "RUS"]
    assert full().not_voting == ["FJI", "FRA", "NOR", "PER", "RUS"]


def test_the_barred_are_named_with_their_reason_and_are_not_not_voting() -> None:
    found = full()
    assert found.barred == BARRED
    assert "ZMB" not in found.not_voting
    assert [(m.delegation, m.entitled) for m in found.members] == [
        (code, code != "ZMB") for code in SIX
    ]


def test_a_changed_vote_says_so_and_where() -> None:
    (vote,) = full(VoteRecorded("FJI", NO), VoteChanged("FJI", YES, NO)).votes
    assert (vote.vote, vote.seq, vote.changed) == (YES, 4, True)


def test_a_withdrawn_vote_is_gone_and_counts_as_changed_when_cast_again() -> None:
    history = (VoteRecorded("FJI", NO), VoteWithdrawn("FJI", NO))
    gone = full(*history)
    assert gone.votes == []
    assert "FJI" in gone.not_voting
    (again,) = full(*history, VoteRecorded("FJI", NO)).votes
    assert (again.vote, again.seq, again.changed) == (NO, 5, True)


def test_the_result_is_what_was_proclaimed() -> None:
    counts = Counts(1, 0, 0, 4, 5, 6)
    found = full(
        VoteRecorded("FJI", YES),
        RollCallClosed(counts, Outcome.ADOPTED, Figures(1, 0, 0)),
    )
    assert found.result is not None
    assert found.result.outcome is Outcome.ADOPTED
    assert found.result.counts == counts
    assert found.result.announced == Figures(1, 0, 0)
    assert (found.result.seq, found.result.at) == (4, AT)
    assert full().result is None


def test_an_intention_is_told_beside_the_vote_the_last_one_of_each() -> None:
    counts = Counts(0, 0, 0, 5, 5, 6)
    found = full(
        RollCallClosed(counts, Outcome.REJECTED, None),
        IntentionRecorded("PER", YES, None),
        IntentionRecorded("FJI", NO, "pressed the wrong button"),
        IntentionRecorded("PER", ABSTAIN, None),
    )
    assert found.votes == []
    assert [(i.delegation, i.vote, i.note, i.seq) for i in found.intentions] == [
        ("FJI", NO, "pressed the wrong button", 5),
        ("PER", ABSTAIN, None, 6),
    ]


def test_names_are_in_the_language_asked_for() -> None:
    vote = VoteRecorded("NOR", YES)
    assert full(vote).votes[0].name == "Norway"
    assert full(vote, language="fr").votes[0].name == "Norvège"
    assert name_of("XXX", "en") == "XXX"


def test_a_history_without_its_beginning_is_refused() -> None:
    with pytest.raises(CorruptHistory):
        detail(recorded((RollCallOpened(),)))
