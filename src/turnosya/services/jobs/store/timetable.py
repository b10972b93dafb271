"""The SQL of the timetable. ``run_at`` is compared with the service clock, leases with this server's."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text

from turnosya.runtime.database import Transaction
from turnosya.runtime.ids import new_id

# A key scheduled anew keeps the lease of what still runs under it: never two at a time.
_PUT = text(
    """
    INSERT INTO timetable (id, key, request, body, run_at, max_attempts)
    VALUES (:id, :key, :request, CAST(:body AS json), :run_at, :max_attempts)
    ON CONFLICT (key) DO UPDATE SET
        request = excluded.request, body = excluded.body, run_at = excluded.run_at,
        max_attempts = excluded.max_attempts, state = 'waiting', attempts = 0, errors = '[]',
        generation = timetable.generation + 1, retry_at = NULL, ended_at = NULL
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
_IS_OURS = "generation = :generation"
# The last 20 are kept.
_WITH_ERROR = (
    "jsonb_path_query_array(errors || jsonb_build_object('attempt', attempts, 'at', clock_timestamp(),"
    " 'error', CAST(:error AS text)), '$[last - 19 to last]')"
)
_CLAIM = text(
    f"""
    UPDATE timetable SET fence = fence + 1, attempts = attempts + 1, retry_at = NULL,
                         leased_until = clock_timestamp() + CAST(:lease_for AS interval)
    WHERE id IN (
        SELECT id FROM timetable
        WHERE state = 'waiting' AND run_at <= :now AND attempts < max_attempts AND {_IS_FREE}
        ORDER BY run_at, number LIMIT :room FOR UPDATE SKIP LOCKED)
    RETURNING id, number, key, request, body, run_at, attempts, max_attempts, fence, generation
    """  # noqa: S608 - a constant of this file
)
# Started as often as it may be, and no worker lived to tell: it is not started once more.
_BURY_LOST = text(
    f"""
    UPDATE timetable SET state = 'failed', ended_at = clock_timestamp(), leased_until = NULL,
                         errors = {_WITH_ERROR}
    WHERE state = 'waiting' AND run_at <= :now AND attempts >= max_attempts AND {_IS_FREE}
    RETURNING key
    """  # noqa: S608 - a constant of this file
)
_LOOK = text(
    f"""
    SELECT EXISTS (SELECT 1 FROM timetable WHERE state = 'waiting' AND run_at <= :now AND {_IS_FREE}) AS due,
           (SELECT min(run_at) FROM timetable WHERE state = 'waiting' AND run_at > :now) AS next_at,
           (SELECT extract(epoch FROM min(greatest(leased_until, retry_at)) - clock_timestamp())
            FROM timetable WHERE state = 'waiting' AND run_at <= :now AND NOT ({_IS_FREE})) AS free_in_s
    """  # noqa: S608 - a constant of this file
)
# Whoever's start is not the newest writes nothing. What was scheduled anew meanwhile only becomes free.
_END = text(
    f"""
    UPDATE timetable SET
        leased_until = NULL,
        state = CASE WHEN {_IS_OURS} THEN :state ELSE state END,
        retry_at = CASE WHEN {_IS_OURS} THEN clock_timestamp() + CAST(:retry_in AS interval)
                        ELSE retry_at END,
        errors = CASE WHEN {_IS_OURS} AND CAST(:error AS text) IS NOT NULL THEN {_WITH_ERROR} ELSE errors END,
        ended_at = CASE WHEN {_IS_OURS} AND :state <> 'waiting' THEN clock_timestamp() ELSE ended_at END
    WHERE id = :id AND fence = :fence
    """  # noqa: S608 - constants of this file
)
_UNSTARTED = text(
    "SELECT EXISTS (SELECT 1 FROM timetable WHERE state = 'waiting' AND run_at <= :now AND attempts = 0)"
)
_FORGET = text(
    "DELETE FROM timetable WHERE (leased_until IS NULL OR leased_until < clock_timestamp())"
    " AND (state IN ('done', 'cancelled') AND ended_at < clock_timestamp() - CAST(:done_kept AS interval)"
    "      OR state = 'failed' AND ended_at < clock_timestamp() - CAST(:failed_kept AS interval))"
)


@dataclass(frozen=True, slots=True)
class Start:
    """A job that this process has taken to make now."""

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


@dataclass(frozen=True, slots=True)
class Outlook:
    """Whether something is due, when the next is, and how soon something that is held becomes free."""

    due: bool
    next_at: datetime | None
    free_in_s: float | None


async def put(
    tx: Transaction, *, key: str, request: str, body: Mapping[str, Any], run_at: datetime, max_attempts: int
) -> None:
    """Writes a job into the timetable, in place of the one with its key."""
    await tx.execute(
        _PUT,
        {
            "id": new_id(),
            "key": key,
            "request": request,
            "body": json.dumps(body),
            "run_at": run_at,
            "max_attempts": max_attempts,
        },
    )


async def cancel(tx: Transaction, key: str) -> None:
    """Takes a waiting job out; one that is running ends, and is not tried again."""
    await tx.execute(_CANCEL, {"key": key})


async def look(tx: Transaction, *, now: datetime) -> Outlook:
    """What the timetable asks for at ``now``."""
    row = (await tx.execute(_LOOK, {"now": now})).one()
    return Outlook(row.due, row.next_at, None if row.free_in_s is None else float(row.free_in_s))


async def claim(tx: Transaction, *, now: datetime, room: int, lease_for: timedelta) -> list[Start]:
    """Takes what is due, earliest first; nobody else may take it before its lease ends."""
    rows = await tx.execute(_CLAIM, {"now": now, "room": room, "lease_for": lease_for})
    starts = [Start(**row) for row in rows.mappings()]
    return sorted(starts, key=lambda start: (start.run_at, start.number))


async def bury_lost(tx: Transaction, *, now: datetime) -> list[str]:
    """Ends jobs whose last worker was lost; their keys."""
    return list((await tx.execute(_BURY_LOST, {"now": now, "error": "worker lost"})).scalars())


async def end(
    tx: Transaction, start: Start, *, state: str, error: str | None = None, retry_in: timedelta | None = None
) -> bool:
    """Writes what became of a start; False when a newer one has taken over and nothing was written."""
    ended = await tx.execute(
        _END,
        {
            "id": start.id,
            "fence": start.fence,
            "generation": start.generation,
            "state": state,
            "error": error,
            "retry_in": retry_in,
        },
    )
    return bool(ended.rowcount)


async def has_unstarted(tx: Transaction, *, now: datetime) -> bool:
    """Whether something is due at ``now`` that was never started."""
    return bool((await tx.execute(_UNSTARTED, {"now": now})).scalar_one())


async def forget(tx: Transaction, *, done_kept: timedelta, failed_kept: timedelta) -> int:
    """Deletes what ended long ago."""
    return int((await tx.execute(_FORGET, {"done_kept": done_kept, "failed_kept": failed_kept})).rowcount)
