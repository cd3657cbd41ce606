"""The day of each vote, its session, and the text that it is found by."""

import sqlalchemy as sa
from alembic import op

from tellers_core.tally import decode_tally

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

ADDED = {"day": sa.String(10), "session": sa.String(64), "search": sa.Text()}
INDEXES = {"roll_call_newest": ["log"], "roll_call_phase": ["log", "phase"]}


def upgrade() -> None:
    for name, kind in ADDED.items():
        column = sa.Column(name, kind, nullable=False, server_default="")
        op.add_column("roll_call", column)
    _fill(op.get_bind())
    for name, columns in INDEXES.items():
        op.drop_index(name, "roll_call")
        op.create_index(name, "roll_call", [*columns, "day", "scheduled_seq"])


def _fill(connection: sa.Connection) -> None:
    """What follows from the tallies that are archived already."""
    names = ("log", "id", "tally", *ADDED)
    table = sa.table("roll_call", *(sa.column(name) for name in names))
    rows = connection.execute(sa.select(table.c.log, table.c.id, table.c.tally)).all()
    for log, roll_call, text in rows:
        tally = decode_tally(text.encode())
        known = table.update().where(table.c.log == log, table.c.id == roll_call)
        connection.execute(known.values(day=tally.day, search=tally.search_text))


def downgrade() -> None:
    for name, columns in INDEXES.items():
        op.drop_index(name, "roll_call")
        op.create_index(name, "roll_call", [*columns, "scheduled_seq"])
    for name in ADDED:
        op.drop_column("roll_call", name)
