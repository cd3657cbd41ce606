"""Recorded roll calls as CSV: one line a delegation, every bad line named.

    delegation,vote          name,vote                iso3,name,vote
    FRA,yes                  France,Y                 FRA,France,yes
    CHN,                     "Congo, Rep. of",x       (iso3 is ignored)

UTF-8 with or without BOM, any line ends, quoted fields. The header is line 1. Columns
in any order, others ignored: `delegation` (alpha-3) or `name` (see `members.code_of`),
and `vote`: yes, no, abstain, absent, Y, N, A, X in any case; blank is absent. Nothing
is guessed: a name that is not known is a bad line. Beside a code it is ignored, as
other columns are; one that is known to be another's contradicts the code.
"""

import csv
import io
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from tellers_core.errors import BadRequest, Problem
from tellers_core.events import Vote
from tellers_core.members import all_members, code_of

# Five times the largest assembly: whatever is longer is not one roll call, and a list
# of its faults would help nobody.
MAX_ROWS = 1000

VOTES: Mapping[str, Vote | None] = {
    "yes": Vote.YES,
    "y": Vote.YES,
    "no": Vote.NO,
    "n": Vote.NO,
    "abstain": Vote.ABSTAIN,
    "a": Vote.ABSTAIN,
    "absent": None,
    "x": None,
    "": None,
}
USED = ("delegation", "name", "vote")


class Row(NamedTuple):
    """A line of a recorded roll call; `vote` is None for an absent delegation."""

    line: int
    delegation: str
    vote: Vote | None


class Parsed(NamedTuple):
    """The good lines and the bad ones, each in the file's order."""

    rows: tuple[Row, ...]
    problems: tuple[Problem, ...]


class _Line(NamedTuple):
    number: int
    fields: list[str]


def parse_csv(text: bytes | str) -> tuple[Row, ...]:
    """The rows of a recorded roll call.

    Raises BadRequest naming every bad line.
    """
    rows, problems = read_csv(text)
    if problems:
        raise BadRequest("the recorded roll call has bad lines", problems)
    return rows


def read_csv(text: bytes | str) -> Parsed:
    """What of a recorded roll call can be read, and what is wrong with the rest."""
    problems: list[Problem] = []
    rows: list[Row] = []
    try:
        lines = _lines(_decoded(text), problems)
        header = next(lines, None)
        if header is None:
            raise _Unreadable(1, "the file is empty: a header is required")
        columns = _columns(header)
        rows.extend(_rows(lines, columns, len(header.fields), problems))
    except _Unreadable as unreadable:
        problems.append(Problem(unreadable.line, unreadable.detail))
    return Parsed(tuple(rows), tuple(problems))


class _Unreadable(Exception):
    """Nothing after this line can be understood."""

    def __init__(self, line: int, detail: str) -> None:
        super().__init__(detail)
        self.line = line
        self.detail = detail


def _decoded(text: bytes | str) -> str:
    try:
        decoded = text.decode() if isinstance(text, bytes) else text
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        bad = error.object[error.start]
        raise _Unreadable(
            line, f"byte {bad:#04x} is not UTF-8: save the file as UTF-8"
        ) from error
    return decoded.removeprefix("\ufeff")


def _lines(text: str, problems: list[Problem]) -> Iterator[_Line]:
    """Lines that are not blank; a quoted field may span several, the first counts."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    while True:
        number = reader.line_num + 1
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            problems.append(Problem(number, f"not CSV: {error}"))
            _check_length(len(problems), number)
            continue
        if any(fields):
            yield _Line(number, fields)


def _check_length(count: int, number: int) -> None:
    if count > MAX_ROWS:
        raise _Unreadable(number, f"more than {MAX_ROWS} lines: no roll call")


def _columns(header: _Line) -> dict[str, int]:
    """Where the columns stand that are used."""
    number, fields = header
    names = [field.strip().casefold() for field in fields]
    for name in USED:
        if names.count(name) > 1:
            raise _Unreadable(number, f"the column {name} is there twice")
    columns = {name: names.index(name) for name in USED if name in names}
    if "vote" not in columns or len(columns) == 1:
        found = ",".join(fields)[:80]
        raise _Unreadable(
            number,
            "the header must name vote and delegation or name, separated by commas; "
            f"it is {found!r}",
        )
    return columns


def _rows(
    lines: Iterator[_Line],
    columns: Mapping[str, int],
    width: int,
    problems: list[Problem],
) -> Iterator[Row]:
    first: dict[str, int] = {}
    for count, (number, fields) in enumerate(lines, 1):
        _check_length(count, number)
        try:
            row = _row(number, fields, columns, width)
        except ValueError as error:
            problems.append(Problem(number, str(error)))
            continue
        if row.delegation in first:
            at = first[row.delegation]
            detail = f"{row.delegation} stands already in line {at}"
            problems.append(Problem(number, detail))
            continue
        first[row.delegation] = number
        yield row


def _row(number: int, fields: list[str], columns: Mapping[str, int], width: int) -> Row:
    """The row of one line. Raises ValueError saying what is wrong."""
    if len(fields) != width:
        raise ValueError(f"{len(fields)} columns where the header has {width}")
    if any("\0" in field for field in fields):
        raise ValueError("a NUL byte")
    values = {name: fields[place].strip() for name, place in columns.items()}
    answer = values["vote"].casefold()
    if answer not in VOTES:
        raise ValueError(
            f"{_quoted(values['vote'])} is no vote; "
            "allowed: yes, no, abstain, absent, Y, N, A, X"
        )
    code = _delegation(values.get("delegation", ""), values.get("name", ""))
    return Row(number, code, VOTES[answer])


def _delegation(code: str, name: str) -> str:
    if not code and not name:
        raise ValueError("names no delegation")
    if code and code not in all_members():
        raise ValueError(
            f"{_quoted(code)} is no member's code (ISO 3166-1 alpha-3, upper case)"
        )
    if not name:
        return code
    named = code_of(name)
    if named is None and code:
        return code
    if named is None:
        raise ValueError(f"{_quoted(name)} is no member's name")
    if code and code != named:
        raise ValueError(f"{code} is not {_quoted(name)}, which is {named}")
    return named


def _quoted(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:39] + "…")  # noqa: PLR2004 - readable
