"""What every function of users is handed."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from turnosya.runtime.bus import Bus
from turnosya.runtime.database import Database
from turnosya.runtime.links import Links
from turnosya.runtime.service import Host
from turnosya.runtime.settings import Environment
from turnosya.services.users.passwords import Passwords
from turnosya.services.users.settings import UsersSettings


@dataclass(frozen=True, slots=True)
class Users:
    """The users service in one process."""

    bus: Bus
    db: Database
    passwords: Passwords
    links: Links
    limited: bool
    """False in development with TURNOSYA_RATE_LIMITS=off: links go to as many addresses as one likes."""

    @classmethod
    @asynccontextmanager
    async def open(cls, host: Host) -> AsyncGenerator[Users]:
        """Runs the threads in which passwords are hashed for as long as the block lasts."""
        settings: UsersSettings = host.settings
        passwords = Passwords(workers=settings.password_workers, queue=settings.password_queue)
        is_lifted = host.env is Environment.DEVELOPMENT and host.process.rate_limits == "off"
        try:
            yield cls(
                bus=host.bus,
                db=host.db,
                passwords=passwords,
                links=Links(settings, host.process),
                limited=not is_lifted,
            )
        finally:
            passwords.close()
