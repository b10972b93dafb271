"""Says, while the servers run, that the disk under them is full: they refuse or die of it without a word."""

from __future__ import annotations

import asyncio
import shutil
import time
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from pathlib import Path

# PostgreSQL takes its log of changes in files of 16 MiB: with less it stops at the next one.
FULL_BYTES = 16 * 1024 * 1024
LOOK_S, AGAIN_S = 2.0, 60.0

log: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger()


class DiskWatch:
    """Looks at the disk of the data folder; one error line when it is full, and again each minute."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._told_at: float | None = None

    async def run(self) -> None:
        """Looks for ever."""
        while True:
            self.look(now=time.monotonic())
            await asyncio.sleep(LOOK_S)

    def look(self, *, now: float) -> None:
        """Looks once."""
        free = shutil.disk_usage(self._folder).free
        if free >= FULL_BYTES:
            if self._told_at is not None:
                log.info("disk_has_room_again", folder=str(self._folder), free_mib=free // 2**20)
            self._told_at = None
        elif self._told_at is None or now - self._told_at >= AGAIN_S:
            self._told_at = now
            log.error(
                "disk_full",
                folder=str(self._folder),
                free_mib=free // 2**20,
                do="make room: until then nothing can be stored, and no code is sent",
            )
