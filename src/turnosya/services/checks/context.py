"""What every function of checks is handed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from uuid import UUID

from turnosya.runtime.bus import Bus
from turnosya.runtime.database import Database
from turnosya.runtime.service import Host
from turnosya.services.checks.alarms import Life
from turnosya.services.checks.rules import Health
from turnosya.services.checks.settings import ChecksSettings
from turnosya.services.checks.store.days import Looks


@dataclass(slots=True)
class Checks:
    """The checks service in one process, and what it last saw of each service."""

    settings: ChecksSettings
    bus: Bus
    db: Database
    stopping: asyncio.Event
    """Set when this process stops: what is then seen to go, goes with it."""
    process_id: UUID
    seen: dict[str, Health] = field(default_factory=dict[str, Health])
    looking: asyncio.Lock = field(default_factory=asyncio.Lock)
    tally: dict[tuple[str, date], Looks] = field(default_factory=dict[tuple[str, date], Looks])
    """What was counted and not yet kept."""
    days: dict[str, list[tuple[date, Looks]]] | None = None
    days_read_at: float = -1e9
    reading_days: asyncio.Lock = field(default_factory=asyncio.Lock)

    lives: dict[UUID, Life] = field(default_factory=dict[UUID, Life])
    """What each process last said of itself."""
    heard_self_at: datetime | None = None
    hears_since: datetime | None = None
    """Since when nothing that was said to us is known to be missing."""
    unheard: dict[str, datetime | None] = field(default_factory=dict[str, datetime | None])
    """Each durable queue, and since when nobody takes from it; None while somebody does."""
    queues_at: datetime | None = None

    @classmethod
    @asynccontextmanager
    async def open(cls, host: Host) -> AsyncGenerator[Checks]:
        """What it sees of the others it keeps in memory: it can see it again."""
        yield cls(
            settings=host.settings,
            bus=host.bus,
            db=host.db,
            stopping=host.stopping,
            process_id=host.process_id,
        )
