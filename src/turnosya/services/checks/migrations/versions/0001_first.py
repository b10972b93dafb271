"""The audit: what happened to accounts."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision: str | None = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the table."""
    op.create_table(
        "audit",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("service", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("actor_id", sa.Uuid),
        sa.Column("subject_id", sa.Uuid),
        sa.Column("session_id", sa.Uuid),
        sa.Column("reason", sa.Text),
    )
    op.create_index("audit_at", "audit", ["at", "id"])
    op.create_index("audit_of_actor", "audit", ["actor_id", "at", "id"])
    op.create_index("audit_of_subject", "audit", ["subject_id", "at", "id"])
    op.create_index("audit_of_kind", "audit", ["kind", "at", "id"])


def downgrade() -> None:
    """Drops it again."""
    op.drop_table("audit")
