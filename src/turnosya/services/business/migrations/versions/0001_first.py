"""Businesses, what they offer and who works there."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision: str | None = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the three tables."""
    op.create_table(
        "businesses",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("last_version", sa.Integer, nullable=False),
        sa.Column("owner_id", sa.Uuid, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("timezone", sa.Text, nullable=False),
        sa.Column("description", sa.Text),
        sa.Column("category", sa.Text),
        sa.Column("address", JSONB),
        sa.Column("lat", sa.Double),
        sa.Column("lon", sa.Double),
        sa.Column("phone", sa.Text),
        sa.Column("email", sa.Text),
        sa.Column("website", sa.Text),
        sa.Column("accepted_payments", sa.ARRAY(sa.Text)),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deleted", sa.Boolean, nullable=False),
    )
    op.create_index("businesses_owner_id", "businesses", ["owner_id", "id"])
    op.create_table(
        "services",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("business_id", sa.Uuid, sa.ForeignKey("businesses.id"), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("duration_minutes", sa.Integer, nullable=False),
        sa.Column("price_amount", sa.BigInteger),
        sa.Column("price_currency", sa.Text),
        sa.Column("description", sa.Text),
        sa.Column("buffer_before_minutes", sa.Integer, nullable=False),
        sa.Column("buffer_after_minutes", sa.Integer, nullable=False),
        sa.Column("capacity", sa.Integer, nullable=False),
        sa.Column("staff_ids", sa.ARRAY(sa.Uuid)),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deleted", sa.Boolean, nullable=False),
    )
    op.create_index("services_business_id", "services", ["business_id", "id"])
    op.create_table(
        "staff",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("business_id", sa.Uuid, sa.ForeignKey("businesses.id"), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("user_id", sa.Uuid),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deleted", sa.Boolean, nullable=False),
    )
    op.create_index("staff_business_id", "staff", ["business_id", "id"])
    op.create_index(
        "staff_user_key",
        "staff",
        ["business_id", "user_id"],
        unique=True,
        postgresql_where=sa.text("NOT deleted"),
    )


def downgrade() -> None:
    """Drops them again."""
    op.drop_table("staff")
    op.drop_table("services")
    op.drop_table("businesses")
