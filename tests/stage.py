"""Services of ours on real stores, in the test's own process, over either transport."""

import asyncio
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

import aio_pika
import httpx
from asyncpg import connect
from cryptography.fernet import Fernet
from sqlalchemy import URL, make_url
from starlette.types import ASGIApp

from tests.servers import Servers
from turnosya.runtime.bus import Bus, Envelope, Transport
from turnosya.runtime.clock import Clock
from turnosya.runtime.identity import FetchKeys, TokenVerifier
from turnosya.runtime.ids import new_id
from turnosya.runtime.memory import MemoryTransport
from turnosya.runtime.messages import Event
from turnosya.runtime.migrate import prepare_database, upgrade
from turnosya.runtime.rabbit import RabbitTransport
from turnosya.runtime.service import Host, Part, Running, Service, open_stores
from turnosya.runtime.settings import Environment, MessagingSettings, ProcessSettings, load
from turnosya.schedules import declare_schedules

T = TypeVar("T")
SOON_S = 40.0


@dataclass
class Stage:
    """What plays: one clock, and the services that were put on it.

    In memory they share one transport, as in one process; with a broker each copy has its own connection,
    as if each were a process.
    """

    servers: Servers
    env: Environment
    tokens: TokenVerifier
    settings: Mapping[str, str]
    queues: Mapping[str, frozenset[str]]
    broker_url: str | None
    transport: Transport
    bus: Bus
    clock: Clock = field(default_factory=Clock)
    urls: dict[str, str] = field(default_factory=dict[str, str])
    running: dict[str, Running[Any]] = field(default_factory=dict[str, Running[Any]])
    neighbours: dict[str, ASGIApp] = field(default_factory=dict[str, ASGIApp])
    deaths: list[str] = field(default_factory=list[str])
    _open: list[tuple[Running[Any], Transport]] = field(default_factory=list[tuple[Running[Any], Transport]])

    async def put_on(self, service: Service[Any]) -> Running[Any]:
        """Starts a service; once more makes another copy of it on the same stores."""
        defaults = dict(self.settings)
        messaging = load(MessagingSettings, defaults)
        transport = self.transport if self.broker_url is None else await self._transport()
        bus = a_bus(transport, messaging, source=service.name)
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
        running.begin_to_work()
        self.running[service.name] = running
        self._open.append((running, transport))
        return running

    async def _transport(self) -> Transport:
        return await a_transport(self.queues, self.broker_url)

    async def take_off(self, running: Running[Any]) -> None:
        """Ends one copy in order, as a process that is told to stop."""
        transport = next(of for one, of in self._open if one is running)
        self._open.remove((running, transport))
        running.stop_being_ready()
        if transport is not self.transport:
            await transport.stop_receiving()
        await running.stop(5)
        if transport is not self.transport:
            await transport.close()

    async def restart(self) -> None:
        """Ends everything and begins anew on the same stores, as the whole program does."""
        await self.begin_again(await self.fall_asleep())

    async def fall_asleep(self) -> list[Service[Any]]:
        """Ends everything and leaves the stores to whom the test lets at them; says what played."""
        services = [running.service for running, _ in self._open]
        await self._end()
        return services

    async def begin_again(self, services: Iterable[Service[Any]]) -> None:
        """Plays on where somebody else has left off."""
        self.transport = await self._transport()
        self.bus = a_bus(self.transport, load(MessagingSettings, dict(self.settings)), source="test")
        for service in services:
            await self.put_on(service)

    async def _end(self) -> None:
        for running, transport in list(self._open):
            if transport is not self.transport:
                await transport.stop_receiving()
            await running.stop(5)
            if transport is not self.transport:
                await transport.close()
        self._open.clear()
        await self.transport.close()

    async def _new_database(self, service: Service[Any]) -> str:
        admin = make_url(self.servers.database_url)
        template = await _template(service, admin)
        own = template.set(database=f"{service.name}_{secrets.token_hex(4)}")
        copy = f'CREATE DATABASE "{own.database}" TEMPLATE "{template.database}"'
        await _as_admin(admin, f"{copy} OWNER stage STRATEGY file_copy")
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
        """Stops everything and drops the databases and queues."""
        await self._end()
        if self.broker_url is not None:
            await delete_queues(self.broker_url, self.queues)
        for url in self.urls.values():
            name = make_url(url).database
            await _as_admin(
                make_url(self.servers.database_url), f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'
            )
        assert self.deaths == []


