"""What was sold, as often as somebody said so."""

from alembic import op

revision = "bakery_0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE TABLE sold (number integer NOT NULL, by text NOT NULL DEFAULT '')")


def downgrade() -> None:
    op.execute("DROP TABLE sold")
