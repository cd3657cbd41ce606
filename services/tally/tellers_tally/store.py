"""Writes the archive: events, their tree, roll calls, votes and the position in one
transaction, and a signed checkpoint with them when a roll call closes.

Three things keep two processes from both counting: the position moves only from the
seq it was read at (`seq = :old`), only under the epoch that was read, and only while
this process holds the lease's fence. Whoever finds otherwise has written nothing.
Blocking: call in a thread.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from sqlalchemy import (
    Connection,
    Engine,
    Table,
    bindparam,
    delete,
    insert,
    inspect,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import SQLModel, col

from tellers_core.codec import LogName
from tellers_core.merkle import Frontier
from tellers_core.tally import Tally
from tellers_runtime.archive.engine import writing
from tellers_runtime.archive.proofs import ProofReader
from tellers_runtime.archive.reading import ArchiveReader, archived
from tellers_runtime.archive.tables import (
    CheckpointRow,
    EventRow,
    LeaseRow,
    LogRow,
    RollCallRow,
    TreeNodeRow,
    VoteRow,
)
from tellers_runtime.archive.trees import (
    Grown,
    TreeBroken,
    grow,
    keep,
    leaf_of,
    packed,
    unpacked,
)
from tellers_tally import bulk
from tellers_tally.projector import Change, stored
from tellers_tally.sums import check_sums

# In the canonical bytes of a closing, and of nothing else: within a text the quotation
# marks would be escaped.
CLOSING = b'"type":"org.tellers.roll_call.closed.v'

# The signed checkpoint of a log under an epoch, given its tree.
Seal = Callable[[LogName, str, Frontier], CheckpointRow]


class LeaseLost(Exception):
    """Another process has taken over: nothing was written."""


class Seen(NamedTuple):
    """The lease as a standby saw it last."""

    fence: int
    beat: int
    holder: str


class Batch:
    """What a run of entries changes, to be archived in one transaction."""

    def __init__(self) -> None:
        self.last_seq = 0
        self.closes = False
        self.events: list[tuple[int, str, bytes]] = []
        self.tallies: dict[str, Tally] = {}
        self.scheduled: dict[str, int] = {}
        self.votes: dict[str, dict[str, tuple[str | None, int]]] = {}

    def add(self, change: Change, tallies: Iterable[Tally] = ()) -> None:
        """One more entry, with the tallies of the roll calls it touched."""
        self.keep(change)
        self.count(change)
        for tally in tallies:
            self.paint(tally)

    def keep(self, change: Change) -> None:
        """Archive the entry itself."""
        seq, body = change.entry
        self.events.append((seq, change.roll_call, body))
        self.closes = self.closes or CLOSING in body

    def leaves(self, log: LogName) -> Iterator[bytes]:
        """The leaf hashes of its events."""
        return (
            leaf_of(log, seq, body, roll_call) for seq, roll_call, body in self.events
        )

    def count(self, change: Change) -> None:
        """Take the votes that the entry puts on record."""
        seq = self.last_seq = change.entry.seq
        if change.vote is not None:
            of_roll_call = self.votes.setdefault(change.roll_call, {})
            vote = change.vote.vote
            of_roll_call[change.vote.delegation] = vote and str(vote), seq
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
        seal: who signs; without one no checkpoint is written.
    """

    def __init__(
        self, engine: Engine, lease: str, holder: str, seal: Seal | None = None
    ) -> None:
        self._engine = engine
        self._lease = lease
        self._holder = holder
        self._sign = seal
        self.fence = 0
        self.read = ArchiveReader(engine)
        self.proofs = ProofReader(engine)

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
            row = {"name": str(log), "epoch": epoch, "seq": 0, "frontier": b""}
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

        Raises LeaseLost, TreeBroken, or Inconsistent when the votes do not add up.
        """
        with writing(self._engine) as connection:
            self._check_fence(connection)
            at = _At(log, epoch, old)
            tree, nodes = grow(_tree(connection, at), batch.leaves(log))
            _move(connection, at, tree, batch.last_seq)
            keep(connection, log, nodes)
            _write(connection, log, batch)
            if batch.closes:
                self._seal(connection, log, epoch, tree)

    def replace(
        self, log: LogName, epoch: str, old: int, batch: Batch, tree: Grown
    ) -> set[str]:
        """Put the projections and the tree of a whole log in place of the present ones,
        at once.

        The batch's events are those after seq `old`; all else begins at 1. Returns the
        roll calls of which any column was otherwise before.
        """
        with writing(self._engine) as connection:
            self._check_fence(connection)
            _move(connection, _At(log, epoch, old), tree.frontier, batch.last_seq)
            before = _projections(connection, log)
            for table in (RollCallRow, VoteRow, TreeNodeRow):
                connection.execute(delete(table).where(col(table.log) == str(log)))
            keep(connection, log, tree.nodes)
            _write(connection, log, batch)
            return {name for *_, name in before ^ _projections(connection, log)}

    def seal(self, log: LogName) -> None:
        """Sign a checkpoint of the log as it is archived, if it has grown since the
        last one. Raises LeaseLost or TreeBroken."""
        with writing(self._engine) as connection:
            self._check_fence(connection)
            found = connection.execute(
                select(col(LogRow.epoch), col(LogRow.seq), col(LogRow.frontier)).where(
                    col(LogRow.name) == str(log)
                )
            ).one_or_none()
            if found is not None and found.seq:
                tree = unpacked(log, found.seq, found.frontier)
                self._seal(connection, log, found.epoch, tree)

    def _seal(
        self, connection: Connection, log: LogName, epoch: str, tree: Frontier
    ) -> None:
        if self._sign is None:
            return
        row = self._sign(log, epoch, tree)
        # A checkpoint once signed stays: certificates stand on it.
        statement = _insert(connection, CheckpointRow).on_conflict_do_nothing()
        connection.execute(statement, row.model_dump())

    def _check_fence(self, connection: Connection) -> None:
        fence = connection.scalar(
            select(col(LeaseRow.fence))
            .where(col(LeaseRow.name) == self._lease)
            .with_for_update(read=True)
        )
        if fence != self.fence:
            raise LeaseLost


class _At(NamedTuple):
    """Where a log's position must be for a write to follow it."""

    log: LogName
    epoch: str
    seq: int

    @property
    def holds(self) -> tuple[Any, ...]:
        return (
            col(LogRow.name) == str(self.log),
            col(LogRow.seq) == self.seq,
            col(LogRow.epoch) == self.epoch,
        )


