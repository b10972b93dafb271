"""The timetable, the service clock and the processes that follow it."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision: str | None = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the tables, and the clock on real time."""
    _timetable()
    clock = op.create_table(
        "service_clock",
        sa.Column(
            "single", sa.Boolean, sa.CheckConstraint("single"), primary_key=True, server_default="true"
        ),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("set_to", sa.DateTime(timezone=True)),
    )
    op.bulk_insert(clock, [{"single": True, "version": 0, "set_to": None}])
    op.create_table(
        "clock_users",
        sa.Column("process_id", sa.Uuid, primary_key=True),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        prefixes=["UNLOGGED"],
    )


def _timetable() -> None:
    op.create_table(
        "timetable",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("number", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column("key", sa.Text, nullable=False, unique=True),
        sa.Column("request", sa.Text, nullable=False),
        sa.Column("body", sa.JSON, nullable=False),
        sa.Column("run_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("max_attempts", sa.Integer, nullable=False),
        sa.Column("state", sa.Text, nullable=False, server_default="waiting"),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("errors", JSONB, nullable=False, server_default="[]"),
        sa.Column("fence", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("generation", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("leased_until", sa.DateTime(timezone=True)),
        sa.Column("retry_at", sa.DateTime(timezone=True)),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint("state IN ('waiting', 'done', 'failed', 'cancelled')", name="known_state"),
    )
    waiting = sa.text("state = 'waiting'")
    op.create_index("timetable_waiting", "timetable", ["run_at", "number"], postgresql_where=waiting)
    ended = sa.text("ended_at IS NOT NULL")
    op.create_index("timetable_ended", "timetable", ["ended_at"], postgresql_where=ended)


def downgrade() -> None:
    """Drops them again."""
    op.drop_table("clock_users")
    op.drop_table("service_clock")
    op.drop_table("timetable")
