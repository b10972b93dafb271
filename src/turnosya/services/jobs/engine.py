"""Makes each request when its time has come: at least once, and never two of one job at a time."""

from __future__ import annotations

import asyncio
import contextlib
import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import structlog

from turnosya.runtime.messages import Nothing, ServiceError, TimedOut, Unavailable
from turnosya.runtime.spans import Kind, Span, enter
from turnosya.services.jobs import clock, metrics, recurrence, rules, schedules
from turnosya.services.jobs.outcomes import Outcomes
from turnosya.services.jobs.store import timetable as store
from turnosya.services.jobs.store.timetable import Ending, Followed

if TYPE_CHECKING:
    from turnosya.contracts.jobs import ForgetEnded
    from turnosya.services.jobs.context import Jobs
    from turnosya.services.jobs.store.timetable import Start

log = structlog.get_logger()

# A start of which the worker woke up later than this is left to the next one.
_SHARE_OF_LEASE = 0.7
# The lease of what runs is renewed so many times before it would end.
_RENEWALS = 3
# While some process does not follow the clock yet.
_CLOCK_SETTLES_S = 0.05
_MISSED_EVERY_S = 1.0
# While more is due than there is room for, room is gathered a moment: a claim costs about as much for one
# as for fifty. Chosen, not measured by itself.
_GATHER_S = 0.01
_SHARE_TO_GATHER = 0.5
_MOST_UNWRITTEN = 500
# A smaller step back of the machine's clock is its adjusting.
_STEP_BACK = timedelta(seconds=1)


@dataclass(slots=True)
class _Workers:
    """The jobs that this process is making, and what it last saw of the clock."""

    outcomes: Outcomes
    running: dict[asyncio.Task[None], Start] = field(default_factory=dict[asyncio.Task[None], "Start"])
    seen_at: datetime | None = None
    looked_for_missed_at: float = -1e9
    has_backlog: bool = False
    making: int = 0


async def run(jobs: Jobs) -> None:
    """Starts what is due, for ever; what runs when it is cancelled is cancelled with it."""
    workers = _Workers(Outcomes(jobs.db, jobs.settings.jobs_lease_s))
    beside = [asyncio.create_task(workers.outcomes.run()), asyncio.create_task(_renew(jobs, workers))]
    try:
        while True:
            jobs.wake.clear()
            wait_s = jobs.settings.jobs_poll_s
            try:
                await _watch(jobs, workers)
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
        for task in (*workers.running, *beside):
            task.cancel()


async def forget(jobs: Jobs, _request: ForgetEnded) -> Nothing:
    """The job that deletes what ended long ago."""
    done_kept = timedelta(days=jobs.settings.jobs_done_kept_days)
    failed_kept = timedelta(days=jobs.settings.jobs_failed_kept_days)
    async with jobs.db.transaction() as tx:
        await store.forget(tx, done_kept=done_kept, failed_kept=failed_kept)
    return Nothing()


async def make(jobs: Jobs, start: Start, *, begins_before: float) -> Ending | None:
    """Makes the request; what became of it.

    A start that has waited until ``begins_before`` on the loop's clock is not begun, None: its worker was
    frozen, and another has the job, or will soon.
    """
    loop = asyncio.get_running_loop()
    with Span(enter(None, None), "jobs", Kind.CONSUMER, f"job {start.request}") as made:
        made.note("turnosya.attempt", start.attempts)
        if loop.time() >= begins_before:
            log.warning("job_taken_too_long_ago", job_id=str(start.id), attempt=start.attempts)
            return None
        began, now = loop.time(), jobs.clock.now()
        if start.recurs and recurrence.is_left_out(start.recurs, run_at=start.run_at, now=now):
            return _ending(jobs, start, "left_out")
        if start.attempts == 1 and not jobs.clock.is_set:
            metrics.started_late_s.observe(max((now - start.run_at).total_seconds(), 0))
        try:
            async with asyncio.timeout(start.timeout_s):
                await jobs.bus.call_raw(start.request, start.body, timeout_s=start.timeout_s)
        except (ServiceError, TimeoutError) as error:
            made.fail(type(error).__name__)
            ending = _failed(jobs, start, error)
        else:
            ending = _ending(jobs, start, "done")
        metrics.took_s.labels(ending.outcome).observe(loop.time() - began)
        return ending


async def _work(jobs: Jobs, workers: _Workers, start: Start, *, begins_before: float) -> None:
    """One start from its claim to its outcome; its place is free for another as soon as it was made."""
    try:
        ending = await make(jobs, start, begins_before=begins_before)
    finally:
        workers.making -= 1
        jobs.wake.set()
    if ending is not None:
        await workers.outcomes.write(ending)


async def _watch(jobs: Jobs, workers: _Workers) -> None:
    """Notices that the machine's clock went back, and once a second that something was missed."""
    now = jobs.clock.now()
    if workers.seen_at is not None and now < workers.seen_at - _STEP_BACK:
        log.warning("clock_went_back", by_s=(workers.seen_at - now).total_seconds())
        async with jobs.db.transaction() as tx:
            await schedules.plan_anew(tx, now)
    workers.seen_at = now
    if asyncio.get_running_loop().time() - workers.looked_for_missed_at >= _MISSED_EVERY_S:
        workers.looked_for_missed_at = asyncio.get_running_loop().time()
        await schedules.tell_of_missed(jobs)


