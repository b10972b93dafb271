"""The session in which a device was added: it gets no more messages when that ends."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision: str | None = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the column; of devices that are there it is not known until they are seen again."""
    op.add_column("devices", sa.Column("session_id", sa.Uuid))


def downgrade() -> None:
    """Drops it again."""
    op.drop_column("devices", "session_id")
