"""The archive's tables; they never leave the process as API models.

Plain columns for who queries with SQL; `body` and `tally` hold the exact bytes of the
log entry and of the published tally, as text.
"""

from sqlmodel import BigInteger, Field, Index, LargeBinary, SQLModel, Text


class LeaseRow(SQLModel, table=True):
    """Who may write projections: one tally process, the others stand by.

    `fence` grows by one with each new holder and every write is conditional on it;
    `beat` grows while the holder lives; `holder` is empty once it has let go.
    """

    __tablename__ = "lease"

    name: str = Field(primary_key=True, max_length=128)
    fence: int = Field(sa_type=BigInteger)
    holder: str = Field(max_length=128)
    beat: int = Field(sa_type=BigInteger)


class LogRow(SQLModel, table=True):
    """One log: its epoch, and the seq up to which it is archived and projected.

    `frontier`: the right edge of the Merkle tree over those entries (`trees.py`); in
    this row, so that tree and seq move in one update.
    """

    __tablename__ = "log"

    name: str = Field(primary_key=True, max_length=64)
    epoch: str = Field(max_length=32)
    seq: int = Field(sa_type=BigInteger)
    frontier: bytes = Field(sa_type=LargeBinary)


class EventRow(SQLModel, table=True):
    """One entry of the log, byte for byte."""

    __tablename__ = "event"
    __table_args__ = (Index("event_of_roll_call", "log", "roll_call", "seq"),)

    log: str = Field(primary_key=True, max_length=64)
    seq: int = Field(primary_key=True, sa_type=BigInteger)
    roll_call: str = Field(max_length=64)
    body: str = Field(sa_type=Text)


class RollCallRow(SQLModel, table=True):
    """One roll call's projection. `epoch` inside `tally` is empty: the log has it.

    `day` is that of the vote, ISO 8601; `session` that of an imported one, else "";
    `search` is what it is found by (`Tally.search_text`).
    """

    __tablename__ = "roll_call"
    __table_args__ = (
        Index("roll_call_newest", "log", "day", "scheduled_seq"),
        Index("roll_call_phase", "log", "phase", "day", "scheduled_seq"),
    )

    log: str = Field(primary_key=True, max_length=64)
    id: str = Field(primary_key=True, max_length=64)
    scheduled_seq: int = Field(sa_type=BigInteger)
    seq: int = Field(sa_type=BigInteger)
    version: int
    phase: str = Field(max_length=16)
    status: str = Field(max_length=16)
    yes: int
    no: int
    abstain: int
    not_voting: int
    entitled: int
    members: int
    held_seq: int | None = Field(default=None, sa_type=BigInteger)
    tally: str = Field(sa_type=Text)
    day: str = Field(max_length=10)
    session: str = Field(max_length=64)
    search: str = Field(sa_type=Text)


class VoteRow(SQLModel, table=True):
    """A vote now on record; `seq` is that of the event that made it so."""

    __tablename__ = "vote"

    log: str = Field(primary_key=True, max_length=64)
    roll_call: str = Field(primary_key=True, max_length=64)
    delegation: str = Field(primary_key=True, max_length=3)
    vote: str = Field(max_length=8)
    seq: int = Field(sa_type=BigInteger)


class TreeNodeRow(SQLModel, table=True):
    """A perfect subtree of a log's tree: the 2**level entries from seq
    place * 2**level + 1 on. Levels 8, 16, 24, ... are kept (`trees.py`)."""

    __tablename__ = "tree_node"

    log: str = Field(primary_key=True, max_length=64)
    level: int = Field(primary_key=True)
    place: int = Field(primary_key=True, sa_type=BigInteger)
    hash: bytes = Field(sa_type=LargeBinary)


class CheckpointRow(SQLModel, table=True):
    """A signed checkpoint: `note` has text and signature, `vkey` whose that is; `root`
    in base64, as in the note."""

    __tablename__ = "checkpoint"

    log: str = Field(primary_key=True, max_length=64)
    size: int = Field(primary_key=True, sa_type=BigInteger)
    root: str = Field(max_length=44)
    note: str = Field(sa_type=Text)
    vkey: str = Field(max_length=256)
    at: str = Field(max_length=32)


class CosignatureRow(SQLModel, table=True):
    """A witness's signature line under a checkpoint; the gateway takes these."""

    __tablename__ = "cosignature"

    log: str = Field(primary_key=True, max_length=64)
    size: int = Field(primary_key=True, sa_type=BigInteger)
    vkey: str = Field(primary_key=True, max_length=256)
    line: str = Field(max_length=512)
