"""A reminder that waits to be sent knows when its reader's next quiet hours are."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision: str | None = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds them; those that wait already have none."""
    for name in ("quiet_from", "quiet_until"):
        op.add_column("deliveries", sa.Column(name, sa.DateTime(timezone=True)))


def downgrade() -> None:
    """Drops them again."""
    for name in ("quiet_until", "quiet_from"):
        op.drop_column("deliveries", name)
