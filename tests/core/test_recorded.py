"""Recorded roll calls: what can be read is read, and every bad line is named."""

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from tellers_core.errors import BadRequest, Problem
from tellers_core.events import Vote
from tellers_core.members import LANGUAGES, all_members
from tellers_core.recorded import MAX_ROWS, Row, parse_csv, read_csv
from tests.scenario import FIXTURES, recorded_roll_call


def bad_lines(text: bytes | str) -> dict[int, str]:
    with pytest.raises(BadRequest) as refused:
        parse_csv(text)
    return {int(p.where): p.detail for p in refused.value.errors}


@pytest.mark.parametrize("name", ["es-11-1", "es-11-3"])
def test_the_recorded_files_are_read_by_their_names(name: str) -> None:
    rows = parse_csv((FIXTURES / "roll-calls" / f"{name}.csv").read_bytes())
    assert [(row.line, row.delegation, row.vote) for row in rows] == [
        (row.number + 1, row.code, row.vote) for row in recorded_roll_call(name)
    ]


def test_es_11_1_has_its_figures() -> None:
    rows = parse_csv((FIXTURES / "roll-calls" / "es-11-1.csv").read_bytes())
    votes = [row.vote for row in rows]
    counted = [votes.count(vote) for vote in (Vote.YES, Vote.NO, Vote.ABSTAIN, None)]
    assert counted == [141, 5, 35, 12]


@pytest.mark.parametrize(
    ("written", "vote"),
    [
        ("yes", Vote.YES),
        ("YES", Vote.YES),
        ("y", Vote.YES),
        ("Y", Vote.YES),
        (" No ", Vote.NO),
        ("N", Vote.NO),
        ("Abstain", Vote.ABSTAIN),
        ("a", Vote.ABSTAIN),
        ("absent", None),
        ("X", None),
        ("", None),
        ("  ", None),
    ],
)
def test_a_vote_may_be_written_in_these_ways(written: str, vote: Vote | None) -> None:
    assert parse_csv(f"delegation,vote\nFRA,{written}") == (Row(2, "FRA", vote),)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
@pytest.mark.parametrize("last", [True, False])
def test_line_ends_and_the_bom_do_not_matter(end: str, bom: str, last: bool) -> None:
    text = bom + end.join(["delegation,vote", "FRA,yes", "", "PER,no"]) + end * last
    rows = (Row(2, "FRA", Vote.YES), Row(4, "PER", Vote.NO))
    assert parse_csv(text) == parse_csv(text.encode()) == rows


def test_columns_come_in_any_order_and_others_are_ignored() -> None:
    text = 'Remark, VOTE ,Name,iso3\n"a, ""b""\nc",no,Iran (Islamic Republic of),FRA\n'
    text += ",yes,PÉROU,\n"
    assert parse_csv(text) == (Row(2, "IRN", Vote.NO), Row(4, "PER", Vote.YES))


def test_every_name_of_every_member_is_known() -> None:
    for language in LANGUAGES:
        lines = [f'"{member.names[language]}",yes' for member in all_members().values()]
        rows = parse_csv("\n".join(["name,vote", *lines]))
        assert [row.delegation for row in rows] == list(all_members())


def test_a_code_and_a_name_may_stand_together() -> None:
    text = "delegation,name,vote\nFRA,La Belle France,yes\nPER,,no\n,Norway,a"
    assert [row.delegation for row in parse_csv(text)] == ["FRA", "PER", "NOR"]


BAD = {
    "FRA": "1 columns where the header has 2",
    "FRA,yes,": "3 columns where the header has 2",
    "FRA,maybe": "'maybe' is no vote; allowed: yes, no, abstain, absent, Y, N, A, X",
    "FRA,yes no": "'yes no' is no vote; allowed: yes, no, abstain, absent, Y, N, A, X",
    "FRA,ye\0s": "a NUL byte",
    "FR\0,yes": "a NUL byte",
    ",yes": "names no delegation",
    "fra,yes": "'fra' is no member's code (ISO 3166-1 alpha-3, upper case)",
    "XXX,": "'XXX' is no member's code (ISO 3166-1 alpha-3, upper case)",
    "FRÀ,yes": "'FRÀ' is no member's code (ISO 3166-1 alpha-3, upper case)",
    '"FRA"x,yes': "not CSV: ',' expected after '\"'",
    "NOR,no": "NOR stands already in line 2",
    "NOR,": "NOR stands already in line 2",
}


