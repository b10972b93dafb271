"""The SQL of what recurs: declared by services, missed, planned anew when the clock went back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text

from turnosya.contracts.jobs import Recurrence
from turnosya.runtime.database import Transaction

# What one service declares is written by one of its copies after the other.
_HOLD = text("SELECT pg_advisory_xact_lock(5830121, hashtext(:service))")
_DECLARED = text(
    "SELECT key, request, body, recurs, revision, state FROM timetable WHERE declared_by = :service"
)
_MISSED = text(
    """
    UPDATE timetable SET missed_at = run_at
    WHERE recurs IS NOT NULL AND state = 'waiting' AND attempts = 0
      AND run_at < CAST(:now AS timestamptz)
                   - make_interval(secs => CAST(recurs->>'grace_s' AS double precision))
      AND missed_at IS DISTINCT FROM run_at
      AND (leased_until IS NULL OR leased_until <= clock_timestamp())
    RETURNING key, request, run_at
    """
)
_WAITING = text(
    "SELECT id, run_at, recurs FROM timetable WHERE recurs IS NOT NULL AND state = 'waiting'"
    " AND run_at > :now FOR UPDATE"
)
_PLAN = text("UPDATE timetable SET run_at = :run_at WHERE id = :id")


@dataclass(frozen=True, slots=True)
class Known:
    """A recurring job as its service declared it last."""

    key: str
    request: str
    body: dict[str, Any]
    recurs: Recurrence
    revision: str
    state: str


@dataclass(frozen=True, slots=True)
class Missed:
    """A time at which a recurring job was not begun."""

    key: str
    request: str
    run_at: datetime


async def declared(tx: Transaction, service: str) -> dict[str, Known]:
    """What this service declared last, by key; nobody else declares for it before this transaction ends."""
    await tx.execute(_HOLD, {"service": service})
    rows = (await tx.execute(_DECLARED, {"service": service})).mappings().all()
    return {row["key"]: _known(row) for row in rows if row["recurs"] is not None}


def _known(row: Any) -> Known:  # noqa: ANN401 - a row of _DECLARED
    values: dict[str, Any] = dict(row)
    values["recurs"] = Recurrence.model_validate(values["recurs"])
    return Known(**values)


async def take_missed(tx: Transaction, *, now: datetime) -> list[Missed]:
    """What was to begin longer ago than its grace and did not; each time of it once."""
    return [Missed(**row) for row in (await tx.execute(_MISSED, {"now": now})).mappings()]


async def waiting(tx: Transaction, *, now: datetime) -> Sequence[tuple[UUID, datetime, Recurrence]]:
    """Recurring jobs that wait for a later time, held."""
    rows = await tx.execute(_WAITING, {"now": now})
    return [(row.id, row.run_at, Recurrence.model_validate(row.recurs)) for row in rows]


async def plan(tx: Transaction, job_id: UUID, run_at: datetime) -> None:
    """Puts a recurring job at another time."""
    await tx.execute(_PLAN, {"id": job_id, "run_at": run_at})
