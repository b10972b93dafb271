"""When a service, and the whole of them, is well: decisions without input or output."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Status = Literal["ok", "degraded", "down"]

WATCHED = (
    "gateway", "auth", "users", "business", "turnos", "notification", "chat", "jobs", "files", "checks",
)  # fmt: skip

# Without these nobody comes in or books; without any other something is missing, and bookings go on.
ESSENTIAL = frozenset({"gateway", "auth", "turnos"})

# A ready service answers within milliseconds; a second is far beyond a busy moment.
SLOW_MS = 1000.0

# One missed answer may be a restart or a busy machine; two in a row, 4 s apart at most, are not.
MISSES_OF_DOWN = 2


@dataclass(frozen=True, slots=True)
class Health:
    """What was last seen of a service: ``since`` is when it was first seen like this.

    ``latency_ms`` is None when it did not answer.
    """

    status: Status
    since: datetime
    latency_ms: float | None
    misses: int = 0


def next_health(before: Health | None, *, latency_ms: float | None, at: datetime) -> Health:
    """A service's health after one more question, answered in ``latency_ms`` or not at all.

    The first time counts as it is: what never answered is down.
    """
    misses = 0 if latency_ms is not None else (before.misses if before else MISSES_OF_DOWN) + 1
    status: Status = "ok"
    if misses >= MISSES_OF_DOWN:
        status = "down"
    elif misses or (latency_ms is not None and latency_ms > SLOW_MS):
        status = "degraded"
    since = before.since if before is not None and before.status == status else at
    return Health(status, since, latency_ms, misses)


def overall(services: Mapping[str, Health], *, essential: Collection[str] = ESSENTIAL) -> Status:
    """Down when an essential service is down, degraded when any service is not well, else ok."""
    if any(services[name].status == "down" for name in essential if name in services):
        return "down"
    if any(one.status != "ok" for one in services.values()):
        return "degraded"
    return "ok"
