"""The SQL of the timetable. ``run_at`` is compared with the service clock, leases with this server's."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text

from turnosya.contracts.jobs import Job, Recurrence
from turnosya.runtime.database import AtOnce, Statements, Transaction
from turnosya.runtime.ids import new_id

# A key scheduled anew keeps the lease of what still runs under it: never two at a time.
_PUT = text(
    """
    INSERT INTO timetable (id, key, request, body, run_at, max_attempts, priority, backoff_s, timeout_s,
                           concurrency_key, concurrency, recurs, declared_by, revision)
    VALUES (:id, :key, :request, CAST(:body AS json), :run_at, :max_attempts, :priority,
            CAST(:backoff_s AS jsonb), :timeout_s, :concurrency_key, :concurrency, CAST(:recurs AS jsonb),
            :declared_by, :revision)
    ON CONFLICT (key) DO UPDATE SET
        request = excluded.request, body = excluded.body, run_at = excluded.run_at,
        max_attempts = excluded.max_attempts, priority = excluded.priority, backoff_s = excluded.backoff_s,
        timeout_s = excluded.timeout_s, concurrency_key = excluded.concurrency_key,
        concurrency = excluded.concurrency, recurs = excluded.recurs, declared_by = excluded.declared_by,
        revision = excluded.revision, state = 'waiting', attempts = 0, errors = '[]',
        generation = timetable.generation + 1, retry_at = NULL, ended_at = NULL, missed_at = NULL
    WHERE :replaces
       OR timetable.state <> 'waiting' AND (timetable.leased_until IS NULL
                                            OR timetable.leased_until <= clock_timestamp())
    RETURNING id
    """
)
_CANCEL = text(
    "UPDATE timetable SET state = 'cancelled', generation = generation + 1, ended_at = clock_timestamp()"
    " WHERE key = :key AND state = 'waiting'"
)

_IS_FREE = (
    "(leased_until IS NULL OR leased_until <= clock_timestamp())"
    " AND (retry_at IS NULL OR retry_at <= clock_timestamp())"
)
_IS_OURS = "t.generation = e.generation"
# The last 20 are kept.
_WITH_ERROR = (
    "jsonb_path_query_array(t.errors || jsonb_build_object('attempt', t.attempts, 'at', clock_timestamp(),"
    " 'error', e.error), '$[last - 19 to last]')"
)
_START = (
    "id, number, key, request, body, run_at, attempts, max_attempts, fence, generation, backoff_s, timeout_s,"
    " recurs, coalesce(started_at, clock_timestamp()) AS started_at"
)
# One claims after the other, so that they count rightly what runs under a concurrency key.
_CLAIM = text(
    f"SELECT {_START}, priority"  # noqa: S608 - constants of this file
    " FROM claim_due(:now, :room, :lease_for, :clock_version, :silent_for)"
)
# Started as often as it may be, and no worker lived to tell: it is not started once more.
_LOST = text(
    f"""
    SELECT {_START} FROM timetable
    WHERE state = 'waiting' AND run_at <= :now AND attempts >= max_attempts AND {_IS_FREE}
    LIMIT 100 FOR UPDATE SKIP LOCKED
    """  # noqa: S608 - constants of this file
)
_LOOK = text(
    f"""
    SELECT EXISTS (SELECT 1 FROM timetable WHERE state = 'waiting' AND run_at <= :now AND {_IS_FREE}) AS due,
           EXISTS (SELECT 1 FROM timetable WHERE state = 'waiting' AND run_at <= :now
                   AND attempts >= max_attempts AND {_IS_FREE}) AS lost,
           (SELECT min(run_at) FROM timetable WHERE state = 'waiting' AND run_at > :now) AS next_at,
           (SELECT extract(epoch FROM min(greatest(leased_until, retry_at)) - clock_timestamp())
            FROM timetable WHERE state = 'waiting' AND run_at <= :now AND NOT ({_IS_FREE})) AS free_in_s
    """  # noqa: S608 - a constant of this file
)
# Whoever's start is not the newest writes nothing. What was scheduled anew meanwhile only becomes free.
_END = text(
    f"""
    WITH e AS (
        SELECT * FROM jsonb_to_recordset(CAST(:ends AS jsonb)) AS e(
            id uuid, fence bigint, generation bigint, attempt integer, run_at timestamptz,
            started_at timestamptz, outcome text, error text, retry_s double precision, next_at timestamptz)
    ), written AS (
        UPDATE timetable t SET
            leased_until = NULL,
            state = CASE WHEN NOT {_IS_OURS} THEN t.state
                         WHEN e.outcome = 'retried' OR e.next_at IS NOT NULL THEN 'waiting'
                         WHEN e.outcome = 'failed' THEN 'failed' ELSE 'done' END,
            retry_at = CASE WHEN {_IS_OURS} THEN clock_timestamp() + make_interval(secs => e.retry_s)
                            ELSE t.retry_at END,
            run_at = CASE WHEN {_IS_OURS} AND e.next_at IS NOT NULL THEN e.next_at ELSE t.run_at END,
            attempts = CASE WHEN {_IS_OURS} AND e.next_at IS NOT NULL THEN 0 ELSE t.attempts END,
            errors = CASE WHEN {_IS_OURS} AND e.error IS NOT NULL THEN {_WITH_ERROR} ELSE t.errors END,
            ended_at = CASE WHEN {_IS_OURS} AND e.outcome <> 'retried' AND e.next_at IS NULL
                            THEN clock_timestamp() ELSE t.ended_at END
        FROM e WHERE t.id = e.id AND t.fence = e.fence
        RETURNING t.id, t.fence
    ), noted AS (
        INSERT INTO runs (job_id, run_at, attempt, started_at, ended_at, outcome, error)
        SELECT e.id, e.run_at, e.attempt, e.started_at, clock_timestamp(), e.outcome, e.error
        FROM e JOIN written USING (id, fence)
    )
    SELECT id, fence FROM written
    """  # noqa: S608 - constants of this file
)
_RENEW = text(
    "UPDATE timetable t SET leased_until = clock_timestamp() + CAST(:lease_for AS interval)"
    " FROM unnest(CAST(:ids AS uuid[]), CAST(:fences AS bigint[])) AS e(id, fence)"
    " WHERE t.id = e.id AND t.fence = e.fence AND t.leased_until IS NOT NULL RETURNING t.id, t.fence"
)
_UNSTARTED = text(
    "SELECT EXISTS (SELECT 1 FROM timetable WHERE state = 'waiting' AND run_at <= :now AND attempts = 0"
    " AND (leased_until IS NULL OR leased_until <= clock_timestamp()) AND concurrency_key IS NULL)"
)
_FORGET = text(
    "DELETE FROM timetable WHERE (leased_until IS NULL OR leased_until < clock_timestamp())"
    " AND (state IN ('done', 'cancelled') AND ended_at < clock_timestamp() - CAST(:done_kept AS interval)"
    "      OR state = 'failed' AND ended_at < clock_timestamp() - CAST(:failed_kept AS interval))"
)
_FORGET_RUNS = text(
    "DELETE FROM runs WHERE ended_at < clock_timestamp() - CASE WHEN outcome = 'failed'"
    " THEN CAST(:failed_kept AS interval) ELSE CAST(:done_kept AS interval) END"
)


@dataclass(frozen=True, slots=True)
class Start:
    """A job that this process has taken to make now. ``started_at`` is real time."""

    id: UUID
    number: int
    key: str
    request: str
    body: dict[str, Any]
    run_at: datetime
    attempts: int
    max_attempts: int
    fence: int
    generation: int
    backoff_s: list[float]
    timeout_s: float
    recurs: Recurrence | None
    started_at: datetime


@dataclass(frozen=True, slots=True)
class Ending:
    """What became of a start. ``next_at`` is when a recurring job comes again."""

    start: Start
    outcome: str
    error: str | None = None
    retry_s: float | None = None
    next_at: datetime | None = None

    def as_json(self) -> dict[str, Any]:
        """A record of ``_END``."""
        start = self.start
        return {
            "id": str(start.id),
            "fence": start.fence,
            "generation": start.generation,
            "attempt": start.attempts,
            "run_at": start.run_at.isoformat(),
            "started_at": start.started_at.isoformat(),
            "outcome": self.outcome,
            "error": self.error,
            "retry_s": self.retry_s,
            "next_at": None if self.next_at is None else self.next_at.isoformat(),
        }


@dataclass(frozen=True, slots=True)
class Followed:
    """The version of the clock that every process heard within ``silent_for`` must use."""

    version: int
    silent_for: timedelta


@dataclass(frozen=True, slots=True)
class Outlook:
    """Whether something is due or lost, when the next is, and how soon something held becomes free."""

    due: bool
    lost: bool
    next_at: datetime | None
    free_in_s: float | None


async def put(
    tx: Transaction, job: Job, *, run_at: datetime, replaces: bool, declared_by: str | None, revision: str
) -> bool:
    """Writes a job into the timetable; False when one with its key waits or runs and is not replaced."""
    written = await tx.execute(
        _PUT,
        {
            **job.model_dump(include=_AS_GIVEN),
            "id": new_id(),
            "body": json.dumps(job.body),
            "backoff_s": json.dumps(list(job.backoff_s)),
            "recurs": None if job.recurs is None else job.recurs.model_dump_json(),
            "run_at": run_at,
            "replaces": replaces,
            "declared_by": declared_by,
            "revision": revision,
        },
    )
    return written.first() is not None


_AS_GIVEN = {"key", "request", "max_attempts", "priority", "timeout_s", "concurrency_key", "concurrency"}


async def cancel(tx: Transaction, key: str) -> None:
    """Takes a waiting job out; one that is running ends, and is not tried again."""
    await tx.execute(_CANCEL, {"key": key})


async def look(tx: Transaction, *, now: datetime) -> Outlook:
    """What the timetable asks for at ``now``."""
    row = (await tx.execute(_LOOK, {"now": now})).one()
    return Outlook(row.due, row.lost, row.next_at, None if row.free_in_s is None else float(row.free_in_s))


async def claim(
    tx: AtOnce, *, now: datetime, room: int, lease_for: timedelta, followed: Followed | None = None
) -> list[Start]:
    """Takes what is due; nobody else may take it before its lease ends.

    Nothing is taken when the clock is not, or not for everybody, at ``followed``.
    """
    values = {
        "now": now,
        "room": room,
        "lease_for": lease_for,
        "clock_version": None if followed is None else followed.version,
        "silent_for": None if followed is None else followed.silent_for,
    }
    rows = await tx.rows(_CLAIM, values)
    return [_start(row) for row in sorted(rows, key=lambda row: (-row.priority, row.run_at, row.number))]


async def lost(tx: Transaction, *, now: datetime) -> list[Start]:
    """Jobs whose last worker was lost, held until this transaction ends."""
    return [_start(row) for row in await tx.rows(_LOST, {"now": now})]


def _start(row: Any) -> Start:  # noqa: ANN401 - a row of this file
    values: dict[str, Any] = {one.name: getattr(row, one.name) for one in fields(Start)}
    if values["recurs"] is not None:
        values["recurs"] = Recurrence.model_validate(values["recurs"])
    return Start(**values)


async def end(tx: Statements, *endings: Ending) -> set[tuple[UUID, int]]:
    """Writes what became of starts; ids and fences of those of which no newer one has taken over."""
    written = await tx.rows(_END, {"ends": json.dumps([ending.as_json() for ending in endings])})
    return {(row.id, row.fence) for row in written}


async def renew(tx: AtOnce, starts: list[Start], *, lease_for: timedelta) -> set[tuple[UUID, int]]:
    """Says of running starts that their worker lives; ids and fences of those that are still its own."""
    values = {
        "ids": [start.id for start in starts],
        "fences": [start.fence for start in starts],
        "lease_for": lease_for,
    }
    return {(row.id, row.fence) for row in await tx.rows(_RENEW, values)}


async def has_unstarted(tx: Transaction, *, now: datetime) -> bool:
    """Whether something is due at ``now`` that was never started, and may be."""
    return bool((await tx.execute(_UNSTARTED, {"now": now})).scalar_one())


async def forget(tx: Transaction, *, done_kept: timedelta, failed_kept: timedelta) -> int:
    """Deletes what ended long ago."""
    kept = {"done_kept": done_kept, "failed_kept": failed_kept}
    await tx.execute(_FORGET_RUNS, kept)
    return int((await tx.execute(_FORGET, kept)).rowcount)
