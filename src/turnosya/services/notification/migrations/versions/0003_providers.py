"""What providers make of a delivery: claims, retries, receipts, other channels; who may not be written to."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision: str | None = "0002"
branch_labels = None
depends_on = None

_BEFORE = "state IN ('queued', 'sent', 'failed', 'suppressed')"
_NOW = "state IN ('queued', 'sent', 'delivered', 'read', 'failed', 'suppressed', 'unknown_outcome')"


def upgrade() -> None:
    """Adds columns that deliveries of before leave empty, and three tables."""
    op.execute(
        """
        ALTER TABLE deliveries
            ADD COLUMN ways jsonb NOT NULL DEFAULT '[]',
            ADD COLUMN attempts integer NOT NULL DEFAULT 0,
            ADD COLUMN claim uuid,
            ADD COLUMN claimed_until timestamptz,
            ADD COLUMN handed_at timestamptz,
            ADD COLUMN retry_at timestamptz,
            ADD COLUMN fallback_at timestamptz,
            ADD COLUMN provider_id text,
            ADD COLUMN delivered_at timestamptz,
            ADD COLUMN read_at timestamptz,
            ADD COLUMN turno_id uuid,
            ADD COLUMN turno_starts_at timestamptz
        """
    )
    op.execute("ALTER TABLE deliveries DROP CONSTRAINT known_state")
    op.execute(f"ALTER TABLE deliveries ADD CONSTRAINT known_state CHECK ({_NOW}) NOT VALID")
    op.execute("ALTER TABLE deliveries VALIDATE CONSTRAINT known_state")
    for name, columns, where in (
        ("deliveries_of_line", ["lane", "channel", "number"], "state = 'queued'"),
        ("deliveries_claimed", ["claimed_until"], "claim IS NOT NULL"),
        ("deliveries_to_fall_back", ["fallback_at"], "fallback_at IS NOT NULL"),
        ("deliveries_handed", ["address", "handed_at"], "channel = 'whatsapp' AND handed_at IS NOT NULL"),
    ):
        op.create_index(name, "deliveries", columns, postgresql_where=sa.text(where))
    op.create_index(
        "deliveries_of_provider",
        "deliveries",
        ["provider_id"],
        unique=True,
        postgresql_where=sa.text("provider_id IS NOT NULL"),
    )
    op.create_table(
        "suppressions",
        sa.Column("channel", sa.Text, primary_key=True),
        sa.Column("address", sa.Text, primary_key=True),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("until", sa.DateTime(timezone=True)),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    )
    op.create_table(
        "channels",
        sa.Column("channel", sa.Text, primary_key=True),
        sa.Column("next_at", sa.DateTime(timezone=True)),
        sa.Column("paused_until", sa.DateTime(timezone=True)),
        sa.Column("paused_for", sa.Text),
    )


def downgrade() -> None:
    """Drops them again; what has no state of before counts as sent."""
    op.drop_table("channels")
    op.drop_table("suppressions")
    for name in ("of_provider", "handed", "to_fall_back", "claimed", "of_line"):
        op.drop_index(f"deliveries_{name}", "deliveries")
    op.execute("ALTER TABLE deliveries DROP CONSTRAINT known_state")
    op.execute("UPDATE deliveries SET state = 'sent' WHERE state IN ('delivered', 'read')")
    op.execute("UPDATE deliveries SET state = 'failed' WHERE state = 'unknown_outcome'")
    op.execute(f"ALTER TABLE deliveries ADD CONSTRAINT known_state CHECK ({_BEFORE})")
    op.execute(
        """
        ALTER TABLE deliveries DROP COLUMN ways, DROP COLUMN attempts, DROP COLUMN claim,
            DROP COLUMN claimed_until, DROP COLUMN handed_at, DROP COLUMN retry_at, DROP COLUMN fallback_at,
            DROP COLUMN provider_id, DROP COLUMN delivered_at, DROP COLUMN read_at, DROP COLUMN turno_id,
            DROP COLUMN turno_starts_at
        """
    )
