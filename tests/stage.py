"""Services of ours on real stores and in-memory messages, in the test's own process."""

import asyncio
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

import httpx
from asyncpg import connect
from cryptography.fernet import Fernet
from sqlalchemy import URL, make_url
from starlette.types import ASGIApp

from tests.servers import Servers
from turnosya.runtime.bus import Bus, Envelope
from turnosya.runtime.clock import Clock
from turnosya.runtime.identity import TokenVerifier
from turnosya.runtime.ids import new_id
from turnosya.runtime.memory import MemoryTransport
from turnosya.runtime.messages import Event
from turnosya.runtime.migrate import prepare_database, upgrade
from turnosya.runtime.service import Host, Part, Running, Service, open_stores
from turnosya.runtime.settings import Environment, MessagingSettings, ProcessSettings, load

T = TypeVar("T")
SOON_S = 10.0


@dataclass
class Stage:
    """What plays: one transport, one clock, and the services that were put on it."""

    servers: Servers
    env: Environment
    tokens: TokenVerifier
    settings: Mapping[str, str]
    transport: MemoryTransport
    bus: Bus
    clock: Clock = field(default_factory=Clock)
    urls: dict[str, str] = field(default_factory=dict[str, str])
    running: dict[str, Running[Any]] = field(default_factory=dict[str, Running[Any]])
    neighbours: dict[str, ASGIApp] = field(default_factory=dict[str, ASGIApp])
    deaths: list[str] = field(default_factory=list[str])

    async def put_on(self, service: Service[Any]) -> Running[Any]:
        """Starts a service; once more makes another copy of it on the same stores."""
        defaults = dict(self.settings)
        messaging = load(MessagingSettings, defaults)
        bus = self.bus.named(service.name)
        stack = AsyncExitStack()
        if service.migrations is not None and service.name not in self.urls:
            self.urls[service.name] = await self._new_database(service)
        part = Part(database_url=self.urls.get(service.name), redis_url=None)
        db, redis = open_stores(service, part, bus=bus, messaging=messaging, stack=stack)
        host = Host(
            load(service.settings, defaults),
            load(ProcessSettings, defaults),
            self.env,
            bus,
            self.clock,
            self.tokens,
            new_id(),
            self.neighbours,
            db,
            redis,
        )
        running = Running(service, host, messaging, self.deaths.append)
        running._stack.push_async_callback(stack.aclose)  # pyright: ignore[reportPrivateUsage] - closed with it
        await running.start()
        self.running[service.name] = running
        return running

    async def _new_database(self, service: Service[Any]) -> str:
        admin = make_url(self.servers.database_url)
        template = await _template(service, admin)
        own = template.set(database=f"{service.name}_{secrets.token_hex(4)}")
        await _as_admin(admin, f'CREATE DATABASE "{own.database}" OWNER stage TEMPLATE "{template.database}"')
        return own.render_as_string(hide_password=False)

    async def tell(self, *events: Event) -> list[Envelope]:
        """Delivers events as a relay would; what it returns can be delivered again."""
        envelopes = [self.bus.encode(event, sequence=number) for number, event in enumerate(events, 1)]
        for envelope in envelopes:
            await self.bus.deliver(envelope)
        return envelopes

    def http(self, service: str) -> httpx.AsyncClient:
        """A client of one service's web application."""
        app = self.running[service].app
        assert app is not None
        return httpx.AsyncClient(transport=httpx.ASGITransport(cast("Any", app)), base_url="http://test")

    async def close(self) -> None:
        """Stops everything and drops the databases."""
        for running in self.running.values():
            await running.stop(5)
        await self.transport.close()
        for url in self.urls.values():
            name = make_url(url).database
            await _as_admin(
                make_url(self.servers.database_url), f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'
            )
        assert self.deaths == []


_templates: dict[str, URL] = {}


async def _template(service: Service[Any], admin: URL) -> URL:
    """A migrated database of this service, made once in a run and copied for each stage."""
    if service.name not in _templates:
        own = admin.set(username="stage", password="stage", database=f"{service.name}_{secrets.token_hex(4)}")
        address = own.render_as_string(hide_password=False)
        await prepare_database(admin.render_as_string(hide_password=False), address)
        assert service.migrations is not None
        await upgrade(address, service.migrations)
        _templates[service.name] = own
    return _templates[service.name]


async def _as_admin(admin: URL, order: str) -> None:
    connection = await connect(admin.set(drivername="postgresql").render_as_string(hide_password=False))
    try:
        await connection.execute(order)
    finally:
        await connection.close()


@asynccontextmanager
async def a_stage(
    servers: Servers,
    services: Sequence[Service[Any]],
    *,
    env: Environment = Environment.DEVELOPMENT,
    settings: Mapping[str, str] | None = None,
) -> AsyncGenerator[Stage]:
    """The services, open and connected; waits are short unless ``settings`` says otherwise."""
    given = {
        "TURNOSYA_MESSAGE_KEY": Fernet.generate_key().decode(),
        "TURNOSYA_POLL_S": "0.05",
        "TURNOSYA_RETRY_DELAYS_S": ",".join(["0.05"] * 50),
        "TURNOSYA_NOTIFICATION_POLL_S": "0.1",
        **(settings or {}),
    }
    queues: dict[str, frozenset[str]] = {}
    for service in services:
        queues |= service.queues()
    transport = MemoryTransport(queues)
    await transport.open()
    messaging = load(MessagingSettings, given)
    bus = Bus(
        transport,
        source="test",
        message_key=messaging.message_key.get_secret_value(),
        call_timeout_s=messaging.call_timeout_s,
    )

    async def no_keys() -> Sequence[Mapping[str, str]]:
        return ()

    stage = Stage(servers, env, TokenVerifier(no_keys), given, transport, bus)
    try:
        for service in services:
            await stage.put_on(service)
        yield stage
    finally:
        await stage.close()


async def until(look: Callable[[], Awaitable[T]], satisfied: Callable[[T], bool]) -> T:
    """What ``look`` sees once it satisfies; fails after ten seconds."""
    found = await look()
    async with asyncio.timeout(SOON_S):
        while not satisfied(found):
            await asyncio.sleep(0.01)
            found = await look()
    return found
