"""HTTP of jobs for admins: the timetable, what became of it, cancelling, trying again."""

from datetime import datetime
from typing import Annotated, Literal, Self, cast
from uuid import UUID

from fastapi import Depends, Query

from turnosya.runtime.field_errors import WORDS
from turnosya.runtime.fields import Instant, Resource
from turnosya.runtime.http import Admin, NoBody, context_of, router
from turnosya.runtime.messages import Conflict, Forbidden, NotFound, invalid
from turnosya.runtime.pages import Listed, Paged, after_id
from turnosya.runtime.problems import refuses
from turnosya.services.jobs import handling
from turnosya.services.jobs.context import Jobs
from turnosya.services.jobs.store.kept import Kept, Run, Sought

State = Literal["waiting", "running", "done", "failed", "cancelled"]


class JobError(Resource):
    """Why a try failed."""

    attempt: int
    at: Instant
    error: str


class JobRun(Resource):
    """What became of one start."""

    run_at: Instant
    attempt: int
    started_at: Instant
    ended_at: Instant
    outcome: Literal["done", "retried", "failed", "left_out"]
    error: str | None


class JobSummary(Resource):
    """A job without what it carries: that may concern people."""

    id: UUID
    key: str
    request: str
    state: State
    run_at: Instant
    retry_at: Instant | None
    priority: int
    attempts: int
    max_attempts: int
    timeout_s: float
    concurrency_key: str | None
    concurrency: int
    cron: str | None
    every_s: float | None
    timezone: str | None
    created_at: Instant
    started_at: Instant | None
    ended_at: Instant | None
    errors: list[JobError]

    @classmethod
    def of(cls, kept: Kept) -> Self:
        """A job as it is shown."""
        return cls.model_validate(_shown(kept))


class JobDetails(JobSummary):
    """A job with its last fifty starts, the latest first."""

    runs: list[JobRun]

    @classmethod
    def with_runs(cls, kept: Kept, runs: list[Run]) -> Self:
        """A job as it is shown by itself."""
        made = [JobRun.model_validate(run, from_attributes=True) for run in runs]
        return cls.model_validate({**_shown(kept), "runs": made})


class JobSchedule(Resource):
    """Something that is done again and again, and how the last time went."""

    id: UUID
    key: str
    request: str
    service: str | None
    state: State
    cron: str | None
    every_s: float | None
    timezone: str
    missed: Literal["skip", "run_once", "catch_up"]
    grace_s: float
    next_run_at: Instant
    is_missed: bool
    last_started_at: Instant | None
    last_error: JobError | None

    @classmethod
    def of(cls, kept: Kept, *, now: datetime) -> Self:
        """A schedule as it is shown at ``now``."""
        recurs = kept.recurs
        assert recurs is not None  # noqa: S101 - only what recurs was looked for
        late_s = (now - kept.run_at).total_seconds()
        return cls(
            id=kept.id,
            key=kept.key,
            request=kept.request,
            service=kept.declared_by,
            state=cast("State", kept.state),
            cron=recurs.cron,
            every_s=recurs.every_s,
            timezone=recurs.timezone,
            missed=recurs.missed,
            grace_s=recurs.grace_s,
            next_run_at=kept.run_at,
            is_missed=kept.state == "waiting" and kept.attempts == 0 and late_s > recurs.grace_s,
            last_started_at=kept.started_at,
            last_error=JobError(**kept.errors[-1]) if kept.errors else None,
        )


def _shown(kept: Kept) -> dict[str, object]:
    recurs = kept.recurs
    names = set(JobSummary.model_fields) - {"cron", "every_s", "timezone", "errors"}
    return {
        **{name: getattr(kept, name) for name in names},
        "cron": recurs and recurs.cron,
        "every_s": recurs and recurs.every_s,
        "timezone": recurs and recurs.timezone,
        "errors": [JobError(**error) for error in kept.errors],
    }


Here = Annotated[Jobs, Depends(context_of(Jobs))]
routes = router("/v1/jobs", tags=["jobs"])


@routes.get("", responses=refuses(Forbidden))
async def list_jobs(
    jobs: Here,
    _admin: Admin,
    page: Paged,
    *,
    state: State | None = None,
    request: Annotated[str | None, Query(max_length=300)] = None,
    key: Annotated[str | None, Query(max_length=300)] = None,
) -> Listed[JobSummary]:
    """What is to be made and what became of it, the last scheduled first (admin)."""
    sought = Sought(state=state, request=_word("request", request), key=_word("key", key))
    found = await handling.find(jobs, sought, before=after_id(page), limit=page.read)
    return page.of([JobSummary.of(one) for one in found], sort_values=lambda one: [one.id])


@routes.get("/schedules", responses=refuses(Forbidden))
async def list_schedules(jobs: Here, _admin: Admin, page: Paged) -> Listed[JobSchedule]:
    """What is done again and again, and whether a time of it was missed (admin)."""
    sought = Sought(recurring=True)
    found = await handling.find(jobs, sought, before=after_id(page), limit=page.read)
    now = jobs.clock.now()
    return page.of([JobSchedule.of(one, now=now) for one in found], sort_values=lambda one: [one.id])


@routes.get("/{job_id}", responses=refuses(Forbidden, NotFound))
async def read_job(jobs: Here, _admin: Admin, job_id: UUID) -> JobDetails:
    """One job with its last errors and starts (admin)."""
    return JobDetails.with_runs(*await handling.show(jobs, job_id))


@routes.post("/{job_id}/retry", responses=refuses(Forbidden, NotFound, Conflict))
async def retry_job(jobs: Here, _admin: Admin, job_id: UUID, *, _body: NoBody = None) -> JobDetails:
    """Makes it at once, with all its tries; 409 while it runs, and when it is done (admin)."""
    return JobDetails.with_runs(*await handling.retry(jobs, job_id))


@routes.post("/{job_id}/cancel", responses=refuses(Forbidden, NotFound, Conflict))
async def cancel_job(jobs: Here, _admin: Admin, job_id: UUID, *, _body: NoBody = None) -> JobDetails:
    """It is not made any more; 409 when it has ended otherwise (admin)."""
    return JobDetails.with_runs(*await handling.cancel(jobs, job_id))


def _word(name: str, value: str | None) -> str | None:
    if value is not None and not value.isprintable():
        raise invalid(name, "bad_word", WORDS["unfit_text"])
    return value
