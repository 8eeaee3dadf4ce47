"""The events that were dealt with without a turn."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "dealt",
        sa.Column("event_key", sa.String(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("event_key"),
    )
    op.create_index("dealt_age", "dealt", ["at"], unique=False)
