"""What is to happen later: written down, replaced and cancelled by key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from turnosya.contracts.jobs import CancelScheduled, Schedule, ScheduleCancelled, ScheduleRequested
from turnosya.runtime.messages import Nothing
from turnosya.services.jobs import rules
from turnosya.services.jobs.store import timetable as store

if TYPE_CHECKING:
    from turnosya.contracts.jobs import Job
    from turnosya.services.jobs.context import Jobs


async def schedule(jobs: Jobs, request: Schedule) -> Nothing:
    """Stores a job; the same request again changes nothing but the beginning of its tries."""
    await _put(jobs, request.job)
    return Nothing()


async def cancel(jobs: Jobs, request: CancelScheduled) -> Nothing:
    """Forgets a job."""
    await _cancel(jobs, request.key)
    return Nothing()


async def hear(jobs: Jobs, event: ScheduleRequested | ScheduleCancelled) -> None:
    """The same, told by event. One hearer for both: those of one key come in the order they were told."""
    if isinstance(event, ScheduleRequested):
        await _put(jobs, event.job)
    else:
        await _cancel(jobs, event.key)


async def _put(jobs: Jobs, job: Job) -> None:
    async with jobs.db.transaction() as tx:
        await store.put(
            tx,
            key=job.key,
            request=job.request,
            body=job.body,
            run_at=job.run_at,
            max_attempts=rules.attempts_allowed(job.max_attempts),
        )
    jobs.wake.set()


async def _cancel(jobs: Jobs, key: str) -> None:
    async with jobs.db.transaction() as tx:
        await store.cancel(tx, key)
