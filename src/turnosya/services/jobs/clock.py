"""The service clock: read, set and released in development; followed by every process that decides by it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TYPE_CHECKING

import structlog

from turnosya.contracts.jobs import ClockMoved, ClockState, UseClock
from turnosya.runtime.bus import Undelivered, time_left_s
from turnosya.runtime.clock import real_now
from turnosya.runtime.field_errors import WORDS
from turnosya.runtime.messages import Unavailable, invalid
from turnosya.services.jobs import rules, schedules
from turnosya.services.jobs.store import clock as clock_store
from turnosya.services.jobs.store import timetable as store

if TYPE_CHECKING:
    from turnosya.services.jobs.context import Jobs

log = structlog.get_logger()

# Kept of the caller's time, so that who waits for what fell due is told that it takes longer.
_ANSWER_S = 1.0
_START_S = 10.0
_LOOK_EVERY_S = 0.02


async def use(jobs: Jobs, request: UseClock) -> ClockState:
    """A process lives and uses this version; the answer is what it should use."""
    if not jobs.may_set_clock:
        return ClockState(version=0, set_to=None)
    async with jobs.db.transaction() as tx:
        await clock_store.see(tx, request.process_id, version=request.version)
        state = await clock_store.read(tx)
    if request.version < state.version:
        jobs.wake.set()
    return state


async def state(jobs: Jobs) -> ClockState:
    """The clock as it is."""
    async with jobs.db.read() as tx:
        return await clock_store.read(tx)


async def set_to(jobs: Jobs, instant: datetime) -> ClockState:
    """Makes the clock stand at ``instant``."""
    found = rules.settable(instant)
    if found is None:
        raise _out_of_range("now")
    return await _move(jobs, lambda _: found)


async def advance(jobs: Jobs, minutes: int) -> ClockState:
    """Makes the clock stand so many minutes after what it shows now, or before if negative."""

    def target(now: datetime) -> datetime:
        found = rules.advanced(now, minutes)
        if found is None:
            raise _out_of_range("advance_minutes")
        return found

    return await _move(jobs, target)


async def release(jobs: Jobs) -> None:
    """Returns to real time."""
    await _move(jobs, lambda _: None)


def _out_of_range(field: str) -> Exception:
    return invalid(field, "out_of_range", WORDS["years"])


async def _move(jobs: Jobs, target: Callable[[datetime], datetime | None]) -> ClockState:
    """Moves the clock and returns when every process uses it and what fell due has been started.

    Raises ``Unavailable`` when that takes too long; the clock has moved all the same.
    """
    async with jobs.db.transaction() as tx:
        follow(jobs, await clock_store.hold_alone(tx))
        before = jobs.clock.now()
        wanted = target(before)
        if (wanted or real_now()) < before:
            await schedules.plan_anew(tx, wanted or real_now())
        moved = await clock_store.move(tx, set_to=wanted, silent_s=jobs.settings.clock_silent_s)
    follow(jobs, moved)
    log.info("clock_moved", version=moved.version, set_to=moved.set_to and moved.set_to.isoformat())
    try:
        await jobs.bus.publish_every_copy(ClockMoved(state=moved))
    except (Undelivered, ConnectionError):
        log.info("clock_is_learned_by_heartbeat", version=moved.version)
    await _wait(jobs, moved, _is_followed, jobs.settings.clock_wait_s)
    left_s = time_left_s()
    await _wait(jobs, moved, _is_started, _START_S if left_s is None else max(left_s - _ANSWER_S, 0))
    return moved


def follow(jobs: Jobs, found: ClockState) -> None:
    """This process uses the clock as it was found in the database; an older one is ignored."""
    if found.version > jobs.clock.version:
        jobs.clock.use(version=found.version, set_to=found.set_to)


async def _wait(
    jobs: Jobs, moved: ClockState, is_so: Callable[[Jobs], Awaitable[bool]], within_s: float
) -> None:
    try:
        async with asyncio.timeout(within_s):
            while not await is_so(jobs):
                if (await state(jobs)).version != moved.version:
                    return  # somebody has moved it again, and waits for that
                jobs.wake.set()
                await asyncio.sleep(_LOOK_EVERY_S)
    except TimeoutError:
        log.warning("clock_move_takes_too_long", version=moved.version, waited_for=is_so.__name__)
        raise Unavailable from None


async def _is_followed(jobs: Jobs) -> bool:
    async with jobs.db.read() as tx:
        return await clock_store.is_followed(tx, silent_s=jobs.settings.clock_silent_s)


async def _is_started(jobs: Jobs) -> bool:
    async with jobs.db.read() as tx:
        return not await store.has_unstarted(tx, now=jobs.clock.now())
