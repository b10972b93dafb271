"""The tables of jobs: the timetable, what was made of it, the service clock and who follows it."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Double,
    Identity,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData()

timetable = Table(
    "timetable",
    metadata,
    Column("id", Uuid, primary_key=True),
    # Of two jobs for the same instant the one scheduled first is started first.
    Column("number", BigInteger, Identity(always=True), nullable=False),
    Column("key", Text, nullable=False, unique=True),
    Column("request", Text, nullable=False),
    # JSON as it was given (jsonb would refuse \u0000 and round numbers).
    Column("body", JSON, nullable=False),
    # On the service clock; every other time here is real, by this server.
    Column("run_at", DateTime(timezone=True), nullable=False),
    Column("max_attempts", Integer, nullable=False),
    Column("state", Text, nullable=False, server_default="waiting"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("errors", JSONB, nullable=False, server_default="[]"),
    # Grows with each start: only the newest start may write what became of the job.
    Column("fence", BigInteger, nullable=False, server_default="0"),
    # Grows when the key is scheduled anew or cancelled: what still runs then is of an older one.
    Column("generation", BigInteger, nullable=False, server_default="0"),
    Column("leased_until", DateTime(timezone=True)),
    Column("retry_at", DateTime(timezone=True)),
    Column("priority", Integer, nullable=False, server_default="0"),
    Column("backoff_s", JSONB, nullable=False, server_default="[]"),
    Column("timeout_s", Double, nullable=False, server_default="20"),
    Column("concurrency_key", Text),
    Column("concurrency", Integer, nullable=False, server_default="1"),
    # A Recurrence; null where it comes once.
    Column("recurs", JSONB),
    # The service that says this of itself at its start, and what it said last.
    Column("declared_by", Text),
    Column("revision", Text, nullable=False, server_default=""),
    Column("started_at", DateTime(timezone=True)),
    # The ``run_at`` of which it was told that it is missed.
    Column("missed_at", DateTime(timezone=True)),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("ended_at", DateTime(timezone=True)),
    CheckConstraint("state IN ('waiting', 'done', 'failed', 'cancelled')", name="known_state"),
    Index("timetable_waiting", "run_at", "number", postgresql_where=text("state = 'waiting'")),
    Index(
        "timetable_shared",
        "concurrency_key",
        postgresql_where=text(
            "concurrency_key IS NOT NULL AND (state = 'waiting' OR leased_until IS NOT NULL)"
        ),
    ),
    Index("timetable_recurring", "key", postgresql_where=text("recurs IS NOT NULL")),
    Index(
        "timetable_in_order",
        text("priority DESC"),
        "run_at",
        "number",
        postgresql_where=text("state = 'waiting' AND concurrency_key IS NULL"),
    ),
    Index("timetable_ended", "ended_at", postgresql_where=text("ended_at IS NOT NULL")),
)

# What became of each start. A key scheduled anew, and each time of what recurs, keeps the earlier ones.
runs = Table(
    "runs",
    metadata,
    Column("number", BigInteger, Identity(always=True), primary_key=True),
    Column("job_id", Uuid, nullable=False),
    Column("run_at", DateTime(timezone=True), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("started_at", DateTime(timezone=True), nullable=False),
    Column("ended_at", DateTime(timezone=True), nullable=False),
    Column("outcome", Text, nullable=False),
    Column("error", Text),
    CheckConstraint("outcome IN ('done', 'retried', 'failed', 'left_out')", name="known_outcome"),
    Index("runs_of_job", "job_id", "number"),
    Index("runs_ended", "ended_at"),
)

# One row. The version also tells an older move from a newer one after a restart.
service_clock = Table(
    "service_clock",
    metadata,
    Column("single", Boolean, CheckConstraint("single"), primary_key=True, server_default="true"),
    Column("version", BigInteger, nullable=False),
    Column("set_to", DateTime(timezone=True)),
)

# Unlogged: whoever lives says so again within a second of a crash.
clock_users = Table(
    "clock_users",
    metadata,
    Column("process_id", Uuid, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("seen_at", DateTime(timezone=True), nullable=False),
    prefixes=["UNLOGGED"],
)
