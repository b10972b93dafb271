"""Links that are made when a message is written, whom it names, and the daily number of codes."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0002"
down_revision: str | None = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds two columns and makes a table."""
    op.add_column("deliveries", sa.Column("link", JSONB(none_as_null=True)))
    op.add_column("deliveries", sa.Column("about_user_id", sa.Uuid))
    op.create_index("deliveries_of_user", "deliveries", ["user_id"])
    op.create_index("deliveries_about_user", "deliveries", ["about_user_id"])
    op.create_table(
        "code_days",
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column("sent", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    """Drops them again."""
    op.drop_table("code_days")
    op.drop_column("deliveries", "about_user_id")
    op.drop_index("deliveries_of_user", "deliveries")
    op.drop_column("deliveries", "link")
