"""The only file that knows all services, which of them run here, and what carries their messages."""

import asyncio
import contextlib
import hashlib
import hmac
import os
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit
from uuid import UUID

import structlog
import uvicorn
from redis.exceptions import ResponseError
from starlette.types import ASGIApp, Receive, Scope, Send

from turnosya.clock_follower import follow_clock
from turnosya.contracts.auth import GetSigningKeys
from turnosya.contracts.checks import KeepLogs, ProcessLives
from turnosya.contracts.jobs import ClockMoved, DeclareSchedules, UseClock
from turnosya.embedded import Embedded, embedded_servers
from turnosya.embedded.beside import running_beside
from turnosya.living import saying_that_we_live
from turnosya.log_shipping import shipping_logs
from turnosya.runtime import log_queue, migrate
from turnosya.runtime.bus import Bus, Transport
from turnosya.runtime.clock import Clock
from turnosya.runtime.database import Database
from turnosya.runtime.identity import TokenVerifier
from turnosya.runtime.ids import new_id
from turnosya.runtime.measuring import watch_loop
from turnosya.runtime.memory import MemoryTransport
from turnosya.runtime.messages import Message
from turnosya.runtime.reaching import reaching
from turnosya.runtime.redis import open_redis
from turnosya.runtime.service import Host, Part, Running, Service, open_stores
from turnosya.runtime.serving import health_app, plain_config
from turnosya.runtime.settings import (
    Environment,
    MessagingSettings,
    ProcessSettings,
    Settings,
    SettingsWrong,
    load,
    names_of_settings,
    unknown_names,
)
from turnosya.runtime.trace_export import exporting_traces
from turnosya.schedules import declare_schedules
from turnosya.services.auth.service import service as auth
from turnosya.services.business.service import service as business
from turnosya.services.chat.service import service as chat
from turnosya.services.checks.service import service as checks
from turnosya.services.files.service import service as files
from turnosya.services.gateway.paths import PathTable
from turnosya.services.gateway.service import service as gateway
from turnosya.services.jobs.service import service as jobs
from turnosya.services.notification.service import service as notification
from turnosya.services.turnos.service import service as turnos
from turnosya.services.users.service import service as users

log = structlog.get_logger()

SERVICES: Mapping[str, Service[Any]] = {
    # Who opens later finds the others there: jobs first, for it knows the clock, then who is asked, the
    # gateway, and checks last, which looks at all of them.
    service.name: service
    for service in (jobs, auth, users, business, turnos, notification, chat, files, gateway, checks)
}
OF_EVERY_PROCESS: Sequence[type[Message]] = (
    GetSigningKeys,
    UseClock,
    ClockMoved,
    DeclareSchedules,
    KeepLogs,
    ProcessLives,
)
"""What a process says and hears for all its services together."""
_FOLLOW_THE_CLOCK = {"turnos", "jobs", "notification"}
_CLOCK_WITHIN_S = 5.0
_READY_WITHIN_S, _LOOK_S = 2.0, 0.01


@dataclass(frozen=True, slots=True)
class Target:
    """Where a process finds everything: settings, secrets and the stores of each service."""

    process: ProcessSettings
    env: Environment
    defaults: Mapping[str, str]
    """Environment names and values that the embedded run provides."""
    embedded: Embedded | None

    @property
    def broker_url(self) -> str | None:
        """RabbitMQ, or None when messages stay in this process."""
        return self.process.broker_url.get_secret_value() if self.process.broker_url else None

    def messaging(self) -> MessagingSettings:
        """How messages are made, retried and kept."""
        return load(MessagingSettings, self.defaults)

    def admin_database_url(self) -> str | None:
        """An administrator's PostgreSQL."""
        return _first(self.process.database_url, self.embedded.database_url if self.embedded else None)

    def admin_redis_url(self) -> str | None:
        """An administrator's Redis."""
        return _first(self.process.redis_url, self.embedded.redis_url if self.embedded else None)

    def part(self, service: Service[Any]) -> Part:
        """The stores of one service: its own address, else one made of the administrator's."""
        return Part(
            database_url=self._own(service, "DATABASE", self.admin_database_url())
            if service.migrations
            else None,
            redis_url=self._own(service, "REDIS", self.admin_redis_url()) if service.redis else None,
        )

    def setting_of(self, service: Service[Any], kind: str) -> str:
        """The setting that says where this store of a service is."""
        own = _own_setting(service.name, kind)
        return own if os.environ.get(own) else f"TURNOSYA_{kind}_URL"

    def _own(self, service: Service[Any], kind: str, admin_url: str | None) -> str | None:
        given = os.environ.get(_own_setting(service.name, kind))
        if given or admin_url is None:
            return given or None
        # The same password in every process that has the same message key, and none to keep.
        secret = self.messaging().message_key.get_secret_value().encode()
        password = hmac.new(secret, f"{kind}:{service.name}".encode(), hashlib.sha256).hexdigest()
        return _with_user(admin_url, f"turnosya_{service.name}", password, database=kind == "DATABASE")


