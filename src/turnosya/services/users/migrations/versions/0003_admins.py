"""A handful of admins is found without looking at everybody."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the index, beside whoever writes: of millions of people it takes a while.

    A half-made one, of a process that was killed while it made it, is made anew.
    """
    with op.get_context().autocommit_block():
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS people_admins")
        op.execute("CREATE INDEX CONCURRENTLY people_admins ON people (id) WHERE 'admin' = ANY(roles)")


def downgrade() -> None:
    """Drops it again."""
    op.drop_index("people_admins", "people")