async def _start_due(jobs: Jobs, workers: _Workers) -> float:
    """Starts what there is room for; the seconds until the next look, 0 for at once."""
    room = _room(jobs, workers)
    if workers.has_backlog and room < jobs.settings.jobs_workers * _SHARE_TO_GATHER:
        await asyncio.sleep(_GATHER_S)
        room = _room(jobs, workers)
    if room <= 0:
        return jobs.settings.jobs_poll_s
    if await _claim(jobs, workers, room):
        return 0.0
    async with jobs.db.read() as tx:
        now = jobs.clock.now()
        outlook = await store.look(tx, now=now)
    if outlook.lost:
        await _give_up_lost(jobs, now)
    poll_s = jobs.settings.jobs_poll_s
    if outlook.due:
        # A process does not follow the clock yet, or a concurrency key is full: who ends wakes us.
        return min(poll_s, _CLOCK_SETTLES_S)
    if outlook.next_at is not None and not jobs.clock.is_set:
        poll_s = min(poll_s, max((outlook.next_at - now).total_seconds(), 0.001))
    if outlook.free_in_s is not None:
        poll_s = min(poll_s, max(outlook.free_in_s, 0.001))
    return poll_s


def _room(jobs: Jobs, workers: _Workers) -> int:
    """How many more may be begun; none while many outcomes wait to be written."""
    if len(workers.running) - workers.making >= _MOST_UNWRITTEN:
        return 0
    return jobs.settings.jobs_workers - workers.making


async def _claim(jobs: Jobs, workers: _Workers, room: int) -> bool:
    """Takes due jobs and starts them in order; False when there was nothing to take.

    Nothing is taken while some process still uses another clock: what a job asks for would be judged
    by that one.
    """
    lease_for = timedelta(seconds=jobs.settings.jobs_lease_s)
    begins_before = asyncio.get_running_loop().time() + jobs.settings.jobs_lease_s * _SHARE_OF_LEASE
    followed = None
    if jobs.may_set_clock:
        clock.follow(jobs, await clock.state(jobs))
        followed = Followed(jobs.clock.version, timedelta(seconds=jobs.settings.clock_silent_s))
    async with jobs.db.at_once() as tx:
        starts = await store.claim(
            tx, now=jobs.clock.now(), room=room, lease_for=lease_for, followed=followed
        )
    workers.has_backlog = len(starts) == room
    for start in starts:
        workers.making += 1
        task = asyncio.create_task(_work(jobs, workers, start, begins_before=begins_before))
        workers.running[task] = start
        task.add_done_callback(lambda done: _ended(jobs, workers, done))
    metrics.running.set(workers.making)
    return bool(starts)


async def _give_up_lost(jobs: Jobs, now: datetime) -> None:
    """Ends what was started as often as it may be and of which no worker lived to tell."""
    async with jobs.db.transaction() as tx:
        lost = await store.lost(tx, now=now)
        if lost:
            await store.end(tx, *(_ending(jobs, start, "failed", error="worker lost") for start in lost))
    for start in lost:
        log.error("job_failed", key=start.key, why="worker lost")
        metrics.ended.labels(metrics.label(start.request), "failed").inc()


def _ended(jobs: Jobs, workers: _Workers, task: asyncio.Task[None]) -> None:
    workers.running.pop(task, None)
    metrics.running.set(workers.making)
    jobs.wake.set()
    if not task.cancelled() and task.exception() is not None:
        log.error("job_worker_failed", exc_info=task.exception())


async def _renew(jobs: Jobs, workers: _Workers) -> None:
    """Says of what runs here that it lives; what another has taken over meanwhile is given up."""
    lease_for = timedelta(seconds=jobs.settings.jobs_lease_s)
    while True:
        await asyncio.sleep(jobs.settings.jobs_lease_s / _RENEWALS)
        running = dict(workers.running)
        if not running:
            continue
        try:
            # A transaction of its own on the server: who is frozen here holds no row that others wait for.
            async with jobs.db.at_once() as tx:
                ours = await store.renew(tx, list(running.values()), lease_for=lease_for)
        except Unavailable:
            log.warning("leases_not_renewed", count=len(running))
            continue
        except Exception:
            log.exception("renewing_failed")
            continue
        for task, start in running.items():
            if (start.id, start.fence) not in ours and not task.done():
                metrics.fenced.inc()
                log.warning("job_outcome_fenced", job_id=str(start.id), attempt=start.attempts)
                task.cancel()


def _failed(jobs: Jobs, start: Start, error: ServiceError | TimeoutError) -> Ending:
    why = error.code if isinstance(error, ServiceError) else "service_timeout"
    delay = rules.retry_in(
        start.attempts,
        start.max_attempts,
        delays_s=start.backoff_s or jobs.settings.jobs_retry_delays_s,
        chance=random.random(),  # noqa: S311 - spreads retries, guards nothing
    )
    told = {"job_id": str(start.id), "request": start.request, "attempt": start.attempts, "why": why}
    if delay is None:
        log.error("job_failed", **told)
        return _ending(jobs, start, "failed", error=why)
    if isinstance(error, (TimedOut, TimeoutError)):
        # It may still be at work over there: the next start waits as long as for a lost worker.
        delay = max(delay, timedelta(seconds=jobs.settings.jobs_lease_s))
    log.warning("job_retried", **told, delay_s=delay.total_seconds())
    return Ending(start, "retried", error=why, retry_s=delay.total_seconds())


def _ending(jobs: Jobs, start: Start, outcome: str, *, error: str | None = None) -> Ending:
    """The end of a job, or of this time of one that recurs."""
    next_at = None
    if start.recurs is not None:
        next_at = recurrence.following(start.recurs, run_at=start.run_at, now=jobs.clock.now())
    return Ending(start, outcome, error=error, next_at=next_at)
