"""Files of roll calls of the past, in the formats of their publishers."""

from itertools import islice
from pathlib import Path

import pytest

from tellers_core.errors import Problem
from tellers_core.events import Outcome, Vote
from tellers_core.history import MAX_PROBLEMS, Reading, is_history, read_history
from tellers_core.past import PastRollCall, Totals, take
from tests.past import generated, undl, voeten, vote_on

FIXTURES = Path(__file__).parents[1] / "fixtures" / "history"
GOOD = (FIXTURES / "undl.csv").read_text(encoding="utf-8")
HEADER, *LINES = GOOD.splitlines()


def read(text: str, rule: str | None = None, source: str | None = None) -> Reading:
    return read_history(text.splitlines(keepends=True), rule, source)  # type: ignore[arg-type]


def with_line(number: int, old: str, new: str) -> Reading:
    """The good file, but for that line."""
    lines = [HEADER, *LINES]
    assert old in lines[number - 1]
    lines[number - 1] = lines[number - 1].replace(old, new)
    return read("\n".join(lines))


def roll_calls(reading: Reading) -> list[PastRollCall]:
    assert reading.problems == ()
    return [one.past for one in reading.roll_calls]


def test_the_library_s_file_is_read_in_the_order_of_the_days() -> None:
    reading = read(GOOD)
    assert reading.source == "undl"
    assert [one.line for one in reading.roll_calls] == [9, 2]
    first, second = roll_calls(reading)
    assert first == PastRollCall(
        id="a-res-66-i",
        title="A made-up question of the first session",
        rule="simple",
        members=("FRA", "EGY", "YUG"),
        votes={"FRA": Vote.NO, "EGY": Vote.YES, "YUG": Vote.YES},
        voted_on="1946-12-11",
        source="undl",
        record="700001",
        totals=Totals(yes=2, no=1, abstain=0, not_voting=0, members=3),
        symbol="A/RES/66(I)",
        session="1",
        outcome=Outcome.ADOPTED,
    )
    assert second.id == "a-res-41-31"
    assert second.title == "Judgment of the Court, 27 June 1986"
    assert second.members == ("AFG", "BFA", "CSK", "DDR", "RUS", "TUR", "USA")
    assert "DDR" not in second.votes
    assert all(take(past).differences == () for past in (first, second))


def test_voetens_file_is_read_with_the_rule_that_is_said() -> None:
    text = (FIXTURES / "voeten.csv").read_text(encoding="utf-8")
    first, second = roll_calls(read(text, "two_thirds"))
    assert first == PastRollCall(
        id="voeten-3",
        title="TO ADOPT A MADE-UP AMENDMENT",
        rule="two_thirds",
        members=("USA", "RUS", "YUG", "EGY", "CHN"),
        votes={
            "USA": Vote.YES,
            "RUS": Vote.NO,
            "YUG": Vote.ABSTAIN,
            "EGY": Vote.YES,
        },
        voted_on="1946-01-01",
        source="voeten",
        record="3",
        totals=Totals(yes=2, no=1, abstain=1),
        symbol="R/1/66",
        session="1",
    )
    assert second.members == ("SRB",)
    assert second.title == "R/57/50"
    assert take(first).differences == ()


def test_voetens_file_asks_for_a_rule() -> None:
    (problem,) = read((FIXTURES / "voeten.csv").read_text()).problems
    assert problem.where == 1
    assert "give --rule" in problem.detail


@pytest.mark.parametrize("write", [undl, voeten])
def test_what_was_written_is_read_again(write: object) -> None:
    votes = list(islice(generated(4), 4))
    assert callable(write)
    found = roll_calls(read(write(votes), "simple"))
    assert [one.voted_on for one in found] == [vote.day for vote in votes]
    for past, vote in zip(found, votes, strict=True):
        assert set(past.members) == set(vote.answers)
        assert take(past).differences == ()


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_bom_line_ends_blank_lines_order_and_other_columns_mean_nothing(
    newline: str,
) -> None:
    shuffled = [HEADER, *LINES[::-1], "", ""]
    found = read("\ufeff" + newline.join(shuffled))
    assert {one.past.id for one in found.roll_calls} == {"a-res-66-i", "a-res-41-31"}


def test_a_title_of_several_lines_is_one_line_and_lines_are_counted() -> None:
    text = GOOD.replace("Judgment of the Court", "Judgment\n of  the\tCourt")
    reading = read(text.replace("700001,YUG,YUGOSLAVIA,Y", "700001,YUG,YUGOSLAVIA,Q"))
    # Seven lines of the file have one more line end in them.
    assert [problem.where for problem in reading.problems] == [11 + 7]
    assert roll_calls(read(text))[1].title == "Judgment of the Court, 27 June 1986"


