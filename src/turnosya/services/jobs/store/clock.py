"""The SQL of the service clock and of the processes that follow it."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from turnosya.contracts.jobs import ClockState
from turnosya.runtime.database import Transaction

_READ = text("SELECT version, set_to FROM service_clock")
# A move waits for those who are taking jobs by the clock as it is (`claim_due`), and they for it.
_HOLD_ALONE = text("SELECT version, set_to FROM service_clock FOR UPDATE")
# Real milliseconds at least: a clock made anew, the data thrown away, is newer than what somebody remembers.
_MOVE = text(
    "UPDATE service_clock SET set_to = :set_to,"
    " version = greatest(version + 1, CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint))"
    " RETURNING version, set_to"
)
_SEE = text(
    "INSERT INTO clock_users (process_id, version, seen_at) VALUES (:process_id, :version, clock_timestamp())"
    " ON CONFLICT (process_id) DO UPDATE SET version = excluded.version, seen_at = excluded.seen_at"
)
_IS_FOLLOWED = text(
    "SELECT NOT EXISTS (SELECT 1 FROM clock_users, service_clock"
    " WHERE clock_users.version < service_clock.version"
    " AND seen_at > clock_timestamp() - make_interval(secs => :silent_s))"
)
_FORGET = text("DELETE FROM clock_users WHERE seen_at < clock_timestamp() - make_interval(secs => :silent_s)")


async def read(tx: Transaction) -> ClockState:
    """The clock as it is."""
    return _state((await tx.execute(_READ)).one())


async def hold_alone(tx: Transaction) -> ClockState:
    """The clock, for the one that is going to move it."""
    return _state((await tx.execute(_HOLD_ALONE)).one())


async def move(tx: Transaction, *, set_to: datetime | None, silent_s: float) -> ClockState:
    """Sets or releases the clock; forgets processes that have been silent for so long."""
    await tx.execute(_FORGET, {"silent_s": silent_s})
    return _state((await tx.execute(_MOVE, {"set_to": set_to})).one())


async def see(tx: Transaction, process_id: UUID, *, version: int) -> None:
    """A process lives and uses this version. It need not reach the disk: it is said again in a second."""
    await tx.execute(text("SET LOCAL synchronous_commit = off"))
    await tx.execute(_SEE, {"process_id": process_id, "version": version})


async def is_followed(tx: Transaction, *, silent_s: float) -> bool:
    """Whether every process that was heard within ``silent_s`` uses the clock as it is."""
    return bool((await tx.execute(_IS_FOLLOWED, {"silent_s": silent_s})).scalar_one())


def _state(row: object) -> ClockState:
    return ClockState.model_validate(row, from_attributes=True)
