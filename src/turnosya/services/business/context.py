"""What every function of business is handed."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from turnosya.runtime.bus import Bus
from turnosya.runtime.clock import Clock
from turnosya.runtime.database import Database
from turnosya.runtime.links import public_url
from turnosya.runtime.service import Host
from turnosya.services.business.settings import BusinessSettings


@dataclass(frozen=True, slots=True)
class Businesses:
    """The business service in one process."""

    bus: Bus
    db: Database
    clock: Clock
    """By which papers hold and end; what is only written down carries real time."""
    settings: BusinessSettings
    public_url: str
    """Where people reach the pages of businesses, without a slash at the end."""

    @classmethod
    @asynccontextmanager
    async def open(cls, host: Host) -> AsyncGenerator[Businesses]:
        """Needs nothing that has to be closed."""
        yield cls(host.bus, host.db, host.clock, host.settings, public_url(host.settings, host.process))
