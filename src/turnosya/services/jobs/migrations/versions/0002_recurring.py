"""What a job may say of itself: recurrence, priority, limits; and what became of each start."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def _added() -> list[sa.Column[Any]]:
    return [
        sa.Column("priority", sa.Integer, nullable=False, server_default="0"),
        sa.Column("backoff_s", JSONB, nullable=False, server_default="[]"),
        sa.Column("timeout_s", sa.Double, nullable=False, server_default="20"),
        sa.Column("concurrency_key", sa.Text),
        sa.Column("concurrency", sa.Integer, nullable=False, server_default="1"),
        sa.Column("recurs", JSONB),
        sa.Column("declared_by", sa.Text),
        sa.Column("revision", sa.Text, nullable=False, server_default=""),
        sa.Column("started_at", sa.DateTime(timezone=True)),
        sa.Column("missed_at", sa.DateTime(timezone=True)),
    ]


def upgrade() -> None:
    """Adds columns with constant defaults (nothing is rewritten), their indexes, and the table of runs."""
    for column in _added():
        op.add_column("timetable", column)
    shared = "concurrency_key IS NOT NULL AND (state = 'waiting' OR leased_until IS NOT NULL)"
    op.create_index("timetable_shared", "timetable", ["concurrency_key"], postgresql_where=sa.text(shared))
    in_order = sa.text("state = 'waiting' AND concurrency_key IS NULL")
    columns: list[str | sa.TextClause] = [sa.text("priority DESC"), "run_at", "number"]
    op.create_index("timetable_in_order", "timetable", [*columns], postgresql_where=in_order)
    recurring = sa.text("recurs IS NOT NULL")
    op.create_index("timetable_recurring", "timetable", ["key"], postgresql_where=recurring)
    op.create_table(
        "runs",
        sa.Column("number", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("job_id", sa.Uuid, nullable=False),
        sa.Column("run_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("error", sa.Text),
        sa.CheckConstraint("outcome IN ('done', 'retried', 'failed', 'left_out')", name="known_outcome"),
    )
    op.create_index("runs_of_job", "runs", ["job_id", "number"])
    op.create_index("runs_ended", "runs", ["ended_at"])


def downgrade() -> None:
    """Takes it away again; what recurs is no job then."""
    op.execute("DELETE FROM timetable WHERE recurs IS NOT NULL")
    op.drop_table("runs")
    op.drop_index("timetable_recurring", "timetable")
    op.drop_index("timetable_in_order", "timetable")
    op.drop_index("timetable_shared", "timetable")
    for column in _added():
        op.drop_column("timetable", column.name)
