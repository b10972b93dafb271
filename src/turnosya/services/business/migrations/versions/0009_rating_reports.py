"""Whoever thinks that a rating should not be there says so, and an admin looks at it."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision: str | None = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the table."""
    op.create_table(
        "rating_reports",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("rating_id", sa.Uuid, sa.ForeignKey("ratings.id", ondelete="CASCADE"), nullable=False),
        sa.Column("user_id", sa.Uuid, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True)),
        sa.UniqueConstraint("rating_id", "user_id", name="one_report_each"),
    )
    op.create_index(
        "rating_reports_open", "rating_reports", ["id"], postgresql_where=sa.text("settled_at IS NULL")
    )
    op.create_index("rating_reports_of_user", "rating_reports", ["user_id"])


def downgrade() -> None:
    """Drops it again."""
    op.drop_table("rating_reports")
