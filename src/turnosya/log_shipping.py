"""Hands what a process logs to checks, in batches; a batch that was not stored is handed over again."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import structlog

from turnosya.contracts.checks import KeepLogs, LogLine
from turnosya.runtime.bus import Bus
from turnosya.runtime.log_queue import BATCH_LINES, LogQueue
from turnosya.runtime.messages import ServiceError

log = structlog.get_logger()

_EVERY_S, _LONGEST_WAIT_S = 0.5, 15.0


@asynccontextmanager
async def shipping_logs(bus: Bus, queue: LogQueue) -> AsyncGenerator[None]:
    """Ships while the block runs; what is logged after it is on standard error only."""
    queue.is_open = True
    task = asyncio.create_task(ship(bus, queue))
    try:
        yield
    finally:
        queue.is_open = False
        task.cancel()


async def ship(bus: Bus, queue: LogQueue) -> None:
    """For ever. Failures only lengthen the wait: who logs never notices."""
    wait_s = _EVERY_S
    while True:
        await asyncio.sleep(wait_s)
        try:
            full = await ship_one(bus, queue) == BATCH_LINES
        except ServiceError:
            wait_s = min(2 * wait_s, _LONGEST_WAIT_S) or _EVERY_S
        except Exception:
            log.exception("log_shipping_failed")
            wait_s = _LONGEST_WAIT_S
        else:
            wait_s = 0 if full else _EVERY_S


async def ship_one(bus: Bus, queue: LogQueue) -> int:
    """One batch; how many lines were stored. Raises ``ServiceError`` when they were not."""
    batch = queue.head()
    if batch and bus.healthy:
        lines = [LogLine.model_validate(line, from_attributes=True) for line in batch]
        await bus.call(KeepLogs(lines=lines))
        queue.forget(batch)
        return len(batch)
    return 0
