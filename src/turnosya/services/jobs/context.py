"""What every function of jobs is handed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from turnosya.runtime.bus import Bus
from turnosya.runtime.clock import Clock
from turnosya.runtime.database import Database
from turnosya.runtime.service import Host
from turnosya.runtime.settings import Environment
from turnosya.services.jobs.settings import JobsSettings


@dataclass(frozen=True, slots=True)
class Jobs:
    """The jobs service in one process. ``may_set_clock`` is true in development only."""

    settings: JobsSettings
    bus: Bus
    db: Database
    clock: Clock
    may_set_clock: bool
    wake: asyncio.Event = field(default_factory=asyncio.Event)

    @classmethod
    @asynccontextmanager
    async def open(cls, host: Host) -> AsyncGenerator[Jobs]:
        """A move of the clock wakes the engine at once."""
        jobs = cls(
            settings=host.settings,
            bus=host.bus,
            db=host.db,
            clock=host.clock,
            may_set_clock=host.env is Environment.DEVELOPMENT,
        )
        host.clock.on_change(jobs.wake.set)
        yield jobs
