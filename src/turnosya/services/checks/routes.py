"""HTTP of checks."""

from typing import Annotated

from fastapi import Depends

from turnosya.runtime.fields import Instant, Resource
from turnosya.runtime.http import context_of, router
from turnosya.services.checks import health, rules
from turnosya.services.checks.context import Checks
from turnosya.services.checks.rules import Status


class ServiceHealth(Resource):
    """How one service is, since when, and how long it took to say so; null when it did not."""

    status: Status
    since: Instant
    latency_ms: float | None


class SystemHealth(Resource):
    """How the whole is, and each service."""

    status: Status
    services: dict[str, ServiceHealth]


routes = router("/v1/checks", tags=["checks"])


@routes.get("/health")
async def system_health(checks: Annotated[Checks, Depends(context_of(Checks))]) -> SystemHealth:
    """Whether each service lives, as last seen; a service that died is seen within seconds."""
    seen = await health.seen(checks)
    return SystemHealth(
        status=rules.overall(seen),
        services={
            name: ServiceHealth(
                status=one.status,
                since=one.since,
                latency_ms=None if one.latency_ms is None else round(one.latency_ms, 2),
            )
            for name, one in seen.items()
        },
    )
