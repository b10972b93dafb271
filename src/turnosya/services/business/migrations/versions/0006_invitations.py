"""Who was invited to say how it was: once for each business."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision: str | None = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the table."""
    op.create_table(
        "rating_invitations",
        sa.Column("business_id", sa.Uuid, sa.ForeignKey("businesses.id"), primary_key=True),
        sa.Column("user_id", sa.Uuid, primary_key=True),
        sa.Column("invited_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("rating_invitations_of_user", "rating_invitations", ["user_id"])


def downgrade() -> None:
    """Drops it again."""
    op.drop_table("rating_invitations")
