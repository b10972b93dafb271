"""What admins must know, as long as it lasts and afterwards."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the table."""
    op.execute(
        """
        CREATE TABLE alerts (
            id uuid PRIMARY KEY,
            kind text NOT NULL,
            subject text NOT NULL,
            since timestamptz NOT NULL,
            raised_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            told boolean NOT NULL,
            cleared_at timestamptz
        )
        """
    )
    # However many copies of checks see it: one.
    op.execute("CREATE UNIQUE INDEX alerts_open ON alerts (kind, subject) WHERE cleared_at IS NULL")
    op.execute("CREATE INDEX alerts_of_subject ON alerts (kind, subject, raised_at)")
    op.execute("CREATE INDEX alerts_raised ON alerts (raised_at)")


def downgrade() -> None:
    """Drops it again."""
    op.execute("DROP TABLE alerts")
