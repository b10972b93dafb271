"""The central log in daily partitions, and how each service was on each day."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the tables; checks makes the days itself."""
    # Errors are kept longer, so that each kind has days of its own to drop.
    op.execute(
        """
        CREATE TABLE log_lines (
            is_error boolean NOT NULL,
            at timestamptz NOT NULL,
            id uuid NOT NULL,
            level text NOT NULL,
            service text NOT NULL,
            event text NOT NULL,
            request_id text,
            fields text NOT NULL,
            stored_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            PRIMARY KEY (is_error, at, id)
        ) PARTITION BY LIST (is_error)
        """
    )
    for name, is_error in (("log_plain", "false"), ("log_errors", "true")):
        op.execute(
            f"CREATE TABLE {name} PARTITION OF log_lines FOR VALUES IN ({is_error}) PARTITION BY RANGE (at)"
        )
        # What no day has been made for; must stay empty.
        op.execute(f"CREATE TABLE {name}_default PARTITION OF {name} DEFAULT")
    op.execute("CREATE INDEX log_at ON log_lines (at, id)")
    op.execute("CREATE INDEX log_of_request ON log_lines (request_id) WHERE request_id IS NOT NULL")
    op.execute("CREATE INDEX log_stored ON log_lines (stored_at)")
    op.execute(
        """
        CREATE TABLE health_days (
            service text NOT NULL,
            day date NOT NULL,
            well integer NOT NULL,
            unwell integer NOT NULL,
            down integer NOT NULL,
            PRIMARY KEY (service, day)
        )
        """
    )


def downgrade() -> None:
    """Drops them again."""
    op.execute("DROP TABLE health_days")
    op.execute("DROP TABLE log_lines")