@pytest.mark.parametrize(("line", "detail"), BAD.items())
def test_a_bad_line_is_named(line: str, detail: str) -> None:
    assert bad_lines(f"delegation,vote\nNOR,yes\n{line}\nPER,no\n") == {3: detail}


def test_all_bad_lines_are_named_at_once() -> None:
    lines = ["delegation,vote", "NOR,yes", *BAD, "PER,no"]
    assert bad_lines("\n".join(lines)) == dict(enumerate(BAD.values(), 3))


@pytest.mark.parametrize(
    ("line", "detail"),
    [
        ("FRA,Peru,yes", "FRA is not 'Peru', which is PER"),
        (",Atlantis,yes", "'Atlantis' is no member's name"),
        (",,yes", "names no delegation"),
    ],
)
def test_a_name_is_never_guessed(line: str, detail: str) -> None:
    assert bad_lines(f"delegation,name,vote\n{line}") == {2: detail}


def test_one_delegation_under_two_names_is_still_one() -> None:
    text = "name,vote\nBolivia,yes\nBolivia (Plurinational State of),no"
    assert bad_lines(text) == {3: "BOL stands already in line 2"}


@pytest.mark.parametrize(
    ("text", "line", "word"),
    [
        ("", 1, "empty"),
        ("\ufeff", 1, "empty"),
        ("\n\n", 1, "empty"),
        ("FRA,yes\n", 1, "header"),
        ("vote\nyes\n", 1, "header"),
        ("delegation\nFRA\n", 1, "header"),
        ("delegation;vote\nFRA;yes\n", 1, "commas"),
        ("delegation,vote,Vote\nFRA,yes,no\n", 1, "twice"),
        (b"delegation,vote\nFRA,yes\nCIV,y\xe9s\n", 3, "UTF-8"),
        (b"\xff\xfed\0e\0", 1, "UTF-8"),
        ('delegation,vote\nFRA,"yes\nPER,no\n', 2, "not CSV"),
        ("delegation,vote\n" + "x" * 200_000, 2, "not CSV"),
    ],
)
def test_what_cannot_be_read_says_why(text: bytes | str, line: int, word: str) -> None:
    assert word in bad_lines(text)[line]


def test_a_file_that_is_no_roll_call_has_an_end() -> None:
    found = bad_lines("delegation,vote\n" + "FRA,no\n" * (MAX_ROWS * 10))
    assert len(found) == MAX_ROWS  # the first FRA is good, the last is one too many
    assert found[MAX_ROWS + 2] == f"more than {MAX_ROWS} lines: no roll call"
    broken = "delegation,vote\n" + '"FRA"!,no\n' * 9000
    assert len(bad_lines(broken)) == MAX_ROWS + 1


def test_good_lines_are_kept_beside_the_bad() -> None:
    assert read_csv("delegation,vote\nFRA,?\nPER,no\n") == (
        (Row(3, "PER", Vote.NO),),
        (Problem(2, "'?' is no vote; allowed: yes, no, abstain, absent, Y, N, A, X"),),
    )


@for_all(st.binary(max_size=200), st.sampled_from([b"", b"delegation,name,vote\n"]))
def test_any_bytes_are_read_or_refused(data: bytes, header: bytes) -> None:
    _, problems = read_csv(header + data)
    assert all(isinstance(p.where, int) and p.where >= 1 for p in problems)


@for_all(st.text(alphabet='FRAyesno,"\r\n\0 \ud800é', max_size=80))
def test_each_delegation_is_read_once(text: str) -> None:
    rows, problems = read_csv("delegation,vote\n" + text)
    assert len({row.delegation for row in rows}) == len(rows)
    assert {row.line for row in rows}.isdisjoint(p.where for p in problems)
