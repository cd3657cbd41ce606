"""Many votes in one body: JSON, CSV or one JSON object a line, all or nothing."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from pydantic import Field, ValidationError

from tellers_core.errors import BadRequest, Problem
from tellers_core.recorded import MAX_ROWS, read_csv
from tellers_core.roll_call import CastVote, CastVotes
from tellers_ingest.models import (
    MAX_FAULTS,
    Body,
    VoteEntry,
    VotesBody,
    faults,
    parse,
)
from tellers_runtime.problems import HttpProblem


class Batch(NamedTuple):
    """The votes that could be read, the faults of the others, and how many delegations
    are said to have been absent, of whom nothing is recorded."""

    votes: CastVotes
    problems: tuple[Problem, ...]
    absent: int = 0


class _Envelope(Body):
    votes: list[Any] = Field(max_length=MAX_ROWS)


class _Found:
    """Votes and faults, gathered one entry at a time."""

    def __init__(self) -> None:
        self.votes: list[CastVote] = []
        self.places: list[str | int] = []
        self.problems: list[Problem] = []

    def take(self, place: str | int, entry: VoteEntry) -> None:
        self.votes.append(CastVote(entry.delegation, entry.vote))
        self.places.append(place)

    def batch(self) -> Batch:
        votes = CastVotes(tuple(self.votes), tuple(self.places))
        return Batch(votes, tuple(self.problems))


def _from_json(body: bytes) -> Batch:
    try:
        entries = VotesBody.model_validate_json(body).votes
    except ValidationError:
        return _one_by_one(body)
    found = _Found()
    for number, entry in enumerate(entries):
        found.take(f"/votes/{number}", entry)
    return found.batch()


def _one_by_one(body: bytes) -> Batch:
    """The same, four times as slow: what is good, and each that is not."""
    found = _Found()
    for number, item in enumerate(parse(_Envelope, body).votes):
        try:
            entry = VoteEntry.model_validate(item)
        except ValidationError as error:
            found.problems += faults(error, "votes", number)
        else:
            found.take(f"/votes/{number}", entry)
    return found.batch()


def _from_lines(body: bytes) -> Batch:
    found = _Found()
    for number, line in _numbered(body):
        try:
            entry = VoteEntry.model_validate_json(line)
        except ValidationError as error:
            found.problems += _of_line(number, error)
        else:
            found.take(number, entry)
    return found.batch()


def _numbered(body: bytes) -> Iterator[tuple[int, bytes]]:
    lines = body.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    filled = [(number, line) for number, line in enumerate(lines, 1) if line.strip()]
    if len(filled) > MAX_ROWS:
        number = filled[MAX_ROWS][0]
        detail = f"at most {MAX_ROWS} votes at once"
        raise BadRequest(detail, (Problem(number, detail),))
    yield from filled


def _of_line(number: int, error: ValidationError) -> list[Problem]:
    return [
        Problem(number, f"{str(where).lstrip('/')}: {detail}" if where else detail)
        for where, detail in faults(error)
    ]


def _from_csv(body: bytes) -> Batch:
    rows, problems = read_csv(body)
    present = [row for row in rows if row.vote is not None]
    votes = tuple(CastVote(row.delegation, row.vote) for row in present if row.vote)
    lines = tuple(row.line for row in present)
    return Batch(CastVotes(votes, lines), problems, len(rows) - len(present))


def in_order(*problems: Problem) -> tuple[Problem, ...]:
    """The problems in the order of the body, no more than anybody reads."""

    def number(problem: Problem) -> int:
        where = problem.where
        return where if isinstance(where, int) else int(where.split("/")[2])

    return tuple(sorted(problems, key=number)[:MAX_FAULTS])


READERS: Mapping[str, Callable[[bytes], Batch]] = {
    "application/json": _from_json,
    "text/csv": _from_csv,
    "application/x-ndjson": _from_lines,
}


def read(media_type: str, body: bytes) -> Batch:
    """The votes in a body of this media type.

    Raises HttpProblem for another type, BadRequest when there is no vote at all.
    """
    reader = READERS.get(media_type)
    if reader is None:
        detail, pointer = f"allowed: {', '.join(READERS)}", "/header/Content-Type"
        raise HttpProblem("bad_request", detail, status=415, pointer=pointer)
    batch = reader(body)
    if not (batch.votes.votes or batch.problems or batch.absent):
        place: str | int = "/votes" if media_type == "application/json" else 1
        raise BadRequest("an empty batch", (Problem(place, "there is no vote"),))
    return batch
