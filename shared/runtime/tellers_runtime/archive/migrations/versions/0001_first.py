"""The first schema: log, lease, event, roll_call, vote."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "log",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("epoch", sa.String(32), nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "lease",
        sa.Column("name", sa.String(128), primary_key=True),
        sa.Column("fence", sa.BigInteger, nullable=False),
        sa.Column("holder", sa.String(128), nullable=False),
        sa.Column("beat", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "event",
        sa.Column("log", sa.String(64), primary_key=True),
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("roll_call", sa.String(64), nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_index("event_of_roll_call", "event", ["log", "roll_call", "seq"])
    op.create_table(
        "roll_call",
        sa.Column("log", sa.String(64), primary_key=True),
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("scheduled_seq", sa.BigInteger, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("phase", sa.String(16), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        *(
            sa.Column(name, sa.Integer, nullable=False)
            for name in ("yes", "no", "abstain", "not_voting", "entitled", "members")
        ),
        sa.Column("held_seq", sa.BigInteger, nullable=True),
        sa.Column("tally", sa.Text, nullable=False),
    )
    op.create_index("roll_call_newest", "roll_call", ["log", "scheduled_seq"])
    op.create_index("roll_call_phase", "roll_call", ["log", "phase", "scheduled_seq"])
    op.create_table(
        "vote",
        sa.Column("log", sa.String(64), primary_key=True),
        sa.Column("roll_call", sa.String(64), primary_key=True),
        sa.Column("delegation", sa.String(3), primary_key=True),
        sa.Column("vote", sa.String(8), nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    for table in ("vote", "roll_call", "event", "lease", "log"):
        op.drop_table(table)
