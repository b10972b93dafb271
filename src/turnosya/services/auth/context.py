"""What every function of auth is handed."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cryptography.fernet import Fernet

from turnosya.runtime.bus import Bus
from turnosya.runtime.links import Links
from turnosya.runtime.service import Host
from turnosya.runtime.settings import Environment
from turnosya.services.auth.key_ring import SigningKeyRing
from turnosya.services.auth.settings import AuthSettings
from turnosya.services.auth.store import Store


@dataclass(frozen=True, slots=True)
class Auth:
    """The auth service in one process."""

    settings: AuthSettings
    bus: Bus
    store: Store
    keys: SigningKeyRing
    mac_key: bytes
    pepper: bytes
    links: Links
    limited: bool
    """False in development with TURNOSYA_RATE_LIMITS=off: pauses and sending budgets are lifted."""
    loopback_exempt: bool
    loading: asyncio.Lock = field(default_factory=asyncio.Lock)

    def now(self) -> datetime:
        """Real time: codes and tokens never follow the clock that development may move."""
        return datetime.fromtimestamp(self.store.now_ms() / 1000, UTC)

    @classmethod
    @asynccontextmanager
    async def open(cls, host: Host) -> AsyncGenerator[Auth]:
        """Touches no other service: who is blocked is asked for once auth is open."""
        settings = host.settings
        assert isinstance(settings, AuthSettings)  # noqa: S101 - declared in service.py
        development = host.env is Environment.DEVELOPMENT
        limited = not (development and host.process.rate_limits == "off")
        yield cls.of(
            settings,
            host.bus,
            Store(host.redis, _now_ms),
            links=Links(settings, host.process),
            limited=limited,
            loopback_exempt=development,
        )

    @classmethod
    def of(
        cls,
        settings: AuthSettings,
        bus: Bus,
        store: Store,
        *,
        links: Links,
        limited: bool,
        loopback_exempt: bool,
    ) -> Auth:
        """Auth over a store."""
        return cls(
            settings=settings,
            bus=bus,
            store=store,
            keys=SigningKeyRing(store, Fernet(settings.key_encryption_key.get_secret_value())),
            mac_key=base64.urlsafe_b64decode(settings.token_mac_key.get_secret_value()),
            pepper=base64.urlsafe_b64decode(settings.otp_pepper.get_secret_value()),
            links=links,
            limited=limited,
            loopback_exempt=loopback_exempt,
        )


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
