"""What gateway, rebuild and restore read from the archive. Blocking: call in a thread.

Snapshot and position come from one transaction, so a reader can go on from the position
without missing or repeating anything.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec
from sqlalchemy import ColumnElement, Connection, Engine, Row, or_, select, tuple_
from sqlmodel import col

from tellers_core.codec import LogName, as_text
from tellers_core.members import search_key
from tellers_core.tally import ENDED, Tally, decode_tally
from tellers_runtime.archive.engine import reading
from tellers_runtime.archive.tables import EventRow, LogRow, RollCallRow
from tellers_runtime.log import Entry


class Position(NamedTuple):
    """How far the archive is: everything up to `seq` of that epoch."""

    epoch: str
    seq: int


class Standing(NamedTuple):
    """Where a projection goes on: the position, every roll call that has an entry up to
    there, understood or not, and the tallies of those that still run or are held."""

    position: Position
    roll_calls: list[str]
    going: list[Tally]


class Cursor(NamedTuple):
    """A place in the list of roll calls: the newest day first, and of a day what was
    scheduled last."""

    day: str
    seq: int

    def __str__(self) -> str:
        return f"{self.day}.{self.seq}"

    @classmethod
    def parse(cls, text: str) -> "Cursor":
        """The cursor written by `str`. Raises ValueError."""
        day, _, seq = text.partition(".")
        return cls(day, int(seq))


class Page(NamedTuple):
    """Tallies, newest roll call first, and the cursor of the next page."""

    tallies: list[Tally]
    next: Cursor | None


class Wanted(NamedTuple):
    """Which roll calls are listed.

    Args:
        text: each of its words must be found in title, symbol, id, session or day.
        session: of imported ones, as their source writes it.
        year: of the vote.
    """

    phase: str | None = None
    text: str = ""
    session: str | None = None
    year: int | None = None


EVERYTHING = Wanted()


def archived(body: bytes) -> str:
    """An entry as the archive keeps it."""
    return as_text(body)


def _position(connection: Connection, log: LogName) -> Position | None:
    row = connection.execute(
        select(col(LogRow.epoch), col(LogRow.seq)).where(col(LogRow.name) == str(log))
    ).one_or_none()
    return None if row is None else Position(row.epoch, row.seq)


def _tally(text: str, epoch: str) -> Tally:
    return msgspec.structs.replace(decode_tally(text.encode()), epoch=epoch)


def _conditions(wanted: Wanted) -> Iterator[ColumnElement[bool]]:
    if wanted.phase is not None:
        yield col(RollCallRow.phase) == wanted.phase
    if wanted.session is not None:
        yield col(RollCallRow.session) == wanted.session
    if wanted.year is not None:
        first, last = f"{wanted.year:04d}-01-01", f"{wanted.year:04d}-12-31"
        yield col(RollCallRow.day).between(first, last)
    for word in wanted.text.split():
        # Letters, digits and spaces only: nothing in it means anything to LIKE.
        if key := search_key(word):
            yield col(RollCallRow.search).like(f"%{key}%")


class ArchiveReader:
    """Reads the archive of all logs."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def position(self, log: LogName) -> Position | None:
        """How far the archive of this log is; None when it has none."""
        with reading(self._engine) as connection:
            return _position(connection, log)

    def standing(self, log: LogName) -> Standing | None:
        """Where the projection of this log goes on; None when it has none."""
        of_log = col(RollCallRow.log) == str(log)
        whose = col(EventRow.roll_call)
        with_entries = select(whose).where(col(EventRow.log) == str(log), whose != "")
        going = select(col(RollCallRow.tally)).where(
            of_log,
            or_(col(RollCallRow.phase).not_in(ENDED), col(RollCallRow.held_seq) > 0),
        )
        with reading(self._engine) as connection:
            position = _position(connection, log)
            if position is None:
                return None
            names = connection.scalars(with_entries.distinct()).all()
            texts = connection.scalars(going).all()
        tallies = [_tally(text, position.epoch) for text in texts]
        return Standing(position, list(names), tallies)

    def snapshot(
        self, log: LogName, finished: int
    ) -> tuple[Position, list[Tally]] | None:
        """The position and the tallies of all unfinished roll calls and of the newest
        `finished` ones; None when nothing was ever archived."""
        with reading(self._engine) as connection:
            position = _position(connection, log)
            if position is None:
                return None
            ended = col(RollCallRow.phase).in_(("closed", "annulled"))
            of_log = select(col(RollCallRow.tally)).where(
                col(RollCallRow.log) == str(log)
            )
            newest = of_log.where(ended).order_by(col(RollCallRow.seq).desc())
            texts = [
                *connection.scalars(of_log.where(~ended)),
                *connection.scalars(newest.limit(finished)),
            ]
            return position, [_tally(text, position.epoch) for text in texts]

    def tallies(
        self, log: LogName, wanted: Wanted, limit: int, before: Cursor | None
    ) -> Page:
        """A page of tallies, the newest vote first; `before` is a page's `next`."""
        day, seq = col(RollCallRow.day), col(RollCallRow.scheduled_seq)
        query = select(col(RollCallRow.tally), day, seq).where(
            col(RollCallRow.log) == str(log), *_conditions(wanted)
        )
        if before is not None:
            query = query.where(tuple_(day, seq) < tuple_(before.day, before.seq))
        newest = query.order_by(day.desc(), seq.desc())
        with reading(self._engine) as connection:
            position = _position(connection, log)
            rows = connection.execute(newest.limit(limit + 1)).all()
        epoch = position.epoch if position else ""
        last = Cursor(*rows[limit - 1][1:]) if len(rows) > limit else None
        return Page([_tally(row.tally, epoch) for row in rows[:limit]], last)

    def tally(self, log: LogName, roll_call: str) -> Tally | None:
        """The archived tally of one roll call."""
        with reading(self._engine) as connection:
            position = _position(connection, log)
            text = connection.scalar(
                select(col(RollCallRow.tally)).where(
                    col(RollCallRow.log) == str(log), col(RollCallRow.id) == roll_call
                )
            )
        return _tally(text, position.epoch) if text and position else None

    def events(self, log: LogName, after: int, count: int) -> list[Entry]:
        """Up to `count` archived entries that follow `after`."""
        query = (
            select(col(EventRow.seq), col(EventRow.body))
            .where(col(EventRow.log) == str(log), col(EventRow.seq) > after)
            .order_by(col(EventRow.seq))
            .limit(count)
        )
        with reading(self._engine) as connection:
            return _entries(connection.execute(query).all())

    def events_of(self, log: LogName, roll_call: str) -> tuple[int, list[Entry]]:
        """How far the archive is, and all archived entries of one roll call."""
        query = (
            select(col(EventRow.seq), col(EventRow.body))
            .where(
                col(EventRow.log) == str(log),
                col(EventRow.roll_call) == roll_call,
            )
            .order_by(col(EventRow.seq))
        )
        with reading(self._engine) as connection:
            position = _position(connection, log)
            entries = _entries(connection.execute(query).all())
        return (position.seq if position else 0), entries


def _entries(rows: Sequence[Row[int, str]]) -> list[Entry]:
    return [Entry(seq, body.encode()) for seq, body in rows]
