"""Files of many roll calls of the past: whole files, every bad line named.

    UN Digital Library     undl_id,ms_code,ms_name,ms_vote,date,session,resolution,...
    Voeten                 rcid,ccode,vote,session,date,unres,yes,no,abstain,...

A header, columns in any order, others ignored; one line a member and roll call, in any
order. What the columns of a roll call say must be the same in all of its lines.
`docs/import.md` describes the columns; their meaning is that of the data's publishers
(UN Dag Hammarskjöld Library; E. Voeten, "Data and Analyses of Voting in the United
Nations General Assembly", 2013).
"""

import csv
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from tellers_core.errors import Problem
from tellers_core.history.table import Found, Table
from tellers_core.history.undl import Undl
from tellers_core.history.voeten import Voeten
from tellers_core.majority import Rule

# A list of more faults helps nobody.
MAX_PROBLEMS = 1000
FORMATS: Mapping[str, type[Table]] = {"undl": Undl, "voeten": Voeten}

__all__ = ["FORMATS", "Found", "Reading", "is_history", "read_history"]


class Reading(NamedTuple):
    """What a file has, in order of the days of the votes.

    Args:
        source: the format that was read, "" when it is neither.
        problems: every bad line; if there is one, nothing of the file may be used.
        passed_over: names that no table knows, whose member the code told; and the
            first line of each.
    """

    source: str
    roll_calls: tuple[Found, ...]
    problems: tuple[Problem, ...]
    passed_over: Mapping[str, int]


class _Unreadable(Exception):
    """Nothing after this line can be understood."""

    def __init__(self, line: int, detail: str) -> None:
        super().__init__(detail)
        self.problem = Problem(line, detail)


def read_history(
    lines: Iterable[str], rule: Rule | None = None, source: str | None = None
) -> Reading:
    """The roll calls of a file.

    Args:
        lines: the file's, as text, with their line ends.
        rule: the majority that was required, which no file says; None: the format's
            own, if it has one.
        source: `undl` or `voeten`; None: as the header tells.
    """
    rows = _rows(lines)
    try:
        header = next(rows, None)
        if header is None:
            raise _Unreadable(1, "the file is empty: a header is required")
        table = _table(header[1], source, rule)
    except _Unreadable as unreadable:
        return Reading("", (), (unreadable.problem,), {})
    problems = _gather(table, rows, len(header[1]))
    found = () if problems else table.roll_calls()
    return Reading(table.SOURCE, found, problems, table.passed_over)


def is_history(header: str) -> bool:
    """Whether this is the first line of such a file, whatever it may lack."""
    try:
        names = _names(next(csv.reader([header]), []))
    except csv.Error:
        return False
    return any({kind.KEY, kind.VOTE} <= {*names} for kind in FORMATS.values())


# Plain tuples: a named one costs as much as the whole line does otherwise.
_Row = tuple[int, list[str]]


def _rows(lines: Iterable[str]) -> Iterator[_Row]:
    """The file's rows that are not blank, each after the line where it begins."""
    reader = csv.reader(lines, strict=True)
    line = 1
    try:
        for fields in reader:
            if any(fields):
                yield line, fields
            line = reader.line_num + 1
    except csv.Error as error:
        raise _Unreadable(line, f"not CSV: {error}") from error


def _names(header: list[str]) -> list[str]:
    return [name.strip().removeprefix("\ufeff").casefold() for name in header]


def _table(header: list[str], source: str | None, rule: Rule | None) -> Table:
    names = _names(header)
    wanted = FORMATS if source is None else {source: FORMATS[source]}
    lacking = {}
    for name, kind in wanted.items():
        lacking[name] = [column for column in kind.COLUMNS if column not in names]
        if lacking[name]:
            continue
        used = [c for c in (*kind.COLUMNS, *kind.OPTIONAL) if c in names]
        for column in used:
            if names.count(column) > 1:
                raise _Unreadable(1, f"the column {column} is there twice")
        required = rule or kind.RULE
        if required is None:
            raise _Unreadable(1, kind.NO_RULE)
        return kind({column: names.index(column) for column in used}, required)
    told = "; ".join(f"{name}: {', '.join(lacks)}" for name, lacks in lacking.items())
    raise _Unreadable(1, f"the header lacks columns ({told})")


def _gather(table: Table, rows: Iterator[_Row], width: int) -> tuple[Problem, ...]:
    problems: list[Problem] = []
    try:
        for line, fields in rows:
            try:
                if len(fields) != width:
                    found = f"{len(fields)} columns where the header has {width}"
                    raise ValueError(found)
                table.take(line, fields)
            except ValueError as error:
                problems.append(Problem(line, str(error)))
                if len(problems) == MAX_PROBLEMS:
                    raise _Unreadable(line, "too many bad lines to go on") from error
        if not problems and table.is_empty:
            raise _Unreadable(1, "there is no roll call in it")
    except _Unreadable as unreadable:
        problems.append(unreadable.problem)
    return tuple(problems)
