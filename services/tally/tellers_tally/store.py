"""Writes the archive: events, roll calls, votes and checkpoint in one transaction.

Three things keep two processes from both counting: the checkpoint moves only from the
seq it was read at (`seq = :old`), only under the epoch that was read, and only while
this process holds the lease's fence. Whoever finds otherwise has written nothing.
Blocking: call in a thread.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import (
    Connection,
    Engine,
    Table,
    delete,
    func,
    insert,
    inspect,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import SQLModel, col

from tellers_core.codec import LogName
from tellers_core.tally import Tally
from tellers_runtime.archive.engine import writing
from tellers_runtime.archive.reading import ArchiveReader, archived
from tellers_runtime.archive.tables import (
    EventRow,
    LeaseRow,
    LogRow,
    RollCallRow,
    VoteRow,
)
from tellers_tally.projector import Change, stored

# A list in SQL has a bound (SQLite: 32,766 values).
CHECKED_AT_ONCE = 500


class LeaseLost(Exception):
    """Another process has taken over: nothing was written."""


class Inconsistent(Exception):
    """The votes in the archive do not add up to the tally: nothing was written."""

    def __init__(self, roll_call: str, reason: str) -> None:
        super().__init__(f"{roll_call}: {reason}")
        self.roll_call = roll_call
        self.reason = reason


class Seen(NamedTuple):
    """The lease as a standby saw it last."""

    fence: int
    beat: int
    holder: str


class Batch:
    """What a run of entries changes, to be archived in one transaction."""

    def __init__(self) -> None:
        self.last_seq = 0
        self.events: list[tuple[int, str, str]] = []
        self.tallies: dict[str, Tally] = {}
        self.scheduled: dict[str, int] = {}
        self.votes: dict[str, dict[str, tuple[str | None, int]]] = {}

    def add(self, change: Change, tallies: Iterable[Tally]) -> None:
        """One more entry, with the tallies of the roll calls it touched."""
        self.keep(change)
        self.count(change)
        for tally in tallies:
            self.paint(tally)

    def keep(self, change: Change) -> None:
        """Archive the entry itself."""
        seq, body = change.entry
        self.events.append((seq, change.roll_call, archived(body)))

    def count(self, change: Change) -> None:
        """Take the votes that the entry puts on record."""
        seq = self.last_seq = change.entry.seq
        if change.vote is not None:
            of_roll_call = self.votes.setdefault(change.roll_call, {})
            of_roll_call[change.vote.delegation] = change.vote.vote, seq
        if change.begins:
            self.scheduled[change.roll_call] = seq

    def paint(self, tally: Tally) -> None:
        """The tally of a roll call as it is at the batch's end."""
        self.tallies[tally.roll_call] = tally

    def hold(self, tally: Tally) -> None:
        """Leave a roll call's votes as they are archived; its tally is held."""
        self.tallies[tally.roll_call] = tally
        self.votes.pop(tally.roll_call, None)


