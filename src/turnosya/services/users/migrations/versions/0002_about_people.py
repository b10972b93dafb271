"""How people want to be told, their devices, changes of number, confirmed addresses, and erasures."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0002"
down_revision: str | None = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the five tables."""
    op.create_table(
        "notification_settings",
        _of_a_person(primary_key=True),
        sa.Column("push", sa.Boolean, nullable=False),
        sa.Column("email", sa.Boolean, nullable=False),
        sa.Column("whatsapp_important", sa.Boolean, nullable=False),
        sa.Column("reminder_minutes_before", sa.ARRAY(sa.Integer), nullable=False),
        sa.Column("quiet_from", sa.Text),
        sa.Column("quiet_to", sa.Text),
    )
    op.create_table(
        "devices",
        sa.Column("token", sa.Text, primary_key=True),
        _of_a_person(),
        sa.Column("platform", sa.Text, nullable=False),
        sa.Column("subscription", JSONB(none_as_null=True)),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("devices_of_person", "devices", ["user_id", "seen_at"])
    op.create_table(
        "phone_changes",
        sa.Column("id", sa.Uuid, primary_key=True),
        _of_a_person(),
        sa.Column("previous_phone", sa.Text, nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("undo_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("undone_at", sa.DateTime(timezone=True)),
    )
    op.create_index("phone_changes_of_person", "phone_changes", ["user_id", "changed_at"])
    op.create_index("phone_changes_previous", "phone_changes", ["previous_phone", "undo_until"])
    op.create_table(
        "email_confirmations",
        _of_a_person(primary_key=True),
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("email", sa.Text, nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True)),
    )
    op.create_index("email_confirmations_id", "email_confirmations", ["id"], unique=True)
    # No foreign key: the person is gone from `people` when their erasure begins.
    op.create_table(
        "erasures",
        sa.Column("user_id", sa.Uuid, primary_key=True),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("waiting_for", sa.ARRAY(sa.Text), nullable=False),
    )


def _of_a_person(*, primary_key: bool = False) -> sa.Column[Any]:
    person = sa.ForeignKey("people.id", ondelete="CASCADE")
    return sa.Column("user_id", sa.Uuid, person, primary_key=primary_key, nullable=False)


def downgrade() -> None:
    """Drops them again."""
    for table in ("erasures", "email_confirmations", "phone_changes", "devices", "notification_settings"):
        op.drop_table(table)
