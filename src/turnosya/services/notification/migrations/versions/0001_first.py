"""Deliveries, and the messages that development shows."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision: str | None = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes both tables."""
    op.create_table(
        "deliveries",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("number", sa.BigInteger, sa.Identity(always=True), nullable=False, unique=True),
        sa.Column("occasion", sa.Text, nullable=False),
        sa.Column("person", sa.Text, nullable=False),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("template", sa.Text, nullable=False),
        sa.Column("reader", sa.Text, nullable=False),
        sa.Column("locale", sa.Text, nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("user_id", sa.Uuid),
        sa.Column("phone", sa.Text),
        sa.Column("email", sa.Text),
        sa.Column("facts", JSONB, nullable=False),
        sa.Column("data", JSONB, nullable=False),
        sa.Column("sealed", sa.LargeBinary),
        sa.Column("lane", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False, server_default="queued"),
        sa.Column("reason", sa.Text),
        sa.Column("expires_at", sa.DateTime(timezone=True)),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.UniqueConstraint("occasion", "person", "channel", "template", name="one_delivery_each"),
        sa.CheckConstraint("state IN ('queued', 'sent', 'failed', 'suppressed')", name="known_state"),
    )
    queued = sa.text("state = 'queued'")
    op.create_index("deliveries_waiting", "deliveries", ["lane", "number"], postgresql_where=queued)
    ended = sa.text("ended_at IS NOT NULL")
    op.create_index("deliveries_ended", "deliveries", ["ended_at"], postgresql_where=ended)
    op.create_table(
        "messages",
        sa.Column("id", sa.Uuid, sa.ForeignKey("deliveries.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("number", sa.BigInteger, nullable=False, unique=True),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("template", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("data", JSONB, nullable=False),
        sa.Column("user_id", sa.Uuid),
        sa.Column("phone", sa.Text),
        sa.Column("email", sa.Text),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=False),
    )
    for column in ("user_id", "phone", "email"):
        name = f"messages_of_{column.removesuffix('_id')}"
        op.create_index(name, "messages", [column, "number"])


def downgrade() -> None:
    """Drops them again."""
    op.drop_table("messages")
    op.drop_table("deliveries")
