"""What a workspace leaves behind is found without reading everything."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("usage_conversation", "usage", ["conversation_id"], unique=False)
    op.create_index("conversation_workspace", "conversations", ["platform", "workspace"], unique=False)
