"""When somebody's addresses were last asked about, so that nobody is flooded."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision: str | None = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the column; its default is constant, so no row is written."""
    instants = sa.ARRAY(sa.DateTime(timezone=True))
    default = sa.text("'{}'")
    op.add_column(
        "email_confirmations", sa.Column("asked_lately", instants, nullable=False, server_default=default)
    )


def downgrade() -> None:
    """Drops it again."""
    op.drop_column("email_confirmations", "asked_lately")
