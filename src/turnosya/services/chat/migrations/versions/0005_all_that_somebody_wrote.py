"""What somebody wrote, part by part: an export reads all of it."""

from alembic import op

revision = "0005"
down_revision: str | None = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Another index in place of the one by sender alone; no writer waits.

    A half-made one, of a process that was killed while it made it, is made anew.
    """
    with op.get_context().autocommit_block():
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS messages_written_by")
        op.execute("CREATE INDEX CONCURRENTLY messages_written_by ON messages (sender_id, id)")
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS messages_of_sender")


def downgrade() -> None:
    """The former one again."""
    with op.get_context().autocommit_block():
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS messages_of_sender")
        op.execute("CREATE INDEX CONCURRENTLY messages_of_sender ON messages (sender_id)")
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS messages_written_by")
