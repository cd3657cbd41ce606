"""What an endpoint allowed when it was asked, and the key it was registered with."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

ADDED = {
    "origin": sa.Text(),
    "registration_key": sa.String(64),
    "registration_said": sa.String(64),
}
INDEX = "webhook_endpoint_registration"


def upgrade() -> None:
    for name, kind in ADDED.items():
        op.add_column("webhook_endpoint", sa.Column(name, kind))
    op.create_index(INDEX, "webhook_endpoint", ["registration_key"], unique=True)


def downgrade() -> None:
    op.drop_index(INDEX, "webhook_endpoint")
    for name in ADDED:
        op.drop_column("webhook_endpoint", name)
