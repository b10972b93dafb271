"""An admin may take a business off."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision: str | None = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds since when and why."""
    op.add_column("businesses", sa.Column("suspended_at", sa.DateTime(timezone=True)))
    op.add_column("businesses", sa.Column("suspended_reason", sa.Text))


def downgrade() -> None:
    """Drops them again."""
    op.drop_column("businesses", "suspended_reason")
    op.drop_column("businesses", "suspended_at")
