"""What clients thought of a business, and what it is found by."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision: str | None = "0001"
branch_labels = None
depends_on = None

# What businesses that were opened before are found by; the service writes it from now on.
FOUND_BY = """
    UPDATE businesses SET
        sought_name = lower(translate(name, 'áéíóúüñàèìòùâêôãõçÁÉÍÓÚÜÑÀÈÌÒÙÂÊÔÃÕÇ',
                                            'aeiouunaeiouaeoaocAEIOUUNAEIOUAEOAOC')),
        sought = lower(translate(concat_ws(' ', name, category, description),
                                 'áéíóúüñàèìòùâêôãõçÁÉÍÓÚÜÑÀÈÌÒÙÂÊÔÃÕÇ',
                                 'aeiouunaeiouaeoaocAEIOUUNAEIOUAEOAOC'))
"""


def upgrade() -> None:
    """Makes the table and the columns; trigrams are an extension that the owner of a database may add."""
    op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    counts = sa.text("'{0,0,0,0,0}'")
    op.add_column(
        "businesses", sa.Column("rating_counts", sa.ARRAY(sa.Integer), nullable=False, server_default=counts)
    )
    for name in ("sought_name", "sought"):
        op.add_column("businesses", sa.Column(name, sa.Text, nullable=False, server_default=""))
    op.execute(FOUND_BY)
    op.execute("CREATE INDEX businesses_sought ON businesses USING gin (sought gin_trgm_ops)")
    op.create_index("businesses_place", "businesses", ["lat", "lon"])
    op.create_table(
        "ratings",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("business_id", sa.Uuid, sa.ForeignKey("businesses.id"), nullable=False),
        sa.Column("user_id", sa.Uuid),
        sa.Column("author_name", sa.Text),
        sa.Column("stars", sa.Integer, nullable=False),
        sa.Column("comment", sa.Text),
        sa.Column("reply", sa.Text),
        sa.Column("replied_at", sa.DateTime(timezone=True)),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True)),
        sa.Column("removed_reason", sa.Text),
        sa.UniqueConstraint("business_id", "user_id", name="one_rating_each"),
        sa.CheckConstraint("stars BETWEEN 1 AND 5", name="one_to_five_stars"),
    )
    op.create_index("ratings_of_user", "ratings", ["user_id"])


def downgrade() -> None:
    """Drops them again."""
    op.drop_table("ratings")
    op.drop_index("businesses_place", "businesses")
    op.drop_index("businesses_sought", "businesses")
    for name in ("sought", "sought_name", "rating_counts"):
        op.drop_column("businesses", name)
