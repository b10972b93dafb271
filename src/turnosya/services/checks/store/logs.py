"""The SQL of the central log: a table for each day, errors apart because they are kept longer."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import text

from turnosya.contracts.checks import LogLine
from turnosya.runtime.database import Database, Transaction

# One statement and one parameter for a whole batch.
_KEEP = text(
    """
    INSERT INTO log_lines (is_error, at, id, level, service, event, request_id, fields)
    SELECT level IN ('error', 'critical'), at, id, level, service, event, request_id, fields
    FROM json_to_recordset(CAST(:lines AS json)) AS line (
        at timestamptz, id uuid, level text, service text, event text, request_id text, fields text)
    ON CONFLICT DO NOTHING
    """
)
_COLUMNS = "id, at, level, service, event, request_id, fields"
_FIND = text(
    f"""
    SELECT {_COLUMNS} FROM log_lines
    WHERE (CAST(:level AS text) IS NULL OR level = :level)
      AND (CAST(:service AS text) IS NULL OR service = :service)
      AND (CAST(:request_id AS text) IS NULL OR request_id = :request_id)
      AND (CAST(:words AS text) IS NULL OR event ILIKE :words OR fields ILIKE :words)
      AND at >= :since AND at < :until
      AND (CAST(:at_before AS timestamptz) IS NULL OR (at, id) < (:at_before, CAST(:id_before AS uuid)))
    ORDER BY at DESC, id DESC LIMIT :limit
    """  # noqa: S608 - constants of this file
)
_NEW = text(
    f"SELECT {_COLUMNS} FROM log_lines WHERE stored_at >= clock_timestamp() - make_interval(secs => :seconds)"  # noqa: S608 - constants of this file
    " AND id <> ALL(:shown) ORDER BY stored_at, at, id LIMIT :limit"
)
_DAYS = text(
    "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
    " WHERE i.inhparent = to_regclass(:parent) AND c.relname NOT LIKE '%\\_default'"
)
# Two copies must not make the same day at once.
_ALONE = text("SELECT pg_advisory_xact_lock(hashtext('checks:log_days'))")


@dataclass(frozen=True, slots=True)
class Lines:
    """Which lines are looked for; None is any. ``words`` is anywhere in the event or its fields."""

    since: datetime
    until: datetime
    level: str | None = None
    service: str | None = None
    request_id: str | None = None
    words: str | None = None


async def keep(db: Database, lines: Sequence[LogLine]) -> None:
    """Stores lines; those that are there stay as they are."""
    await db.write(_KEEP, {"lines": json.dumps([line.model_dump(mode="json") for line in lines])})


async def find(
    tx: Transaction, sought: Lines, *, before: tuple[datetime, UUID] | None, limit: int
) -> list[LogLine]:
    """Lines, the latest first, those before the one given."""
    escaped = None if sought.words is None else _escaped(sought.words)
    values = {
        "level": sought.level,
        "service": sought.service,
        "request_id": sought.request_id,
        "words": escaped,
        "since": sought.since,
        "until": sought.until,
        "at_before": before[0] if before else None,
        "id_before": before[1] if before else None,
        "limit": limit,
    }
    return [LogLine(**row) for row in (await tx.execute(_FIND, values)).mappings()]


def _escaped(words: str) -> str:
    plain = words.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{plain}%"


async def stored_lately(
    tx: Transaction, *, seconds: float, shown: Collection[UUID], limit: int
) -> list[LogLine]:
    """Lines stored in the last seconds that were not shown yet, the first stored first."""
    values = {"seconds": seconds, "shown": list(shown), "limit": limit}
    return [LogLine(**row) for row in (await tx.execute(_NEW, values)).mappings()]


async def days_of(tx: Transaction, table: str) -> set[str]:
    """The names of the days of a table; held alone until the transaction ends."""
    await tx.execute(_ALONE)
    return set((await tx.execute(_DAYS, {"parent": table})).scalars())


async def hold_all(tx: Transaction) -> None:
    """Nobody reads or adds a line until the transaction ends.

    From the top down, as who reads and adds takes its locks: taken the other way round, both waited for each
    other; and a line on its way to the default table was refused once its day was there.
    """
    await tx.execute(text("LOCK TABLE log_lines IN ACCESS EXCLUSIVE MODE"))


async def make_day(tx: Transaction, table: str, day: date) -> None:
    """A table for one day, UTC, with the lines that came before it was made; hold all before.

    PostgreSQL refuses a day of which the default table holds a line: they are moved.
    """
    name, start, end = day_name(table, day), f"{day}T00:00:00Z", f"{day + timedelta(days=1)}T00:00:00Z"
    moved = f"DELETE FROM {table}_default WHERE at >= '{start}' AND at < '{end}' RETURNING *"  # noqa: S608 - names and days of ours
    for statement in (
        f"CREATE TABLE {name} (LIKE {table} INCLUDING DEFAULTS)",
        f"WITH moved AS ({moved}) INSERT INTO {name} SELECT * FROM moved",  # noqa: S608 - names and days of ours
        f"ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM ('{start}') TO ('{end}')",
    ):
        # Driver SQL: a colon in an instant is no parameter.
        await tx.connection.exec_driver_sql(statement)


async def drop(tx: Transaction, name: str) -> None:
    """Drops a day; hold all before."""
    await tx.execute(text(f"DROP TABLE {name}"))


async def forget_strays(tx: Transaction, table: str, *, before: datetime) -> None:
    """Deletes old lines for which there was no day."""
    await tx.execute(text(f"DELETE FROM {table}_default WHERE stored_at < :before"), {"before": before})  # noqa: S608 - a table of ours


def day_name(table: str, day: date) -> str:
    """``log_plain_20270610``."""
    return f"{table}_{day:%Y%m%d}"
