"""HTTP of processes and alerts, for admins."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import Depends

from turnosya.runtime.clock import real_now
from turnosya.runtime.fields import Instant, Resource
from turnosya.runtime.http import Admin, context_of, router
from turnosya.runtime.messages import Forbidden
from turnosya.runtime.problems import refuses
from turnosya.services.checks import alerts
from turnosya.services.checks.context import Checks

Here = Annotated[Checks, Depends(context_of(Checks))]
routes = router("/v1/checks/processes", tags=["checks"])


class ProcessHealth(Resource):
    """A process as it last told of itself; a dead one has been silent for more than 10 s."""

    id: UUID
    services: list[str]
    address: str
    pid: int
    started_at: Instant
    heard_at: Instant
    status: Literal["ok", "degraded", "dead"]
    away: list[str]


class LastingAlert(Resource):
    """What is wrong now, and since when."""

    id: UUID
    kind: str
    subject: str
    since: Instant


class Processes(Resource):
    """Every process, as this copy of checks hears them, and the alerts that last."""

    items: list[ProcessHealth]
    alerts: list[LastingAlert]


@routes.get("", responses=refuses(Forbidden))
async def list_processes(checks: Here, _admin: Admin) -> Processes:
    """Every process of the system, what it lacks, and the alerts that last (admin)."""
    now = real_now()
    lives = sorted(checks.lives.values(), key=lambda one: (one.services, one.address, one.started_at))
    return Processes(
        items=[
            ProcessHealth(
                id=one.process_id,
                services=list(one.services),
                address=one.address,
                pid=one.pid,
                started_at=one.started_at,
                heard_at=one.heard_at,
                status="dead" if one.is_dead(now) else "degraded" if one.away else "ok",
                away=sorted(one.away),
            )
            for one in lives
        ],
        alerts=[
            LastingAlert(id=one.id, kind=one.kind, subject=one.subject, since=one.since)
            for one in await alerts.lasting(checks)
        ],
    )
