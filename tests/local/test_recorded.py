"""Recorded roll calls are read, checked and named before anything is sent."""

from pathlib import Path

import pytest

from tellers_core.events import Figures, Vote
from tellers_core.majority import Fraction
from tellers_local.failure import Failure
from tellers_local.recorded import (
    Recording,
    chamber_named,
    load,
    own_file,
    parse_rule,
    rule_as_json,
)
from tellers_local.replay import names_for
from tests.scenario import FIXTURES

GA = chamber_named("ga")


def load_one(path: Path, **options: str) -> Recording:
    (recording,) = load([path], GA, None, options.get("roll_call"))
    return recording


@pytest.fixture
def recorded_file(tmp_path: Path) -> Path:
    """A roll call of three delegations that nobody knows."""
    path = tmp_path / "My vote 7.csv"
    path.write_text("vote,delegation\nyes,FRA\nabsent,FJI\nN,NOR\n")
    return path


@pytest.mark.parametrize(
    ("name", "title", "symbol", "figures"),
    [
        ("es-11-1", "Aggression against Ukraine", "A/ES-11/L.1", Figures(141, 5, 35)),
        (
            "es-11-3",
            "Suspension of the rights of membership of the Russian Federation in the "
            "Human Rights Council",
            "A/ES-11/L.4",
            Figures(93, 24, 58),
        ),
    ],
)
def test_what_comes_with_the_package_is_known(
    name: str, title: str, symbol: str, figures: Figures
) -> None:
    recording = load_one(own_file(name))
    assert recording.id == name
    assert (recording.title, recording.symbol) == (title, symbol)
    assert recording.rule == "two_thirds"
    assert recording.figures == figures
    assert (
        own_file(name).read_bytes()
        == (FIXTURES / "roll-calls" / f"{name}.csv").read_bytes()
    )


def test_an_unknown_roll_call_is_named_after_its_file(recorded_file: Path) -> None:
    recording = load_one(recorded_file)
    assert (recording.id, recording.title) == ("my-vote-7", "my-vote-7")
    assert (recording.symbol, recording.rule) == (None, "simple")
    assert recording.votes == [("FRA", Vote.YES), ("NOR", Vote.NO)]
    assert recording.figures == Figures(1, 1, 0)


def test_an_id_and_a_rule_may_be_given(recorded_file: Path) -> None:
    (recording,) = load([recorded_file], GA, "unanimous", "l.1")
    assert (recording.id, recording.rule) == ("l.1", "unanimous")


def test_every_bad_line_of_every_file_is_named(tmp_path: Path) -> None:
    bad, good = tmp_path / "bad.csv", own_file("es-11-1")
    bad.write_text("delegation,vote\nFRA,maybe\nFJI,yes\nXXX,yes\n")
    missing = tmp_path / "missing.csv"
    with pytest.raises(Failure) as failure:
        load([bad, good, missing], GA, None, None)
    lines = str(failure.value).splitlines()
    assert [line.partition(": ")[0] for line in lines] == [
        f"{bad}:2",
        f"{bad}:4",
        str(missing),
    ]


def test_who_is_not_of_the_chamber_is_named_once() -> None:
    with pytest.raises(Failure) as failure:
        load([own_file("es-11-3")], chamber_named("sc"), None, None)
    (line,) = str(failure.value).splitlines()
    assert "es-11-3.csv:3: ALB is not a member of the Security Council" in line


@pytest.mark.parametrize("roll_call", ["", "Caps", "a b", "-x", "a" * 65, "a/b"])
def test_a_bad_id_is_refused(recorded_file: Path, roll_call: str) -> None:
    with pytest.raises(Failure, match="no id"):
        load([recorded_file], GA, None, roll_call)


def test_one_id_is_not_for_two_files(recorded_file: Path) -> None:
    with pytest.raises(Failure, match="one file"):
        load([recorded_file, recorded_file], GA, None, "x")


def test_a_veto_needs_permanent_members(recorded_file: Path) -> None:
    with pytest.raises(Failure, match="permanent"):
        load([recorded_file], GA, "security_council", None)


def test_a_rule_is_a_name_or_a_fraction() -> None:
    assert parse_rule("two_thirds") == "two_thirds"
    text = '{"fraction":"3/5","of":"members"}'
    assert parse_rule(text) == Fraction("3/5", "members")
    assert rule_as_json(parse_rule(text)) == {
        "fraction": "3/5",
        "of": "members",
        "strict": False,
    }


@pytest.mark.parametrize("text", ["most", "", "{", '{"fraction":"5/3","of":"members"}'])
def test_what_is_no_rule_is_refused(text: str) -> None:
    with pytest.raises(Failure, match="is no rule"):
        parse_rule(text)


def test_an_unknown_chamber_is_refused() -> None:
    with pytest.raises(Failure, match="ga, sc"):
        chamber_named("lords")


def test_the_next_free_id_is_numbered_and_not_too_long() -> None:
    assert names_for("es-11-1")[:3] == ["es-11-1", "es-11-1.2", "es-11-1.3"]
    assert max(map(len, names_for("a" * 64))) == 64