def _own_setting(name: str, kind: str) -> str:
    return f"TURNOSYA_{name.upper()}_{kind}_URL"


def _first(setting: Any, embedded: str | None) -> str | None:  # noqa: ANN401 - SecretStr | None
    return setting.get_secret_value() if setting is not None else embedded


def _with_user(url: str, name: str, password: str, *, database: bool) -> str:
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    path = f"/{name}" if database else parts.path
    return urlunsplit(parts._replace(netloc=f"{quote(name)}:{quote(password)}@{host}", path=path))


def names_of(names: Sequence[str]) -> list[str]:
    """The services to run: all of them when none is named. Raises ``SettingsWrong`` for an unknown one."""
    unknown = [name for name in names if name not in SERVICES]
    if unknown:
        raise SettingsWrong(f"Unknown service {unknown[0]!r}; there are {', '.join(SERVICES)}.")
    return [name for name in SERVICES if name in names] if names else list(SERVICES)


_OWN_STORES = tuple(_own_setting(name, kind) for name in SERVICES for kind in ("DATABASE", "REDIS"))


def unknown_settings() -> dict[str, str | None]:
    """Variables that look like ours and are none, each with the one that may have been meant."""
    kinds: list[type[Settings]] = [ProcessSettings, MessagingSettings]
    kinds += [service.settings for service in SERVICES.values()]
    return unknown_names({*names_of_settings(kinds), *_OWN_STORES})


def environment() -> Environment:
    """Where this process runs, by its settings."""
    return _environment(load(ProcessSettings, {}))


def _environment(process: ProcessSettings) -> Environment:
    given = any(
        os.environ.get(name)
        for name in (
            "TURNOSYA_BROKER_URL",
            "TURNOSYA_DATABASE_URL",
            "TURNOSYA_REDIS_URL",
            *_OWN_STORES,
        )
    )
    env = process.env or (Environment.PRODUCTION if given else Environment.DEVELOPMENT)
    if process.rate_limits == "off" and env is not Environment.DEVELOPMENT:
        raise SettingsWrong("TURNOSYA_RATE_LIMITS=off is for TURNOSYA_ENV=development only.")
    return env


@asynccontextmanager
async def targeted(names: Sequence[str]) -> AsyncGenerator[Target]:
    """Finds every store from the settings; what is not given is embedded, for a whole run only."""
    process = load(ProcessSettings, {})
    env = _environment(process)
    services = [SERVICES[name] for name in names]
    target = Target(process, env, {}, None)
    whole = len(services) == len(SERVICES)
    if not whole and target.broker_url is None:
        raise SettingsWrong(
            f"Only {', '.join(names)} would run here, and the others can only be reached over RabbitMQ:"
            " set TURNOSYA_BROKER_URL, or run all with `turnosya serve`."
        )
    postgres = process.database_url is None and _lacks(services, "DATABASE")
    redis = process.redis_url is None and _lacks(services, "REDIS")
    if (postgres or redis) and not whole:
        missing = next(iter(_missing(services, postgres=postgres, redis=redis)))
        shared = f"TURNOSYA_{missing.rsplit('_', 2)[1]}_URL"
        raise SettingsWrong(
            f"{missing} is not set, and a part of the system uses no embedded server:"
            f" set it, or {shared} as for `turnosya migrate`."
        )
    if not postgres and not redis:
        yield target
        return
    async with embedded_servers(process.data_dir, postgres=postgres, redis=redis) as embedded:
        target = Target(process, env, embedded.secrets, embedded)
        await migrate_all(target, services)
        yield target


@asynccontextmanager
async def targeted_beside() -> AsyncGenerator[Target]:
    """As ``targeted`` for all services, or the stores of a ``serve`` that uses the same data folder."""
    process = load(ProcessSettings, {})
    embedded = process.database_url is None and _lacks(list(SERVICES.values()), "DATABASE")
    beside = await running_beside(process.data_dir) if embedded else None
    if beside is None:
        async with targeted(list(SERVICES)) as target:
            yield target
        return
    died: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    servers = Embedded(beside.database_url, None, beside.secrets, died)
    yield Target(process, _environment(process), beside.secrets, servers)


def storing_bus(target: Target) -> Bus:
    """For commands beside a system: events are stored, and its services deliver them; nobody is asked."""
    messaging = target.messaging()
    return Bus(
        MemoryTransport({}),
        source="command",
        message_key=messaging.message_key.get_secret_value(),
        call_timeout_s=messaging.call_timeout_s,
    )


