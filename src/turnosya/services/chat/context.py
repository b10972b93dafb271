"""What every function of chat is handed."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from turnosya.runtime.service import Host


@dataclass(frozen=True, slots=True)
class Chat:
    """The open service. It keeps nothing yet."""

    @classmethod
    @asynccontextmanager
    async def open(cls, _: Host) -> AsyncGenerator[Chat]:
        """Needs no store."""
        yield cls()
