"""What services do again and again: declared, watched, planned anew when the clock goes back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from turnosya.contracts.jobs import ScheduleMissed
from turnosya.runtime.messages import Nothing
from turnosya.services.jobs import metrics, recurrence, rules
from turnosya.services.jobs.store import schedules as store
from turnosya.services.jobs.store import timetable

if TYPE_CHECKING:
    from datetime import datetime

    from turnosya.contracts.jobs import Declared, DeclareSchedules
    from turnosya.runtime.database import Transaction
    from turnosya.services.jobs.context import Jobs

log = structlog.get_logger()


async def declare(jobs: Jobs, request: DeclareSchedules) -> Nothing:
    """Takes over what a service says it does again and again.

    What is as it was keeps its time, also one that an admin cancelled. What is new, or has changed, is made
    at once. What is not declared any more is cancelled.
    """
    for one in request.schedules:
        rules.check(one.job)
    async with jobs.db.transaction() as tx:
        known = await store.declared(tx, request.service)
        for one in request.schedules:
            if not _is_as_it_was(known.get(one.job.key), one):
                await timetable.put(
                    tx,
                    one.job,
                    run_at=jobs.clock.now(),
                    replaces=True,
                    declared_by=request.service,
                    revision=one.revision,
                )
        gone = known.keys() - {one.job.key for one in request.schedules}
        for key in sorted(gone):
            await timetable.cancel(tx, key)
    jobs.wake.set()
    return Nothing()


def _is_as_it_was(known: store.Known | None, one: Declared) -> bool:
    return known is not None and (known.request, known.body, known.recurs, known.revision) == (
        one.job.request,
        one.job.body,
        one.job.recurs,
        one.revision,
    )


async def tell_of_missed(jobs: Jobs) -> None:
    """An alarm for each time of a recurring job at which nothing began within its grace.

    Not while the clock is set: a leap of it makes everything late at once, which nobody has missed.
    """
    if jobs.clock.is_set:
        return
    async with jobs.db.transaction() as tx:
        missed = await store.take_missed(tx, now=jobs.clock.now())
        for one in missed:
            await tx.publish(ScheduleMissed(key=one.key, request=one.request, run_at=one.run_at))
    for one in missed:
        log.error("schedule_missed", key=one.key, run_at=one.run_at.isoformat())
        metrics.missed.labels(metrics.label(one.request)).inc()


async def plan_anew(tx: Transaction, now: datetime) -> None:
    """The clock went back: what would be silent for more than a period is planned from the new time."""
    for job_id, run_at, recurs in await store.waiting(tx, now=now):
        sooner = recurrence.planned_anew(recurs, run_at=run_at, now=now)
        if sooner is not None:
            await store.plan(tx, job_id, sooner)
