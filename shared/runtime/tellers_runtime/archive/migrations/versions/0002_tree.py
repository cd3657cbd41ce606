"""The Merkle tree of each log, its signed checkpoints and their cosignatures."""

from collections.abc import Iterator

import sqlalchemy as sa
from alembic import op

from tellers_core.codec import LogName
from tellers_core.merkle import Frontier
from tellers_runtime.archive.trees import TreeBroken, grow, keep, leaf_of, packed

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

READ_AT_ONCE = 10_000


def upgrade() -> None:
    op.create_table(
        "tree_node",
        sa.Column("log", sa.String(64), primary_key=True),
        sa.Column("level", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("place", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("hash", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "checkpoint",
        sa.Column("log", sa.String(64), primary_key=True),
        sa.Column("size", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("root", sa.String(44), nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("vkey", sa.String(256), nullable=False),
        sa.Column("at", sa.String(32), nullable=False),
    )
    op.create_table(
        "cosignature",
        sa.Column("log", sa.String(64), primary_key=True),
        sa.Column("size", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("vkey", sa.String(256), primary_key=True),
        sa.Column("line", sa.String(512), nullable=False),
    )
    empty = "x''" if op.get_bind().dialect.name == "sqlite" else "''"
    column = sa.Column(
        "frontier", sa.LargeBinary, nullable=False, server_default=sa.text(empty)
    )
    op.add_column("log", column)
    _plant(op.get_bind())


def _plant(connection: sa.Connection) -> None:
    """The trees of what is archived already."""
    log = sa.table("log", sa.column("name"), sa.column("seq"), sa.column("frontier"))
    for name, seq in connection.execute(sa.select(log.c.name, log.c.seq)).all():
        grown = grow(Frontier(), _leaves(connection, LogName.parse(name), seq))
        keep(connection, LogName.parse(name), grown.nodes)
        planted = log.update().where(log.c.name == name)
        connection.execute(planted.values(frontier=packed(grown.frontier)))


def _leaves(connection: sa.Connection, log: LogName, upto: int) -> Iterator[bytes]:
    event = sa.table("event", sa.column("log"), sa.column("seq"), sa.column("body"))
    query = sa.select(event.c.seq, event.c.body).where(event.c.log == str(log))
    seq = 0
    while seq < upto:
        page = query.where(event.c.seq > seq, event.c.seq <= upto)
        rows = connection.execute(page.order_by(event.c.seq).limit(READ_AT_ONCE)).all()
        for row in rows:
            seq += 1
            if row.seq != seq:
                raise TreeBroken(f"event {seq} of {log} is missing in the archive")
            yield leaf_of(log, seq, row.body.encode())
        if not rows:
            raise TreeBroken(f"event {seq + 1} of {log} is missing in the archive")


def downgrade() -> None:
    op.drop_column("log", "frontier")
    for table in ("cosignature", "checkpoint", "tree_node"):
        op.drop_table(table)
