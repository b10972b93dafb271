"""Businesses whose owner's papers an admin has seen are verified for a while."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision: str | None = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the tables and the column."""
    op.add_column("businesses", sa.Column("verified_until", sa.DateTime(timezone=True)))
    op.create_index(
        "businesses_verified",
        "businesses",
        ["verified_until"],
        postgresql_where=sa.text("verified_until IS NOT NULL"),
    )
    op.create_table(
        "verifications",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("business_id", sa.Uuid, sa.ForeignKey("businesses.id"), nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("documents", sa.ARRAY(sa.Uuid), nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True)),
        sa.Column("expires_at", sa.DateTime(timezone=True)),
        sa.Column("next_step_at", sa.DateTime(timezone=True)),
    )
    for status in ("pending", "approved"):
        op.create_index(
            f"verifications_{status}",
            "verifications",
            ["business_id"],
            unique=True,
            postgresql_where=sa.text(f"status = '{status}'"),
        )
    op.create_index("verifications_of_business", "verifications", ["business_id", "id"])
    op.create_index("verifications_queue", "verifications", ["status", "id"])
    op.create_index(
        "verifications_due",
        "verifications",
        ["next_step_at"],
        postgresql_where=sa.text("next_step_at IS NOT NULL"),
    )
    op.create_table(
        "verification_steps",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("verification_id", sa.Uuid, sa.ForeignKey("verifications.id"), nullable=False),
        sa.Column("business_id", sa.Uuid, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("what", sa.Text, nullable=False),
        sa.Column("actor_id", sa.Uuid),
        sa.Column("reason", sa.Text),
    )
    op.create_index("verification_steps_of_business", "verification_steps", ["business_id", "id"])
    op.create_index("verification_steps_of_actor", "verification_steps", ["actor_id"])


def downgrade() -> None:
    """Drops them again."""
    op.drop_table("verification_steps")
    op.drop_table("verifications")
    op.drop_index("businesses_verified", "businesses")
    op.drop_column("businesses", "verified_until")
