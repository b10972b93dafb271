"""When a service, and the whole of them, is well: decisions without input or output."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

Status = Literal["ok", "degraded", "down"]

WATCHED: tuple[str, ...] = (
    "gateway", "auth", "users", "business", "turnos", "notification", "chat", "jobs", "files", "checks",
)  # fmt: skip

# Without these nobody comes in or books; without any other something is missing, and bookings go on.
ESSENTIAL = frozenset({"gateway", "auth", "turnos"})

# A ready service answers within milliseconds; a second is far beyond a busy moment.
SLOW_MS = 1000.0

# A missed answer may be a start or a busy machine; silence for longer than readiness is cached is not.
DOWN_AFTER = timedelta(seconds=3)


@dataclass(frozen=True, slots=True)
class Health:
    """What was last seen of a service: ``since`` is when it was first seen like this.

    ``latency_ms`` is None when it did not answer.
    """

    status: Status
    since: datetime
    latency_ms: float | None
    missing_since: datetime | None = None


def next_health(before: Health | None, *, latency_ms: float | None, at: datetime) -> Health:
    """A service's health after one more question, answered in ``latency_ms`` or not at all."""
    missing_since = None
    status: Status = "ok"
    if latency_ms is None:
        missing_since = before.missing_since if before and before.missing_since else at
        status = "down" if at - missing_since >= DOWN_AFTER else "degraded"
    elif latency_ms > SLOW_MS:
        status = "degraded"
    since = before.since if before is not None and before.status == status else at
    return Health(status, since, latency_ms, missing_since)


def is_in_doubt(services: Mapping[str, Health]) -> bool:
    """Whether somebody has missed an answer and is not yet known to be down: worth asking again soon."""
    return any(one.missing_since is not None and one.status != "down" for one in services.values())


def overall(services: Mapping[str, Health], *, essential: Collection[str] = ESSENTIAL) -> Status:
    """Down when an essential service is down, degraded when any service is not well, else ok."""
    if any(services[name].status == "down" for name in essential if name in services):
        return "down"
    if any(one.status != "ok" for one in services.values()):
        return "degraded"
    return "ok"
