"""With which version of its conversation a message lost its words, so that open apps hear of it."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision: str | None = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds a column."""
    op.add_column("messages", sa.Column("erased_version", sa.BigInteger))


def downgrade() -> None:
    """Drops it again."""
    op.drop_column("messages", "erased_version")
