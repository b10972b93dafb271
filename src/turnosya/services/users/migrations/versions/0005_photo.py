"""A photo: a file of the file service."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the column; nobody has one yet."""
    op.execute("ALTER TABLE people ADD COLUMN photo_file_id uuid")


def downgrade() -> None:
    """Drops it."""
    op.execute("ALTER TABLE people DROP COLUMN photo_file_id")
