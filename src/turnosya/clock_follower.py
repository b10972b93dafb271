"""Keeps a process on the service clock: a heartbeat to jobs, and every move of the clock at once."""

import asyncio
import contextlib
from uuid import UUID

import structlog

from turnosya.contracts.jobs import ClockMoved, ClockState, UseClock
from turnosya.runtime.bus import Bus
from turnosya.runtime.clock import Clock
from turnosya.runtime.messages import ServiceError

log = structlog.get_logger()

# Jobs forgets a process that has been silent for five of these (ARCHITECTURE.md, "Clocks").
HEARTBEAT_S = 1.0


async def follow_clock(
    bus: Bus, clock: Clock, process_id: UUID, *, followed: asyncio.Event | None = None
) -> None:
    """Follows the service clock for ever; without jobs the process keeps the clock it has.

    Each heartbeat says which version this process uses: a new one is acknowledged at once.
    ``followed`` is set when the first has been answered.
    """
    moved = asyncio.Event()

    async def hear(event: ClockMoved) -> None:
        _use(clock, event.state)
        moved.set()

    await bus.hear_every_copy(ClockMoved, hear)
    away = False
    while True:
        moved.clear()
        told = clock.version
        try:
            state = await bus.call(UseClock(process_id=process_id, version=told), timeout_s=2 * HEARTBEAT_S)
        except ServiceError as error:
            if not away:
                log.warning("clock_not_followed", why=error.code)
            away = True
        except Exception:
            log.exception("heartbeat_failed")
        else:
            if away:
                log.info("clock_followed_again", version=state.version)
            away = False
            _use(clock, state)
            if followed is not None:
                followed.set()
        if clock.version == told:
            # Not wait_for: before Python 3.12 it can lose a cancellation that comes with the event.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(HEARTBEAT_S):
                    await moved.wait()


def _use(clock: Clock, state: ClockState) -> None:
    if state.version > clock.version:
        clock.use(version=state.version, set_to=state.set_to)