class Store:
    """The one writer of the archive for these chambers.

    Args:
        lease: its name; processes that serve the same chambers share it.
        holder: who we are, for people who look.
    """

    def __init__(self, engine: Engine, lease: str, holder: str) -> None:
        self._engine = engine
        self._lease = lease
        self._holder = holder
        self.fence = 0
        self.read = ArchiveReader(engine)

    # The lease

    def seen(self) -> Seen:
        """The lease now; made on first use."""
        with writing(self._engine) as connection:
            row = connection.execute(
                select(
                    col(LeaseRow.fence), col(LeaseRow.beat), col(LeaseRow.holder)
                ).where(col(LeaseRow.name) == self._lease)
            ).one_or_none()
            if row is None:
                fresh = {"name": self._lease, "fence": 0, "beat": 0, "holder": ""}
                connection.execute(insert(LeaseRow), fresh)
                return Seen(0, 0, "")
            return Seen(row.fence, row.beat, row.holder)

    def take(self, seen: Seen) -> bool:
        """Take the lease if it is still as seen; our fence is then one higher."""
        with writing(self._engine) as connection:
            taken = connection.execute(
                update(LeaseRow)
                .where(
                    col(LeaseRow.name) == self._lease,
                    col(LeaseRow.fence) == seen.fence,
                    col(LeaseRow.beat) == seen.beat,
                )
                .values(fence=seen.fence + 1, beat=seen.beat + 1, holder=self._holder)
            ).rowcount
        if taken:
            self.fence = seen.fence + 1
        return bool(taken)

    def take_by_force(self) -> None:
        """Take the lease from whoever has it (rebuild, restore)."""
        while not self.take(self.seen()):
            pass

    def beat(self) -> None:
        """Show that we live. Raises LeaseLost."""
        self._touch(beat=col(LeaseRow.beat) + 1)

    def release(self) -> None:
        """Let a standby take over at once; harmless when the lease is lost already."""
        try:
            self._touch(holder="")
        except LeaseLost:
            return

    def _touch(self, **values: Any) -> None:
        with writing(self._engine) as connection:
            touched = connection.execute(
                update(LeaseRow)
                .where(
                    col(LeaseRow.name) == self._lease,
                    col(LeaseRow.fence) == self.fence,
                )
                .values(**values)
            ).rowcount
        if not touched:
            raise LeaseLost

    # The log

    def begin(self, log: LogName, epoch: str) -> None:
        """Start the archive of a log at seq 0."""
        with writing(self._engine) as connection:
            self._check_fence(connection)
            row = {"name": str(log), "epoch": epoch, "seq": 0}
            connection.execute(insert(LogRow), row)

    def set_epoch(self, log: LogName, epoch: str) -> None:
        """The log was restored and now lives under another epoch."""
        with writing(self._engine) as connection:
            self._check_fence(connection)
            connection.execute(
                update(LogRow).where(col(LogRow.name) == str(log)).values(epoch=epoch)
            )

    def commit(self, log: LogName, epoch: str, old: int, batch: Batch) -> None:
        """Archive a batch that follows seq `old`; everything or nothing.

        Raises LeaseLost, or Inconsistent when the votes do not add up.
        """
        with writing(self._engine) as connection:
            self._advance(connection, log, epoch, old, batch.last_seq)
            _write(connection, log, batch)

    def replace(self, log: LogName, epoch: str, old: int, batch: Batch) -> set[str]:
        """Put the projections of a whole log in place of the present ones, at once.

        The batch's events are those after seq `old`; its projections begin at 1.
        Returns the roll calls of which any column was otherwise before.
        """
        with writing(self._engine) as connection:
            self._advance(connection, log, epoch, old, batch.last_seq)
            before = _projections(connection, log)
            for table in (RollCallRow, VoteRow):
                connection.execute(delete(table).where(col(table.log) == str(log)))
            _write(connection, log, batch)
            return {name for *_, name in before ^ _projections(connection, log)}

    def _advance(
        self, connection: Connection, log: LogName, epoch: str, old: int, new: int
    ) -> None:
        self._check_fence(connection)
        moved = connection.execute(
            update(LogRow)
            .where(
                col(LogRow.name) == str(log),
                col(LogRow.seq) == old,
                col(LogRow.epoch) == epoch,
            )
            .values(seq=new)
        ).rowcount
        if moved != 1:
            raise LeaseLost

    def _check_fence(self, connection: Connection) -> None:
        fence = connection.scalar(
            select(col(LeaseRow.fence))
            .where(col(LeaseRow.name) == self._lease)
            .with_for_update(read=True)
        )
        if fence != self.fence:
            raise LeaseLost


def _projections(connection: Connection, log: LogName) -> set[tuple[int, str]]:
    """A fingerprint of each row of a log's projections, and whose it is."""
    found = set()
    for table, name in ((RollCallRow, RollCallRow.id), (VoteRow, VoteRow.roll_call)):
        columns: Any = inspect(table).columns
        rows = select(col(name), *columns).where(col(table.log) == str(log))
        for whose, *row in connection.execute(rows):
            found.add((hash(tuple(row)), whose))
    return found