def _tree(connection: Connection, at: _At) -> Frontier:
    frontier = connection.scalar(select(col(LogRow.frontier)).where(*at.holds))
    if frontier is None:
        raise LeaseLost
    return unpacked(at.log, at.seq, frontier)


def _move(connection: Connection, at: _At, tree: Frontier, last_seq: int) -> None:
    """Move position and tree on, in one update."""
    if tree.size != last_seq:
        raise TreeBroken(f"{tree.size} entries, but the last is {last_seq}")
    moved = update(LogRow).where(*at.holds)
    moved = moved.values(seq=tree.size, frontier=packed(tree))
    if connection.execute(moved).rowcount != 1:
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


def _insert(connection: Connection, table: type[SQLModel]) -> Any:
    """INSERT as the database at hand understands it."""
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    target: Table = table.__table__  # type: ignore[attr-defined]
    return dialect.insert(target)


def _upsert(
    connection: Connection, table: type[SQLModel], kept: Sequence[str] = ()
) -> Any:
    """INSERT that overwrites the row of the same primary key, but for `kept`."""
    statement = _insert(connection, table)
    primary = [column.name for column in statement.table.primary_key]
    values = {
        column.name: statement.excluded[column.name]
        for column in statement.table.columns
        if column.name not in (*primary, *kept)
    }
    return statement.on_conflict_do_update(index_elements=primary, set_=values)


def _write(connection: Connection, log: LogName, batch: Batch) -> None:
    name = str(log)
    events = [
        (name, seq, roll_call, archived(body)) for seq, roll_call, body in batch.events
    ]
    bulk.insert(connection, EventRow, events)
    tallies = [
        _roll_call_row(log, tally, batch.scheduled.get(tally.roll_call, 0))
        for tally in batch.tallies.values()
    ]
    if tallies:
        upsert = _upsert(connection, RollCallRow, kept=("scheduled_seq",))
        connection.execute(upsert, tallies)
    _write_votes(connection, log, batch)
    check_sums(connection, log, batch.tallies)


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
        "day": tally.day,
        "session": tally.imported.session if tally.imported else "",
        "search": tally.search_text,
        "tally": stored(tally),
    }


def _write_votes(connection: Connection, log: LogName, batch: Batch) -> None:
    name = str(log)
    keep: list[bulk.Row] = []
    drop: list[dict[str, str]] = []
    for roll_call, votes in batch.votes.items():
        for delegation, (vote, seq) in votes.items():
            if vote is None:
                drop.append({"of": roll_call, "whose": delegation})
            else:
                keep.append((name, roll_call, delegation, vote, seq))
    bulk.upsert(connection, VoteRow, keep)
    if drop:
        withdrawn = delete(VoteRow).where(
            col(VoteRow.log) == name,
            col(VoteRow.roll_call) == bindparam("of"),
            col(VoteRow.delegation) == bindparam("whose"),
        )
        connection.execute(withdrawn, drop)
