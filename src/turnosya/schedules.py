"""Tells jobs what the services of a process do again and again."""

import asyncio
from collections.abc import Iterable
from typing import Any

import structlog

from turnosya.contracts.jobs import Declared, DeclareSchedules, Job, Recurrence
from turnosya.runtime.bus import Bus
from turnosya.runtime.messages import ServiceError
from turnosya.runtime.service import Recurs, Service, sweep_of

log = structlog.get_logger()

_SWEEP_S = 600.0
_TRY_AGAIN_S = 1.0
# The data of jobs may have been lost; declared again, what is as it was keeps its time.
_AGAIN_S = 600.0


def schedules_of(service: Service[Any]) -> DeclareSchedules:
    """All that recurs in one service: what its page lists, and the sweep of its runtime."""
    found = [_declared(one) for one in service.recurs]
    if service.migrations is not None:
        name = sweep_of(service.name)
        job = Job(key=name, request=name, body={}, recurs=Recurrence(every_s=_SWEEP_S))
        found.append(Declared(job=job))
    return DeclareSchedules(service=service.name, schedules=found)


def _declared(one: Recurs) -> Declared:
    recurs = Recurrence(cron=one.cron, every_s=one.every_s, timezone=one.timezone)
    job = Job.of(one.request, key=one.request.wire_name, recurs=recurs)
    return Declared(job=job, revision=one.revision)


async def declare_schedules(bus: Bus, services: Iterable[Service[Any]]) -> None:
    """Declares until jobs has answered for each, then again from time to time, for ever."""
    requests = [schedules_of(service) for service in services]
    while True:
        left = list(requests)
        while left:
            left = [request for request in left if not await _is_told(bus, request)]
            if left:
                await asyncio.sleep(_TRY_AGAIN_S)
        await asyncio.sleep(_AGAIN_S)


async def _is_told(bus: Bus, request: DeclareSchedules) -> bool:
    try:
        await bus.call(request)
    except ServiceError as error:
        log.info("schedules_not_declared", service=request.service, why=error.code)
        return False
    except Exception:
        log.exception("declaring_failed", service=request.service)
        return False
    return True
