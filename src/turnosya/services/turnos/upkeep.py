"""What turnos does again and again: each run first asks for the next, so that none that fails is the last."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import structlog

from turnosya.contracts.jobs import Job, ScheduleRequested
from turnosya.contracts.turnos import CompleteOver, FollowZoneRules
from turnosya.runtime.messages import Rpc, Unavailable

if TYPE_CHECKING:
    from turnosya.services.turnos.context import Turnos

log = structlog.get_logger()

# Nobody waits for either: whoever reads a turno that is over completes it, and rules of zones change
# some times a year, with months of notice.
EVERY: Mapping[type[Rpc[Any]], timedelta] = {
    CompleteOver: timedelta(minutes=5),
    FollowZoneRules: timedelta(days=1),
}
_TRY_AGAIN_S = 1.0


async def begin(turnos: Turnos) -> None:
    """Asks for the first run of each at every start: a new version may bring new rules of zones."""
    while True:
        try:
            for request in (CompleteOver(), FollowZoneRules()):
                await ask(turnos, request, after=timedelta())
        except Unavailable:
            log.warning("upkeep_put_off")
            await asyncio.sleep(_TRY_AGAIN_S)
        else:
            return


async def ask(turnos: Turnos, request: Rpc[Any], *, after: timedelta | None = None) -> None:
    """Asks jobs to make ``request`` in its usual time, or ``after`` another, in place of what waits."""
    run_at = turnos.clock.now() + (EVERY[type(request)] if after is None else after)
    job = Job.of(request, key=request.wire_name, run_at=run_at)
    async with turnos.db.transaction() as tx:
        await tx.publish(ScheduleRequested(job=job))
