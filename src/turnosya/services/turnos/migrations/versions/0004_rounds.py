"""What a closure's plan was worth, and when who still waited was planned for once more."""

from alembic import op

revision = "0004"
down_revision: str | None = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds two columns that closures of before leave empty."""
    op.execute("ALTER TABLE closures ADD COLUMN plan jsonb, ADD COLUMN second_round_at timestamptz")


def downgrade() -> None:
    """Drops them."""
    op.execute("ALTER TABLE closures DROP COLUMN plan, DROP COLUMN second_round_at")
