"""Makes each request when its time has come: at least once, and never two of one job at a time."""

from __future__ import annotations

import asyncio
import contextlib
import random
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from turnosya.runtime.messages import ServiceError, TimedOut, Unavailable
from turnosya.runtime.telemetry import begin_trace, tracing
from turnosya.services.jobs import clock, rules
from turnosya.services.jobs.store import clock as clock_store
from turnosya.services.jobs.store import timetable as store

if TYPE_CHECKING:
    from turnosya.services.jobs.context import Jobs
    from turnosya.services.jobs.store.timetable import Start

log = structlog.get_logger()

# The rest of the lease is for writing the outcome before somebody else may begin.
_SHARE_OF_LEASE = 0.7
# While some process does not follow the clock yet.
_CLOCK_SETTLES_S = 0.05
_FORGET_S = 3600.0


@dataclass(slots=True)
class _Workers:
    """The jobs that this process is making."""

    running: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])


async def run(jobs: Jobs) -> None:
    """Starts what is due, for ever; what runs when it is cancelled is cancelled with it."""
    workers = _Workers()
    try:
        while True:
            jobs.wake.clear()
            wait_s = jobs.settings.jobs_poll_s
            try:
                wait_s = await _start_due(jobs, workers)
            except Unavailable:
                log.warning("jobs_wait_for_database")
            except Exception:
                log.exception("engine_failed")
            if wait_s > 0:
                # Not wait_for: before Python 3.12 it can lose a cancellation that comes with the wake-up.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait_s):
                        await jobs.wake.wait()
    finally:
        for task in workers.running:
            task.cancel()


async def forget(jobs: Jobs) -> None:
    """Deletes what ended long ago, once an hour."""
    done_kept = timedelta(days=jobs.settings.jobs_done_kept_days)
    failed_kept = timedelta(days=jobs.settings.jobs_failed_kept_days)
    while True:
        try:
            async with jobs.db.transaction() as tx:
                await store.forget(tx, done_kept=done_kept, failed_kept=failed_kept)
        except Unavailable:
            log.warning("forgetting_put_off")
        await asyncio.sleep(_FORGET_S)


async def make(jobs: Jobs, start: Start, *, ends_at: float) -> None:
    """Makes the request and writes what became of it, all before ``ends_at`` on the loop's clock."""
    with tracing(begin_trace(None, None)):
        if asyncio.get_running_loop().time() >= ends_at:
            # A worker that was frozen wakes up here: another has the job, or will soon.
            log.warning("job_taken_too_long_ago", job_id=str(start.id), attempt=start.attempts)
            return
        try:
            async with asyncio.timeout_at(ends_at):
                await jobs.bus.call_raw(start.request, start.body)
        except (ServiceError, TimeoutError) as error:
            await _failed(jobs, start, error)
        else:
            await _end(jobs, start, "done")


async def _start_due(jobs: Jobs, workers: _Workers) -> float:
    """Starts what there is room for; the seconds until the next look, 0 for at once."""
    async with jobs.db.read() as tx:
        if jobs.may_set_clock:
            clock.follow(jobs, await clock_store.read(tx))
        now = jobs.clock.now()
        outlook = await store.look(tx, now=now)
    poll_s = jobs.settings.jobs_poll_s
    if outlook.due:
        room = jobs.settings.jobs_workers - len(workers.running)
        if room <= 0:
            return poll_s
        return 0.0 if await _claim(jobs, workers, room) else min(poll_s, _CLOCK_SETTLES_S)
    if outlook.next_at is not None and not jobs.clock.is_set:
        poll_s = min(poll_s, max((outlook.next_at - now).total_seconds(), 0.001))
    if outlook.free_in_s is not None:
        poll_s = min(poll_s, max(outlook.free_in_s, 0.001))
    return poll_s


async def _claim(jobs: Jobs, workers: _Workers, room: int) -> bool:
    """Takes due jobs and starts them, in the order of ``run_at``; False when there was nothing to take.

    Nothing is taken while some process still uses another clock: what a job asks for would be judged
    by that one.
    """
    lease_s = jobs.settings.jobs_lease_s
    ends_at = asyncio.get_running_loop().time() + lease_s * _SHARE_OF_LEASE
    async with jobs.db.transaction() as tx:
        if jobs.may_set_clock:
            clock.follow(jobs, await clock_store.hold(tx))
            if not await clock_store.is_followed(tx, silent_s=jobs.settings.clock_silent_s):
                return False
        now = jobs.clock.now()
        starts = await store.claim(tx, now=now, room=room, lease_for=timedelta(seconds=lease_s))
        lost = await store.bury_lost(tx, now=now)
    for key in lost:
        log.error("job_failed", key=key, why="worker lost")
    for start in starts:
        task = asyncio.create_task(make(jobs, start, ends_at=ends_at))
        workers.running.add(task)
        task.add_done_callback(workers.running.discard)
        task.add_done_callback(lambda _: jobs.wake.set())
    return bool(starts or lost)


async def _failed(jobs: Jobs, start: Start, error: ServiceError | TimeoutError) -> None:
    why = error.code if isinstance(error, ServiceError) else "service_timeout"
    delay = rules.retry_in(
        start.attempts,
        start.max_attempts,
        delays_s=jobs.settings.jobs_retry_delays_s,
        chance=random.random(),  # noqa: S311 - spreads retries, guards nothing
    )
    if delay is None:
        log.error("job_failed", job_id=str(start.id), request=start.request, attempts=start.attempts, why=why)
        await _end(jobs, start, "failed", error=why)
        return
    if isinstance(error, (TimedOut, TimeoutError)):
        # It may still be at work over there: the next start waits as long as for a lost worker.
        delay = max(delay, timedelta(seconds=jobs.settings.jobs_lease_s))
    log.warning(
        "job_retried",
        job_id=str(start.id),
        request=start.request,
        attempt=start.attempts,
        delay_s=delay.total_seconds(),
        why=why,
    )
    await _end(jobs, start, "waiting", error=why, retry_in=delay)


async def _end(
    jobs: Jobs, start: Start, outcome: str, *, error: str | None = None, retry_in: timedelta | None = None
) -> None:
    try:
        async with jobs.db.transaction() as tx:
            written = await store.end(tx, start, state=outcome, error=error, retry_in=retry_in)
    except Unavailable:
        # The lease runs out and the job is started again.
        log.warning("job_outcome_lost", job_id=str(start.id))
        return
    if not written:
        log.warning("job_outcome_fenced", job_id=str(start.id), attempt=start.attempts)
