"""What a terminal says of a tally."""

import io

import pytest
from msgspec.structs import replace
from rich.console import Console

from tellers_client import State
from tellers_core.events import Event, Vote, VoteChanged
from tellers_core.tally import Held, Tally, tally
from tellers_local.watch import paint
from tellers_local.words import line, path_to_majority, rule_in_words
from tests.scenario import EPOCH, SCHEDULED, closed, projected, result


def tally_of(events: tuple[Event, ...]) -> Tally:
    return tally(projected(events), EPOCH)


RUNNING = tally_of(result(120, 5, 30, "two_thirds"))
CLINCHED = result(141, 5, 35, "two_thirds")


def painted(shown: Tally | None, state: State = State.LIVE) -> str:
    console = Console(file=io.StringIO(), width=100)
    console.print(paint(shown, state))
    output = console.file
    assert isinstance(output, io.StringIO)
    return output.getvalue()


def test_a_result_is_one_line() -> None:
    assert line(tally_of(closed(*CLINCHED))) == (
        "es-11-1 closed: 141-5-35 (yes-no-abstain), 12 not voting, "
        "two thirds: adopted (141 >= 2 x 5)"
    )


@pytest.mark.parametrize(
    ("events", "words"),
    [
        (SCHEDULED, "no yes and no no yet"),
        (result(2, 1, 0), "would be adopted now"),
        (result(1, 2, 0), "would be rejected now"),
        (result(2, 2, 0), "tied"),
        (CLINCHED, "certain to be adopted"),
        (result(20, 150, 0), "cannot be adopted any more"),
        (closed(*result(1, 2, 0)), "rejected"),
    ],
)
def test_the_verdict_is_in_words(events: tuple[Event, ...], words: str) -> None:
    assert words in line(tally_of(events))


def test_the_path_to_the_majority_counts_who_is_still_to_vote() -> None:
    near = tally_of(result(60, 5, 30, "two_thirds"))
    wanted = near.verdict.to_clinch
    assert path_to_majority(near) == (
        f"certain with {wanted} more yes of the 98 still to vote"
    )
    assert path_to_majority(tally_of(closed(*CLINCHED))) is None
    assert path_to_majority(tally_of(result(20, 150, 0))) is None


def test_what_is_held_is_never_overlooked() -> None:
    held = replace(RUNNING, held=Held(158, "unknown event type"))
    assert "HELD since event 158: unknown event type" in line(held)
    assert "HELD since event 158" in painted(held)


def test_a_verdict_taken_back_is_told_with_its_cause() -> None:
    events = (*result(129, 64, 0, "two_thirds"), VoteChanged("AFG", Vote.NO, Vote.YES))
    was = tally_of(result(129, 64, 0, "two_thirds"))
    assert was.verdict.status == "clinched"
    assert "TAKEN BACK: it was clinched, undone by vote.changed AFG" in line(
        tally_of(events)
    )


def test_the_picture_has_counts_verdict_and_path() -> None:
    text = painted(tally_of(result(60, 5, 30, "two_thirds")))
    for wanted in ("A/ES-11/L.1", "60", "98", "two thirds required", "still to vote"):
        assert wanted in text
    assert "STALE" not in text


def test_a_picture_that_is_not_live_says_so() -> None:
    assert "STALE" in painted(RUNNING, State.STALE)
    assert "waiting for the gateway" in painted(None, State.CONNECTING)


def test_a_title_is_text_and_no_markup() -> None:
    assert "[red]x[/red]" in painted(replace(RUNNING, title="[red]x[/red]"))


def test_rules_are_words() -> None:
    assert rule_in_words("two_thirds_of_members") == "two thirds of members"
