"""What a business shows of itself: a profile image, a portrait, a gallery."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision: str | None = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the table."""
    op.create_table(
        "pictures",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("business_id", sa.Uuid, sa.ForeignKey("businesses.id"), nullable=False),
        sa.Column("place", sa.Text, nullable=False),
        sa.Column("file_id", sa.Uuid, nullable=False),
        sa.Column("width", sa.Integer),
        sa.Column("height", sa.Integer),
        sa.Column("caption", sa.Text),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("place IN ('profile_image', 'portrait_image', 'gallery')", name="known_places"),
        sa.UniqueConstraint("business_id", "place", "file_id", name="a_file_once_at_a_place"),
    )
    op.create_index(
        "pictures_one_each",
        "pictures",
        ["business_id", "place"],
        unique=True,
        postgresql_where=sa.text("place <> 'gallery'"),
    )


def downgrade() -> None:
    """Drops it again."""
    op.drop_table("pictures")
