"""The SQL by which admins see and handle jobs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import and_, case, func, not_, select, text

from turnosya.contracts.jobs import Recurrence
from turnosya.runtime.database import Transaction
from turnosya.services.jobs.tables import runs, timetable

_IS_RUNNING = func.coalesce(timetable.c.leased_until > func.clock_timestamp(), False)
_STATE = case((and_(timetable.c.state == "waiting", _IS_RUNNING), "running"), else_=timetable.c.state)
_SHOWN = (
    timetable.c.id,
    timetable.c.key,
    timetable.c.request,
    _STATE.label("state"),
    timetable.c.run_at,
    timetable.c.retry_at,
    timetable.c.priority,
    timetable.c.attempts,
    timetable.c.max_attempts,
    timetable.c.timeout_s,
    timetable.c.concurrency_key,
    timetable.c.concurrency,
    timetable.c.recurs,
    timetable.c.declared_by,
    timetable.c.errors,
    timetable.c.created_at,
    timetable.c.started_at,
    timetable.c.ended_at,
)
# The runs that are shown with a job.
_RUNS = 50
_LOCK = text("SELECT 1 FROM timetable WHERE id = :id FOR UPDATE")
_CANCEL = text(
    "UPDATE timetable SET state = 'cancelled', generation = generation + 1, ended_at = clock_timestamp()"
    " WHERE id = :id"
)
_RETRY = text(
    "UPDATE timetable SET state = 'waiting', generation = generation + 1, attempts = 0, retry_at = NULL,"
    " ended_at = NULL, missed_at = NULL, run_at = least(run_at, :now) WHERE id = :id"
)


@dataclass(frozen=True, slots=True)
class Kept:
    """A job as the timetable knows it; ``state`` also says that it runs."""

    id: UUID
    key: str
    request: str
    state: str
    run_at: datetime
    retry_at: datetime | None
    priority: int
    attempts: int
    max_attempts: int
    timeout_s: float
    concurrency_key: str | None
    concurrency: int
    recurs: Recurrence | None
    declared_by: str | None
    errors: list[dict[str, Any]]
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Run:
    """What became of one start."""

    run_at: datetime
    attempt: int
    started_at: datetime
    ended_at: datetime
    outcome: str
    error: str | None


@dataclass(frozen=True, slots=True)
class Sought:
    """Which jobs are looked for; None is any."""

    state: str | None = None
    request: str | None = None
    key: str | None = None
    recurring: bool = False


async def find(tx: Transaction, sought: Sought, *, before: UUID | None, limit: int) -> list[Kept]:
    """Jobs, the last scheduled first, those before the one given."""
    statement = select(*_SHOWN).order_by(timetable.c.id.desc()).limit(limit)
    if sought.state is not None:
        statement = statement.where(_has_state(sought.state))
    if sought.request is not None:
        statement = statement.where(timetable.c.request == sought.request)
    if sought.key is not None:
        statement = statement.where(timetable.c.key == sought.key)
    if sought.recurring:
        statement = statement.where(timetable.c.recurs.isnot(None))
    if before is not None:
        statement = statement.where(timetable.c.id < before)
    return [_kept(row) for row in (await tx.execute(statement)).mappings()]


def _has_state(state: str) -> Any:  # noqa: ANN401 - a condition
    if state == "running":
        return and_(timetable.c.state == "waiting", _IS_RUNNING)
    if state == "waiting":
        return and_(timetable.c.state == "waiting", not_(_IS_RUNNING))
    return timetable.c.state == state


async def get(tx: Transaction, job_id: UUID) -> Kept | None:
    """One job."""
    row = (await tx.execute(select(*_SHOWN).where(timetable.c.id == job_id))).mappings().first()
    return None if row is None else _kept(row)


async def hold(tx: Transaction, job_id: UUID) -> Kept | None:
    """One job, which nobody else starts, ends or changes before this transaction has ended."""
    await tx.execute(_LOCK, {"id": job_id})
    return await get(tx, job_id)


async def runs_of(tx: Transaction, job_id: UUID) -> list[Run]:
    """What became of its last starts, the latest first."""
    columns = (
        runs.c.run_at, runs.c.attempt, runs.c.started_at, runs.c.ended_at, runs.c.outcome, runs.c.error
    )  # fmt: skip
    statement = select(*columns).where(runs.c.job_id == job_id).order_by(runs.c.number.desc()).limit(_RUNS)
    return [Run(**row) for row in (await tx.execute(statement)).mappings()]


async def cancel(tx: Transaction, job_id: UUID) -> None:
    """Takes it out; one that is running ends, and is not tried again."""
    await tx.execute(_CANCEL, {"id": job_id})


async def retry(tx: Transaction, job_id: UUID, *, now: datetime) -> None:
    """Makes it due at once, with all its tries; its errors stay."""
    await tx.execute(_RETRY, {"id": job_id, "now": now})


def _kept(row: Any) -> Kept:  # noqa: ANN401 - a row of _SHOWN
    recurs = row["recurs"]
    values: dict[str, Any] = dict(row)
    values["recurs"] = None if recurs is None else Recurrence.model_validate(recurs)
    return Kept(**values)