@asynccontextmanager
async def database_of(target: Target, name: str) -> AsyncGenerator[Database]:
    """The database of one service for a command beside it; what is told in it, the service delivers."""
    service, bus = SERVICES[name], storing_bus(target).named(name)
    part = Part(database_url=target.part(service).database_url)
    async with AsyncExitStack() as stack:
        db, _ = open_stores(service, part, bus=bus, messaging=target.messaging(), stack=stack)
        assert db is not None, f"{name} has a database"  # noqa: S101 - asked of one that declares it
        yield db


def _missing(services: Sequence[Service[Any]], *, postgres: bool, redis: bool) -> list[str]:
    return [
        _own_setting(service.name, kind)
        for service in services
        for kind, wanted in (
            ("DATABASE", postgres and service.migrations),
            ("REDIS", redis and service.redis),
        )
        if wanted and not os.environ.get(_own_setting(service.name, kind))
    ]


def _lacks(services: Sequence[Service[Any]], kind: str) -> bool:
    return bool(_missing(services, postgres=kind == "DATABASE", redis=kind == "REDIS"))


def queues() -> dict[str, frozenset[str]]:
    """Every durable queue of the whole system and the events it must get."""
    return {queue: names for service in SERVICES.values() for queue, names in service.queues().items()}


async def migrate_all(target: Target, services: Sequence[Service[Any]]) -> list[str]:
    """Makes or updates roles, databases, tables, Redis users and queues; says what could not be saved."""
    notes: list[str] = []
    admin_database, admin_redis = target.admin_database_url(), target.admin_redis_url()

    async def database_of(service: Service[Any]) -> None:
        url = target.part(service).database_url
        if service.migrations is not None and url is not None:
            setting = target.setting_of(service, "DATABASE")
            with reaching("PostgreSQL", url, setting=setting):
                may_open = await migrate.can_open(url)
            if not may_open:
                await _make_database(url, admin_database, setting=setting)
            # Alembic keeps the connection it works on in a global: one database after the other.
            async with alembic:
                await migrate.upgrade(url, service.migrations)

    alembic = asyncio.Lock()
    made = await asyncio.gather(*(database_of(service) for service in services), return_exceptions=True)
    for outcome in made:
        if isinstance(outcome, BaseException):
            raise outcome
    if admin_redis is not None:
        notes += await _redis_users(target, services, admin_redis)
    if target.broker_url is not None:
        from turnosya.runtime.rabbit import declare_queues  # noqa: PLC0415 - as in _transport_of

        with reaching("RabbitMQ", target.broker_url, setting="TURNOSYA_BROKER_URL"):
            await declare_queues(target.broker_url, queues())
    return notes


async def _make_database(url: str, admin_url: str | None, *, setting: str) -> None:
    if admin_url is None:
        raise SettingsWrong(
            f"The role or the database that {setting} names is not there, or its password is another:"
            " correct it, or set TURNOSYA_DATABASE_URL, with which `turnosya migrate` makes them."
        )
    with reaching("PostgreSQL", admin_url, setting="TURNOSYA_DATABASE_URL"):
        await migrate.prepare_database(admin_url, url)


async def _redis_users(target: Target, services: Sequence[Service[Any]], admin_url: str) -> list[str]:
    client = open_redis(admin_url)
    try:
        rules = [
            migrate.redis_user_rule(service.name, url)
            for service in services
            if service.redis and (url := target.part(service).redis_url) is not None
        ]
        with reaching("Redis", admin_url, setting="TURNOSYA_REDIS_URL"):
            for rule in rules:
                await client.execute_command("ACL", *rule)  # type: ignore[no-untyped-call]
        try:
            await client.execute_command("ACL", "SAVE")  # type: ignore[no-untyped-call]
        except ResponseError:
            return [
                "Redis has no aclfile: give it these users yourself, or they are gone with its next start."
            ]
    finally:
        await client.aclose()
    return []


@dataclass(slots=True)
class Process:
    """The services that run here, opened."""

    target: Target
    running: Mapping[str, Running[Any]]
    transport: Transport
    clock: Clock
    died: asyncio.Future[str]
    """Gets one sentence when a part of it ended by a defect and cannot go on."""

    async def ready(self) -> bool:
        """Whether every service of this process can serve."""
        return all(await asyncio.gather(*(one.ready() for one in self.running.values())))

    async def not_ready(self) -> list[str]:
        """Which services of this process cannot serve now."""
        return [name for name, one in self.running.items() if not await one.ready()]

    def stop_being_ready(self) -> None:
        """The first step of stopping: whoever asks is told to send nothing new here."""
        for one in self.running.values():
            one.stop_being_ready()

    def listener(self) -> uvicorn.Config:
        """How the API's port listens: the gateway's own way where it runs, else the services by path."""
        for one in self.running.values():
            if one.service.listener is not None:
                return one.service.listener(one.context)
        apps = {name: one.app for name, one in self.running.items() if one.app is not None}
        if len(apps) == 1:
            return plain_config(next(iter(apps.values())))
        return plain_config(_ByPath(apps, health_app(self.ready)))


