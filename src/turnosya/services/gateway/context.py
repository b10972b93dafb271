"""What the gateway stands on, and how it is put together."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from pydantic import ValidationError

from turnosya.contracts.auth import Access
from turnosya.runtime.bus import Bus
from turnosya.runtime.messages import ServiceError, Unavailable
from turnosya.runtime.service import Host
from turnosya.runtime.settings import Environment, SettingsWrong
from turnosya.services.gateway import paths, rules
from turnosya.services.gateway.access import AccessList
from turnosya.services.gateway.doorway import Doorway, WireLimits
from turnosya.services.gateway.front import FrontDoor
from turnosya.services.gateway.hygiene import Outwards
from turnosya.services.gateway.limits import Limits
from turnosya.services.gateway.openapi import MergedDocument
from turnosya.services.gateway.own_pages import OwnPages
from turnosya.services.gateway.settings import GatewaySettings, service_urls
from turnosya.services.gateway.ways import Ways

ACCESS_PATH = "/internal/access"
# Auth reads it from Redis in a millisecond; whoever waits here waits with a request in hand.
ASK_S = 2.0


@dataclass(frozen=True, slots=True)
class Gateway:
    """The front door and what its hearers change."""

    bus: Bus
    access: AccessList
    front: FrontDoor

    @classmethod
    @asynccontextmanager
    async def open(cls, host: Host) -> AsyncGenerator["Gateway"]:
        """Raises SettingsWrong for lifted limits outside development."""
        settings: GatewaySettings = host.settings
        is_development = host.env is Environment.DEVELOPMENT
        lifted = host.process.rate_limits == "off"
        if lifted and not is_development:
            raise SettingsWrong("TURNOSYA_RATE_LIMITS: `off` is for development only")
        table = paths.PathTable(development=is_development)
        ways = Ways(
            host.neighbours, service_urls(host.process.service_urls), timeout_s=settings.gateway_timeout_s
        )
        access = AccessList(lambda: asked_of_auth(ways), deaf_after_s=settings.gateway_deaf_after_s)
        document = MergedDocument(
            paths.SERVICES, ways.get, routed=lambda service, path: table.find(path.encode()) == service
        )

        async def is_ready() -> bool:
            return host.bus.healthy and access.was_loaded and await ways.neighbours_are_ready()

        front = FrontDoor(
            table=table,
            ways=ways,
            tokens=host.tokens,
            access=access,
            limits=None if lifted else _limits(host, settings),
            doorway=_doorway(settings, is_development=is_development, lifted=lifted),
            own_pages=OwnPages(document, is_ready=is_ready),
            timeout_s=settings.gateway_timeout_s,
            is_development=is_development,
        )
        try:
            yield cls(host.bus, access, front)
        finally:
            await ways.close()


def _doorway(settings: GatewaySettings, *, is_development: bool, lifted: bool) -> Doorway:
    limits = WireLimits(
        header_s=settings.gateway_header_s,
        body_s=settings.gateway_body_s,
        upload_s=settings.gateway_upload_s,
        idle_s=settings.gateway_idle_s,
        connections_per_address=None if lifted else settings.gateway_connections_per_address,
        loopback_exempt=is_development,
        proxies=rules.networks(settings.trusted_proxies),
    )
    origins = frozenset(origin.encode("ascii") for origin in settings.cors_origins)
    return Doorway(limits, Outwards(cors_origins=origins, https_only=not is_development))


def _limits(host: Host, settings: GatewaySettings) -> Limits:
    return Limits(
        host.redis,
        answer_within_s=settings.gateway_limits_within_s,
        retry_after_s=settings.gateway_limits_retry_s,
    )


async def asked_of_auth(ways: Ways) -> Access:
    """Auth's list, fetched over HTTP. Raises Unavailable if it does not come."""
    try:
        async with asyncio.timeout(ASK_S):
            return Access.model_validate_json(await ways.get("auth", ACCESS_PATH))
    except (ServiceError, ValidationError, TimeoutError):
        raise Unavailable from None
