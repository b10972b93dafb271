"""HTTP of health and of the audit."""

from typing import Annotated, Self
from uuid import UUID

from fastapi import Depends, Query

from turnosya.runtime.fields import Instant, Resource
from turnosya.runtime.http import Admin, context_of, router
from turnosya.runtime.messages import Forbidden
from turnosya.runtime.pages import Listed, Paged, after_instant
from turnosya.runtime.problems import refuses
from turnosya.services.checks import audit, health, rules
from turnosya.services.checks.context import Checks
from turnosya.services.checks.rules import Status
from turnosya.services.checks.store.audit import Entry, Sought


class ServiceHealth(Resource):
    """How one service is, since when, and how long it took to say so; null when it did not."""

    status: Status
    since: Instant
    latency_ms: float | None


class SystemHealth(Resource):
    """How the whole is, and each service."""

    status: Status
    services: dict[str, ServiceHealth]


class AuditEntry(Resource):
    """What happened to an account; ids only."""

    id: UUID
    at: Instant
    service: str
    kind: str
    actor_id: UUID | None
    subject_id: UUID | None
    session_id: UUID | None
    reason: str | None

    @classmethod
    def of(cls, entry: Entry) -> Self:
        """A line as it is shown."""
        return cls(
            id=entry.id,
            at=entry.at,
            service=entry.service,
            kind=entry.kind,
            actor_id=entry.actor_id,
            subject_id=entry.subject_id,
            session_id=entry.session_id,
            reason=entry.reason,
        )


Here = Annotated[Checks, Depends(context_of(Checks))]
routes = router("/v1/checks", tags=["checks"])


@routes.get("/health")
async def system_health(checks: Here) -> SystemHealth:
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


@routes.get("/audit", responses=refuses(Forbidden))
async def read_audit(
    checks: Here,
    _admin: Admin,
    page: Paged,
    *,
    actor: UUID | None = None,
    subject: UUID | None = None,
    kind: Annotated[str | None, Query(max_length=100, pattern=r"^[a-z_]+$")] = None,
    since: Instant | None = None,
) -> Listed[AuditEntry]:
    """What happened to accounts, the latest first: by whom, to whose account (admin)."""
    sought = Sought(actor_id=actor, subject_id=subject, kind=kind, since=since)
    found = await audit.find(checks, sought, before=after_instant(page), limit=page.read)
    shown = [AuditEntry.of(one) for one in found]
    return page.of(shown, sort_values=lambda one: [one.at.isoformat(), one.id])