BAD_LINES = [
    (3, ",Y,", ",Z,", "'Z' is no ms_vote; allowed: Y, N, A, X"),
    (3, "BFA,BURKINA FASO", "ZZZ,ATLANTIS", "ZZZ ATLANTIS is no member"),
    (3, "BFA,BURKINA FASO", "FRA,GERMANY", "FRA is not GERMANY"),
    (3, "BFA,BURKINA FASO", "AFG,AFGHANISTAN", "AFG is there already"),
    (3, ",4,1,1,1,7,", ",5,1,1,1,7,", "total_yes is '5', but '4' in line 2"),
    (3, "1986-11-03", "1986-11-04", "date is '1986-11-04', but '1986-11-03' in"),
    (3, ",https", ",more,https", "21 columns where the header has 20"),
    (9, "1946-12-11", "11/12/1946", "date: '11/12/1946' is no day such as 1974-"),
    (9, ",2.0,", ",two,", "total_yes: 'two' is no number of delegations"),
    (9, "700001,", ",", "undl_id is empty"),
]


@pytest.mark.parametrize(("number", "old", "new", "detail"), BAD_LINES)
def test_a_bad_line_is_named_and_nothing_is_read(
    number: int, old: str, new: str, detail: str
) -> None:
    reading = with_line(number, old, new)
    assert reading.roll_calls == ()
    assert reading.problems[0].where == number
    assert detail in reading.problems[0].detail


def test_every_bad_line_is_named() -> None:
    reading = read(GOOD.replace(",Y,", ",?,"))
    lines = [n for n, line in enumerate(GOOD.splitlines(), 1) if ",Y," in line]
    assert [problem.where for problem in reading.problems] == lines


def test_a_file_of_bad_lines_only_is_not_read_to_its_end() -> None:
    votes = [vote_on("2020-01-01", number) for number in range(1, 8)]
    text = undl(votes).replace(",Y,", ",?,").replace(",N,", ",?,")
    assert len(read(text).problems) <= MAX_PROBLEMS + 1


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("", "the file is empty"),
        (HEADER, "there is no roll call in it"),
        ("a,b\n1,2", "the header lacks columns (undl: undl_id"),
        (HEADER + ",undl_id\n", "the column undl_id is there twice"),
        (HEADER + '\n1,"FRA\n', "not CSV"),
    ],
)
def test_a_file_that_is_none_says_so(text: str, detail: str) -> None:
    (problem,) = read(text).problems
    assert detail in problem.detail


@pytest.mark.parametrize(
    ("header", "is_one"),
    [
        ("undl_id,ms_vote\n", True),
        ("\ufeffUNDL_ID;x, Ms_Vote ,undl_id", True),
        ("rcid,ccode,vote\r\n", True),
        ("delegation,vote\n", False),
        ("a\0b", False),
        ("x" * 200_000, False),  # longer than any field may be
        ("", False),
    ],
)
def test_a_history_is_known_by_its_header(header: str, is_one: bool) -> None:
    assert is_history(header) is is_one


def test_the_format_can_be_said() -> None:
    assert roll_calls(read(GOOD, source="undl"))
    (problem,) = read(GOOD, "simple", source="voeten").problems
    assert problem == Problem(1, "the header lacks columns (voeten: rcid, ccode, vote)")


def test_a_total_that_is_missing_cannot_be_confirmed() -> None:
    text = GOOD.replace(",2.0,1.0,0.0,0.0,3.0,", ",2.0,1.0,,0.0,3.0,")
    past = roll_calls(read(text))[0]
    (difference,) = take(past).differences
    assert (difference.what, difference.said) == ("abstain", None)


def test_a_name_that_no_table_knows_is_told_where_the_code_is_known() -> None:
    reading = read(GOOD.replace("EGY,EGYPT", "EGY,EG?PT"))
    assert reading.passed_over == {"EG?PT (EGY)": 10}
    assert roll_calls(reading)


def test_two_votes_on_one_symbol_get_their_numbers_too() -> None:
    votes = [vote_on("2020-01-01", number, symbol="A/RES/74/1") for number in (7, 8)]
    found = roll_calls(read(undl(votes)))
    assert [one.id for one in found] == ["a-res-74-1.7", "a-res-74-1.8"]


def test_a_symbol_can_be_long_or_none_at_all() -> None:
    votes = [
        vote_on("2020-01-01", 1, symbol="A/RES/" + "X" * 100),
        vote_on("2020-01-02", 2, symbol=""),
        vote_on("2020-01-03", 3, symbol="A/RES/181(II)[A-B]"),
    ]
    found = roll_calls(read(undl(votes)))
    assert len(found[0].id) <= 64
    assert found[1].id == "undl-2"
    assert found[1].symbol is None
    assert found[2].id == "a-res-181-ii-a-b"
