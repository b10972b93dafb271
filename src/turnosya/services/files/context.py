"""What every function of files is handed."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from turnosya.runtime.bus import Bus
from turnosya.runtime.database import Database
from turnosya.runtime.service import Host


@dataclass(frozen=True, slots=True)
class Files:
    """The files service in one process."""

    bus: Bus
    db: Database

    @classmethod
    @asynccontextmanager
    async def open(cls, host: Host) -> AsyncGenerator[Files]:
        """Needs nothing that has to be closed."""
        yield cls(bus=host.bus, db=host.db)
