"""What is to happen later: written down, replaced and cancelled by key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from turnosya.contracts.jobs import CancelScheduled, JobExists, Schedule, ScheduleCancelled, ScheduleRequested
from turnosya.runtime.messages import Nothing
from turnosya.services.jobs import rules
from turnosya.services.jobs.store import timetable as store

if TYPE_CHECKING:
    from turnosya.contracts.jobs import Job
    from turnosya.services.jobs.context import Jobs


async def schedule(jobs: Jobs, request: Schedule) -> Nothing:
    """Stores a job; the same request again changes nothing but the beginning of its tries.

    Raises ``Invalid`` for what can never be made, ``JobExists`` for a key that waits and is not replaced.
    """
    if not await _put(jobs, request.job) and request.job.if_waiting == "refuse":
        raise JobExists
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


async def _put(jobs: Jobs, job: Job) -> bool:
    rules.check(job)
    job = job.model_copy(update={"max_attempts": rules.attempts_allowed(job.max_attempts)})
    run_at = rules.first_run(job, now=jobs.clock.now())
    async with jobs.db.transaction() as tx:
        written = await store.put(
            tx, job, run_at=run_at, replaces=job.if_waiting == "replace", declared_by=None, revision=""
        )
    jobs.wake.set()
    return written


async def _cancel(jobs: Jobs, key: str) -> None:
    async with jobs.db.transaction() as tx:
        await store.cancel(tx, key)
