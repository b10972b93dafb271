"""What admins do with jobs: look, cancel, try again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from turnosya.runtime.messages import Conflict, NotFound
from turnosya.services.jobs.store import kept as store

if TYPE_CHECKING:
    from uuid import UUID

    from turnosya.services.jobs.context import Jobs
    from turnosya.services.jobs.store.kept import Kept, Run, Sought

log = structlog.get_logger()


async def find(jobs: Jobs, sought: Sought, *, before: UUID | None, limit: int) -> list[Kept]:
    """Jobs, the last scheduled first."""
    async with jobs.db.read() as tx:
        return await store.find(tx, sought, before=before, limit=limit)


async def show(jobs: Jobs, job_id: UUID) -> tuple[Kept, list[Run]]:
    """One job with what became of its last starts; raises ``NotFound``."""
    async with jobs.db.read() as tx:
        found = await store.get(tx, job_id)
        if found is None:
            raise NotFound
        return found, await store.runs_of(tx, job_id)


async def cancel(jobs: Jobs, job_id: UUID) -> tuple[Kept, list[Run]]:
    """It is not made any more; what runs ends, and is not tried again. A second time changes nothing.

    Raises ``Conflict`` for one that has ended in another way.
    """
    async with jobs.db.transaction() as tx:
        found = await store.hold(tx, job_id)
        if found is None:
            raise NotFound
        if found.state in ("done", "failed"):
            raise Conflict
        if found.state != "cancelled":
            await store.cancel(tx, job_id)
            log.info("job_cancelled", job_id=str(job_id))
    return await show(jobs, job_id)


async def retry(jobs: Jobs, job_id: UUID) -> tuple[Kept, list[Run]]:
    """It is made at once, with all its tries, also one that waits for its time, has failed or was cancelled.

    Raises ``Conflict`` for one that runs now or is done: to do it again is to schedule it anew.
    """
    async with jobs.db.transaction() as tx:
        found = await store.hold(tx, job_id)
        if found is None:
            raise NotFound
        if found.state in ("running", "done"):
            raise Conflict
        await store.retry(tx, job_id, now=jobs.clock.now())
        log.info("job_tried_again", job_id=str(job_id))
    jobs.wake.set()
    return await show(jobs, job_id)
