"""What every function of files is handed."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from turnosya.runtime.bus import Bus
from turnosya.runtime.database import Database
from turnosya.runtime.links import Links
from turnosya.runtime.service import Host
from turnosya.services.files.decoding.workshop import Workshop
from turnosya.services.files.objects import Objects
from turnosya.services.files.settings import FilesSettings


@dataclass(frozen=True, slots=True)
class Files:
    """The open service."""

    settings: FilesSettings
    bus: Bus
    db: Database
    links: Links
    objects: Objects
    workshop: Workshop
    spool: Path
    """The folder in which uploads arrive."""

    @classmethod
    @asynccontextmanager
    async def open(cls, host: Host) -> AsyncGenerator[Files]:
        """Makes the folders that are missing."""
        settings = host.settings
        data = host.process.data_dir
        spool = settings.files_spool or data / "uploads"
        spool.mkdir(parents=True, exist_ok=True)
        async with Workshop.open() as workshop:
            yield cls(
                settings=settings,
                bus=host.bus,
                db=host.db,
                links=Links(settings, host.process),
                objects=Objects.at(settings, data / "files"),
                workshop=workshop,
                spool=spool.absolute(),
            )
