"""Reminders and agendas of owners; the turnos they are about; answers that came by WhatsApp."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0004"
down_revision: str | None = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes six tables."""
    instant = sa.DateTime(timezone=True)
    op.create_table(
        "kept_turnos",
        sa.Column("appointment_id", sa.Uuid, primary_key=True),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("starts_at", instant, nullable=False),
        sa.Column("business_id", sa.Uuid, nullable=False),
        sa.Column("owner_id", sa.Uuid, nullable=False),
        sa.Column("client_id", sa.Uuid),
        sa.Column("appointment", JSONB, nullable=False),
    )
    op.create_index("kept_turnos_of_business", "kept_turnos", ["business_id", "starts_at"])
    op.create_index("kept_turnos_of_client", "kept_turnos", ["client_id"])
    op.create_index("kept_turnos_over", "kept_turnos", ["starts_at"])
    op.create_table(
        "reminders",
        sa.Column(
            "appointment_id",
            sa.Uuid,
            sa.ForeignKey("kept_turnos.appointment_id", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("minutes_before", sa.Integer, primary_key=True),
        sa.Column("due_at", instant, nullable=False),
    )
    op.create_index("reminders_due", "reminders", ["due_at"])
    op.create_table(
        "agendas",
        sa.Column("business_id", sa.Uuid, primary_key=True),
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("owner_id", sa.Uuid, nullable=False),
        sa.Column("timezone", sa.Text, nullable=False),
        sa.Column("next_at", instant, nullable=False),
        sa.CheckConstraint("kind IN ('daily', 'weekly')", name="known_kind"),
    )
    op.create_index("agendas_due", "agendas", ["next_at"])
    op.create_index("agendas_of_owner", "agendas", ["owner_id"])
    op.create_table(
        "agenda_settings",
        sa.Column("owner_id", sa.Uuid, primary_key=True),
        sa.Column("daily_at", sa.Text),
        sa.Column("weekly_at", sa.Text),
        sa.Column("weekday", sa.Integer, nullable=False, server_default="1"),
    )
    op.create_table(
        "wakes", sa.Column("name", sa.Text, primary_key=True), sa.Column("run_at", instant, nullable=False)
    )
    op.create_table(
        "words",
        sa.Column("provider_id", sa.Text, primary_key=True),
        sa.Column("received_at", instant, nullable=False, server_default=sa.func.now()),
    )


def downgrade() -> None:
    """Drops them again."""
    for table in ("words", "wakes", "agenda_settings", "agendas", "reminders", "kept_turnos"):
        op.drop_table(table)
