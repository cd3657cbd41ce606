"""The page's own count of a roll call, against the core's: two programs, written apart,
that must come to the same on every history."""

import json
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tellers_core.codec import LogName, encode, public_event
from tellers_core.events import (
    Event,
    IntentionRecorded,
    RollCallLocked,
    RollCallOpened,
    Vote,
    VoteRecorded,
)
from tellers_core.members import general_assembly
from tellers_core.tally import encode_tally, tally
from tests.pages.test_modules import HERE, find_node
from tests.scenario import AT, EPOCH, closed, projected, recorded_roll_call, scheduled
from tests.strategies import histories, rules

CODES = general_assembly().codes


def case(history: Sequence[Event]) -> dict[str, Any]:
    """The events as published and what the core makes of them."""
    told = json.loads(encode_tally(tally(projected(history), EPOCH)))
    told["verdict"].pop("retracted", None)  # of one update, never of a closing
    return {
        "events": list(published(history)),
        "tally": {name: told[name] for name in ("phase", "counts", "verdict")},
    }


def published(history: Iterable[Event]) -> Iterable[Any]:
    for version, event in enumerate(history, 1):
        template = encode(LogName("ga"), "es-11-1", event, AT)
        entry = template.filled("es-11-1", version, version)
        yield json.loads(public_event(entry, EPOCH))


def collected(
    strategy: st.SearchStrategy[tuple[Event, ...]], number: int
) -> list[dict[str, Any]]:
    """That many histories."""
    cases: list[dict[str, Any]] = []

    @settings(max_examples=number, phases=[Phase.generate], database=None)
    @given(strategy)
    def collect(history: tuple[Event, ...]) -> None:
        # A certificate ends with the closing: intentions come later and decide nothing.
        cases.append(case([e for e in history if not isinstance(e, IntentionRecorded)]))

    collect()
    return cases


@st.composite
def counts(draw: st.DrawFn) -> tuple[Event, ...]:
    """Any answers of any council or assembly under any rule, at any point."""
    size = draw(st.sampled_from([1, 2, 5, 9, 15, 40]))
    members = CODES[:size]
    entitled = members[: draw(st.integers(max(1, size - 2), size))]
    permanent = members[: draw(st.integers(1, min(5, size)))]
    minds = st.sampled_from([Vote.YES, Vote.YES, Vote.NO, Vote.ABSTAIN, None])
    answers = draw(st.lists(minds, min_size=len(entitled), max_size=len(entitled)))
    roll = scheduled(
        draw(rules | st.just("security_council")),  # the rule most unlike the others
        members,
        entitled=entitled,
        permanent=permanent,
    )
    history: tuple[Event, ...] = (
        roll,
        RollCallOpened(),
        *(
            VoteRecorded(code, vote)
            for code, vote in zip(entitled, answers, strict=True)
            if vote is not None
        ),
    )
    end = draw(st.sampled_from(["open", "locked", "closed"]))
    if end == "locked":
        return (*history, RollCallLocked())
    return closed(*history) if end == "closed" else history


def recount(cases: list[dict[str, Any]], folder: Path) -> Any:
    """What the page's count makes of the cases: {"cases", "differences"}."""
    path = folder / "cases.json"
    path.write_text(json.dumps(cases), encoding="utf-8")
    run = subprocess.run(
        [find_node(), HERE / "recount.mjs", path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def test_both_counts_agree_on_every_history(tmp_path: Path) -> None:
    cases = [*collected(histories(), 300), *collected(counts(), 700)]
    assert recount(cases, tmp_path) == {"cases": len(cases), "differences": []}


@pytest.mark.parametrize("name", ["es-11-1", "es-11-3"])
def test_both_counts_agree_after_every_vote_of_a_real_roll_call(
    name: str, tmp_path: Path
) -> None:
    history: list[Event] = [scheduled("two_thirds", CODES), RollCallOpened()]
    cases = []
    for row in recorded_roll_call(name):
        if row.vote is None:
            continue
        history.append(VoteRecorded(row.code, row.vote))
        cases.append(case(history))
    cases.append(case(closed(*history)))
    assert recount(cases, tmp_path) == {"cases": len(cases), "differences": []}


def test_a_count_that_differs_is_noticed(tmp_path: Path) -> None:
    # The oracle itself: without this a script that compares nothing would pass.
    wrong = case(closed(scheduled("simple"), RollCallOpened()))
    wrong["tally"]["verdict"]["margin"] += 1
    (found,) = recount([wrong], tmp_path)["differences"]
    assert found["pointer"] == "/verdict/margin"