async def a_transport(
    queues: Mapping[str, frozenset[str]], broker_url: str | None, **settings: int
) -> Transport:
    """An open transport; over RabbitMQ when there is a broker."""
    transport: Transport = (
        MemoryTransport(queues, **settings)
        if broker_url is None
        else RabbitTransport(broker_url, queues, reconnect_s=0.5, **settings)
    )
    await transport.open()
    return transport


def a_bus(transport: Transport, messaging: MessagingSettings, *, source: str) -> Bus:
    """The way to other services for ``source``."""
    return Bus(
        transport,
        source=source,
        message_key=messaging.message_key.get_secret_value(),
        call_timeout_s=messaging.call_timeout_s,
    )


async def delete_queues(broker_url: str, names: Iterable[str]) -> None:
    """Takes durable queues away, which would keep every event of the tests that follow."""
    async with await aio_pika.connect(broker_url) as connection:
        channel = await connection.channel()
        for name in names:
            await channel.queue_delete(name)


_templates: dict[tuple[str, URL], URL] = {}


async def _template(service: Service[Any], admin: URL) -> URL:
    """A migrated database of this service, made once in a run on each server and copied for each stage."""
    if (service.name, admin) not in _templates:
        own = admin.set(username="stage", password="stage", database=f"{service.name}_{secrets.token_hex(4)}")
        address = own.render_as_string(hide_password=False)
        await prepare_database(admin.render_as_string(hide_password=False), address)
        assert service.migrations is not None
        await upgrade(address, service.migrations)
        _templates[service.name, admin] = own
    return _templates[service.name, admin]


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
    broker_url: str | None = None,
    declares: bool = False,
    keys: FetchKeys | None = None,
) -> AsyncGenerator[Stage]:
    """The services, open and connected; waits are short unless ``settings`` says otherwise.

    With ``declares`` jobs is told what recurs in them. They believe tokens signed with ``keys``.
    """
    given = {
        "TURNOSYA_MESSAGE_KEY": Fernet.generate_key().decode(),
        "TURNOSYA_LINK_KEY": Fernet.generate_key().decode(),
        "TURNOSYA_POLL_S": "0.05",
        "TURNOSYA_RETRY_DELAYS_S": ",".join(["0.05"] * 50),
        "TURNOSYA_NOTIFICATION_POLL_S": "0.1",
        **(settings or {}),
    }
    queues: dict[str, frozenset[str]] = {}
    for service in services:
        queues |= service.queues()
    if broker_url is not None:
        await delete_queues(broker_url, queues)
    transport = await a_transport(queues, broker_url)
    bus = a_bus(transport, load(MessagingSettings, given), source="test")

    async def no_keys() -> Sequence[Mapping[str, str]]:
        return ()

    declaring: asyncio.Task[None] | None = None
    stage = Stage(servers, env, TokenVerifier(keys or no_keys), given, queues, broker_url, transport, bus)
    try:
        for service in services:
            await stage.put_on(service)
        if any(service.name == "jobs" for service in services) and declares:
            declaring = asyncio.create_task(declare_schedules(bus, services))
        yield stage
    finally:
        if declaring is not None:
            declaring.cancel()
        await stage.close()


async def until(look: Callable[[], Awaitable[T]], satisfied: Callable[[T], bool]) -> T:
    """What ``look`` sees once it satisfies; fails after forty seconds."""
    found = await look()
    async with asyncio.timeout(SOON_S):
        while not satisfied(found):
            await asyncio.sleep(0.01)
            found = await look()
    return found