class _ByPath:
    """Several services behind one port: the gateway says for which one it asks, others by path."""

    def __init__(self, apps: Mapping[str, ASGIApp], health: ASGIApp) -> None:
        self._apps = apps
        self._health = health

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        named = dict(scope.get("headers", ())).get(b"x-internal-service", b"").decode("latin-1")
        name = named or _PATHS.find(scope.get("raw_path", b"/")) or ""
        await self._apps.get(name, self._health)(scope, receive, send)


_PATHS = PathTable(development=True)


@asynccontextmanager
async def opened(target: Target, names: Sequence[str]) -> AsyncGenerator[Process]:
    """Opens the named services in order and closes them in reverse, running work ended first."""
    messaging = target.messaging()
    transport = _transport_of(target)
    clock, process_id = Clock(), new_id()
    died: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    bus = Bus(
        transport,
        source="process",
        message_key=messaging.message_key.get_secret_value(),
        call_timeout_s=messaging.call_timeout_s,
    )

    async def signing_keys() -> list[dict[str, str]]:
        return (await bus.call(GetSigningKeys())).keys

    tokens = TokenVerifier(signing_keys, keys_fresh_s=target.process.signing_keys_fresh_s)
    running: dict[str, Running[Any]] = {}
    neighbours: dict[str, ASGIApp] = {}
    async with exporting_traces(target.process, process_id), AsyncExitStack() as stack:
        with reaching("RabbitMQ", target.broker_url or "", setting="TURNOSYA_BROKER_URL"):
            await transport.open()
        stack.push_async_callback(transport.close)
        follows = target.env is Environment.DEVELOPMENT and bool(_FOLLOW_THE_CLOCK.intersection(names))
        if follows and jobs.name not in names:
            await _begin_to_follow(bus, clock, process_id, stack)
        for name in names:
            service = SERVICES[name]
            own_bus = bus.named(name)
            db, redis = open_stores(
                service, target.part(service), bus=own_bus, messaging=messaging, stack=stack
            )
            host = Host(
                load(service.settings, target.defaults), target.process, target.env, own_bus, clock, tokens,
                process_id, neighbours, db, redis,
            )  # fmt: skip
            running[name] = Running(service, host, messaging, partial(_say_once, died))
            stack.push_async_callback(running[name].stop, target.process.stop_within_s)
            await running[name].start()
            app = running[name].app
            if app is not None:
                neighbours[name] = app
            if follows and service is jobs:
                await _begin_to_follow(bus, clock, process_id, stack)
        await stack.enter_async_context(shipping_logs(bus, log_queue.queue))
        watching = asyncio.create_task(watch_loop())
        stack.callback(watching.cancel)
        await stack.enter_async_context(
            saying_that_we_live(bus, process_id, running, port=target.process.port)
        )
        await _begin_to_work(running.values())
        declaring = asyncio.create_task(declare_schedules(bus, [SERVICES[name] for name in names]))
        stack.callback(declaring.cancel)
        process = Process(target, running, transport, clock, died)
        try:
            yield process
        finally:
            for one in running.values():
                one.stop_being_ready()
            await transport.stop_receiving()


async def _begin_to_work(running: Collection[Running[Any]]) -> None:
    """One after the other, each once those before it are ready, as far as that comes soon.

    So that whoever asks another finds it ready, and a healthy start raises no alarm.
    """
    until = asyncio.get_running_loop().time() + _READY_WITHIN_S
    for one in running:
        one.begin_to_work()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(until):
                while one.has_begun and not await one.ready():  # noqa: ASYNC110 - what it waits for tells nobody
                    await asyncio.sleep(_LOOK_S)


def _transport_of(target: Target) -> Transport:
    if target.broker_url is None:
        return MemoryTransport(queues())
    # Here, so that whoever runs everything in one process does not wait for the client of a broker.
    from turnosya.runtime.rabbit import RabbitTransport  # noqa: PLC0415

    return RabbitTransport(target.broker_url, queues())


def _say_once(died: asyncio.Future[str], why: str) -> None:
    if not died.done():
        died.set_result(why)


async def _begin_to_follow(bus: Bus, clock: Clock, process_id: UUID, stack: AsyncExitStack) -> None:
    """Waits until this process uses the service clock, so that nothing is decided by another one."""
    followed = asyncio.Event()
    follower = asyncio.create_task(follow_clock(bus, clock, process_id, followed=followed))
    stack.callback(follower.cancel)
    try:
        async with asyncio.timeout(_CLOCK_WITHIN_S):
            await followed.wait()
    except TimeoutError:
        log.warning("clock_not_known", do="start jobs: until then this process uses real time")