def _upsert(
    connection: Connection, table: type[SQLModel], kept: Sequence[str] = ()
) -> Any:
    """INSERT that overwrites the row of the same primary key, but for `kept`."""
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    target: Table = table.__table__  # type: ignore[attr-defined]
    statement = dialect.insert(target)
    primary = [column.name for column in target.primary_key]
    values = {
        column.name: statement.excluded[column.name]
        for column in target.columns
        if column.name not in (*primary, *kept)
    }
    return statement.on_conflict_do_update(index_elements=primary, set_=values)


def _write(connection: Connection, log: LogName, batch: Batch) -> None:
    events = [
        {"log": str(log), "seq": seq, "roll_call": roll_call, "body": body}
        for seq, roll_call, body in batch.events
    ]
    if events:
        connection.execute(insert(EventRow), events)
    tallies = [
        _roll_call_row(log, tally, batch.scheduled.get(tally.roll_call, 0))
        for tally in batch.tallies.values()
    ]
    if tallies:
        upsert = _upsert(connection, RollCallRow, kept=("scheduled_seq",))
        connection.execute(upsert, tallies)
    _write_votes(connection, log, batch)
    _check_sums(connection, log, batch.tallies)


def _roll_call_row(log: LogName, tally: Tally, scheduled: int) -> dict[str, Any]:
    counts = tally.counts
    return {
        "log": str(log),
        "id": tally.roll_call,
        "scheduled_seq": scheduled,
        "seq": tally.seq,
        "version": tally.version,
        "phase": tally.phase,
        "status": tally.verdict.status,
        "yes": counts.yes,
        "no": counts.no,
        "abstain": counts.abstain,
        "not_voting": counts.not_voting,
        "entitled": counts.entitled,
        "members": counts.members,
        "held_seq": tally.held.seq if tally.held else None,
        "tally": stored(tally),
    }


def _write_votes(connection: Connection, log: LogName, batch: Batch) -> None:
    keep, drop = [], []
    for roll_call, votes in batch.votes.items():
        for delegation, (vote, seq) in votes.items():
            key = {"log": str(log), "roll_call": roll_call, "delegation": delegation}
            if vote is None:
                drop.append(key)
            else:
                keep.append({**key, "vote": str(vote), "seq": seq})
    if keep:
        connection.execute(_upsert(connection, VoteRow), keep)
    for key in drop:
        matching = (col(getattr(VoteRow, name)) == value for name, value in key.items())
        connection.execute(delete(VoteRow).where(*matching))


def _check_sums(
    connection: Connection, log: LogName, tallies: dict[str, Tally]
) -> None:
    """The votes on record must add up to each tally: counted anew, never + 1."""
    counting = [tally for tally in tallies.values() if tally.held is None]
    for start in range(0, len(counting), CHECKED_AT_ONCE):
        few = counting[start : start + CHECKED_AT_ONCE]
        names = [tally.roll_call for tally in few]
        votes: Counter[tuple[str, str]] = Counter()
        rows = connection.execute(
            select(col(VoteRow.roll_call), col(VoteRow.vote), func.count())
            .where(col(VoteRow.log) == str(log), col(VoteRow.roll_call).in_(names))
            .group_by(col(VoteRow.roll_call), col(VoteRow.vote))
        )
        for roll_call, vote, number in rows:
            votes[roll_call, vote] = number
        for tally in few:
            _check_sum(tally, votes)


def _check_sum(tally: Tally, votes: Counter[tuple[str, str]]) -> None:
    name, counts = tally.roll_call, tally.counts
    said = (counts.yes, counts.no, counts.abstain)
    counted = tuple(votes[name, vote] for vote in ("yes", "no", "abstain"))
    if said != counted:
        raise Inconsistent(name, f"the tally says {said}, the votes are {counted}")
