"""What of a conversation changed with which version, so that each change is shown as its own event."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision: str | None = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds two columns."""
    op.add_column(
        "conversations", sa.Column("state_version", sa.BigInteger, nullable=False, server_default="0")
    )
    op.add_column("marks", sa.Column("delivered_version", sa.BigInteger, nullable=False, server_default="0"))


def downgrade() -> None:
    """Drops them again."""
    op.drop_column("marks", "delivered_version")
    op.drop_column("conversations", "state_version")
