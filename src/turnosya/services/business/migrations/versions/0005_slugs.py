"""Every business has a word by which its page is addressed."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision: str | None = "0004"
branch_labels = None
depends_on = None

# As the service makes them (`slugs.py`): the first of a name has it alone.
FILL = """
    UPDATE businesses SET slug = named.slug
    FROM (
        SELECT id, CASE
            WHEN base <> '' AND row_number() OVER (PARTITION BY base ORDER BY id) = 1 THEN base
            ELSE coalesce(nullif(base, ''), 'b') || '-' || right(replace(CAST(id AS text), '-', ''), 8)
        END AS slug
        FROM (
            SELECT id, trim('-' FROM left(
                trim('-' FROM regexp_replace(sought_name, '[^a-z0-9]+', '-', 'g')), 60)) AS base
            FROM businesses
        ) AS plain
    ) AS named
    WHERE named.id = businesses.id
"""


def upgrade() -> None:
    """Adds it, and gives one to those that are there."""
    op.add_column("businesses", sa.Column("slug", sa.Text))
    op.execute(FILL)
    op.alter_column("businesses", "slug", nullable=False)
    op.create_index("businesses_slug", "businesses", ["slug"], unique=True)


def downgrade() -> None:
    """Drops it again."""
    op.drop_index("businesses_slug", "businesses")
    op.drop_column("businesses", "slug")
