"""Outbox, inbox and kept answers."""

from alembic import op

revision = "runtime_0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the tables."""
    op.execute(
        """
        CREATE TABLE outbox (
            sequence bigserial PRIMARY KEY,
            id uuid NOT NULL UNIQUE,
            wire_name text NOT NULL,
            aggregate text NOT NULL,
            body bytea NOT NULL,
            headers jsonb NOT NULL,
            created_at timestamptz NOT NULL DEFAULT clock_timestamp()
        )
        """
    )
    op.execute(
        """
        CREATE TABLE inbox (
            event_id uuid NOT NULL,
            hearer text NOT NULL,
            wire_name text NOT NULL,
            aggregate text NOT NULL,
            sequence bigint NOT NULL,
            body bytea NOT NULL,
            request_id text,
            traceparent text,
            state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'done', 'dead')),
            attempts integer NOT NULL DEFAULT 0,
            due_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            lease uuid,
            leased_until timestamptz,
            error text,
            received_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            done_at timestamptz,
            PRIMARY KEY (event_id, hearer)
        )
        """
    )
    op.execute("CREATE INDEX inbox_due ON inbox (due_at) WHERE state = 'waiting'")
    op.execute("CREATE INDEX inbox_order ON inbox (hearer, aggregate, sequence) WHERE state = 'waiting'")
    op.execute("CREATE INDEX inbox_ended ON inbox (done_at) WHERE state <> 'waiting'")
    op.execute(
        """
        CREATE TABLE kept_answers (
            key bytea PRIMARY KEY,
            body_digest bytea NOT NULL,
            status integer NOT NULL,
            answer jsonb,
            kept_at timestamptz NOT NULL DEFAULT clock_timestamp()
        )
        """
    )
    op.execute("CREATE INDEX kept_answers_age ON kept_answers (kept_at)")


def downgrade() -> None:
    """Drops the tables."""
    for table in ("kept_answers", "inbox", "outbox"):
        op.execute(f"DROP TABLE {table}")
