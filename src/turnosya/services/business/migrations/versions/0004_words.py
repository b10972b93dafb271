"""Businesses are found by words, stems and beginnings; typing errors by the list of all words."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TSVECTOR

revision = "0004"
down_revision: str | None = "0003"
branch_labels = None
depends_on = None

# What businesses that were opened before are found by; the service writes it from now on.
FILL = """
    UPDATE businesses SET
        sought_category = lower(translate(category, 'áéíóúüñàèìòùâêôãõçÁÉÍÓÚÜÑÀÈÌÒÙÂÊÔÃÕÇ',
                                                    'aeiouunaeiouaeoaocAEIOUUNAEIOUAEOAOC')),
        words = setweight(to_tsvector('spanish', sought_name), 'A')
             || setweight(to_tsvector('simple', sought_name), 'A')
             || setweight(to_tsvector('spanish', sought), 'C'),
        average = CAST(rating_counts[1] + 2 * rating_counts[2] + 3 * rating_counts[3]
                       + 4 * rating_counts[4] + 5 * rating_counts[5] AS double precision)
                  / nullif(rating_counts[1] + rating_counts[2] + rating_counts[3]
                           + rating_counts[4] + rating_counts[5], 0),
        esteem = CAST(12 + rating_counts[1] + 2 * rating_counts[2] + 3 * rating_counts[3]
                      + 4 * rating_counts[4] + 5 * rating_counts[5] AS double precision)
                 / (3 + rating_counts[1] + rating_counts[2] + rating_counts[3]
                    + rating_counts[4] + rating_counts[5])
"""
KEEP_WORDS = """
    INSERT INTO search_words (word)
    SELECT DISTINCT word FROM businesses, regexp_split_to_table(sought, '[^[:alnum:]]+') AS word
    WHERE NOT deleted AND length(word) >= 4 AND word !~ '^[0-9]+$'
"""


def upgrade() -> None:
    """Makes the list and the columns; the trigrams of whole texts are not needed any more."""
    op.create_table("search_words", sa.Column("word", sa.Text, primary_key=True))
    op.add_column("businesses", sa.Column("sought_category", sa.Text))
    op.add_column("businesses", sa.Column("words", TSVECTOR, nullable=False, server_default=""))
    op.add_column("businesses", sa.Column("esteem", sa.Double, nullable=False, server_default="4"))
    op.add_column("businesses", sa.Column("average", sa.Double))
    op.execute(FILL)
    op.execute(KEEP_WORDS)
    op.execute("CREATE INDEX search_words_alike ON search_words USING gin (word gin_trgm_ops)")
    op.create_index("businesses_words", "businesses", ["words"], postgresql_using="gin")
    op.create_index("businesses_category", "businesses", ["sought_category"])
    op.create_index("businesses_average", "businesses", ["average"])
    op.execute("CREATE INDEX businesses_esteem ON businesses ((-esteem), id)")
    op.execute(
        "CREATE INDEX businesses_newest ON businesses"
        " ((CAST(-extract(epoch FROM created_at AT TIME ZONE 'UTC') AS double precision)), id)"
    )
    op.drop_index("businesses_sought", "businesses")
    op.drop_column("businesses", "sought")


def downgrade() -> None:
    """Drops them again."""
    op.add_column("businesses", sa.Column("sought", sa.Text, nullable=False, server_default=""))
    op.execute(
        "UPDATE businesses SET sought = lower(translate(concat_ws(' ', name, category, description),"
        " 'áéíóúüñàèìòùâêôãõçÁÉÍÓÚÜÑÀÈÌÒÙÂÊÔÃÕÇ', 'aeiouunaeiouaeoaocAEIOUUNAEIOUAEOAOC'))"
    )
    op.execute("CREATE INDEX businesses_sought ON businesses USING gin (sought gin_trgm_ops)")
    for name in ("newest", "esteem", "average", "category", "words"):
        op.drop_index(f"businesses_{name}", "businesses")
    for name in ("esteem", "average", "words", "sought_category"):
        op.drop_column("businesses", name)
    op.drop_table("search_words")
