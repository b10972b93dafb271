"""Up to which number messages are kept no longer: what is not there is not unread."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision: str | None = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds a column."""
    op.add_column("conversations", sa.Column("dropped_seq", sa.Integer, nullable=False, server_default="0"))


def downgrade() -> None:
    """Drops it again."""
    op.drop_column("conversations", "dropped_seq")
