"""A service: a list of what it answers, hears and serves; and how it is opened and closed."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from time import monotonic
from typing import Any, Generic
from uuid import UUID

import structlog
import uvicorn
from fastapi import APIRouter
from redis.asyncio import Redis
from starlette.types import ASGIApp

from turnosya.runtime import dead_letters, idempotency, metrics
from turnosya.runtime.bus import STATUS, Bus, Envelope
from turnosya.runtime.clock import Clock
from turnosya.runtime.database import Database
from turnosya.runtime.http import below_paths, web_app
from turnosya.runtime.identity import TokenVerifier
from turnosya.runtime.inbox import Hearer, Inbox
from turnosya.runtime.measuring import measure_forever
from turnosya.runtime.messages import Answer, C, Event, Hearing, Rpc, Unavailable
from turnosya.runtime.migrate import DataIsNewer, is_current
from turnosya.runtime.outbox import Relay
from turnosya.runtime.redis import open_redis
from turnosya.runtime.settings import (
    Environment,
    MessagingSettings,
    ProcessSettings,
    Settings,
    SettingsWrong,
)

log = structlog.get_logger()

_READY_CACHED_S = 2.0
# What is not ready often is a moment later, while it starts.
_NOT_READY_CACHED_S = 0.05


@dataclass(frozen=True, slots=True)
class Host:
    """What a process gives a service to make its context of."""

    settings: Any
    """An instance of the service's settings class."""
    process: ProcessSettings
    env: Environment
    bus: Bus
    clock: Clock
    tokens: TokenVerifier
    process_id: UUID
    neighbours: Mapping[str, ASGIApp]
    """The web applications of the services in this process, filled as they open."""
    _db: Database | None = None
    _redis: Redis | None = None
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the process begins to stop; for who would otherwise be alarmed by that."""

    @property
    def db(self) -> Database:
        """The service's own database."""
        assert self._db is not None, "declare migrations= to have a database"  # noqa: S101 - a mistake in service.py
        return self._db

    @property
    def redis(self) -> Redis:
        """The service's own Redis."""
        assert self._redis is not None, "declare redis=True to have a Redis"  # noqa: S101 - a mistake in service.py
        return self._redis


@dataclass(frozen=True, slots=True)
class Recurs:
    """A request to itself that a service wants again and again: ``every_s``, or a ``cron`` in ``timezone``.

    Jobs makes it, by message, whichever copies of the service live. A new ``revision`` is made at once.
    """

    request: Rpc[Any]
    every_s: float | None = None
    cron: str | None = None
    timezone: str = "UTC"
    revision: str = ""


@dataclass(frozen=True, slots=True)
class Service(Generic[C]):
    """What a service is, in one list. The page to open first is the ``service.py`` that holds it.

    ``runs`` are loops that live as long as the service, or what is done once beside its start; whatever they
    raise ends the process, so they catch what they can mend. ``ready`` adds to what ``/readyz`` asks.
    """

    name: str
    open: Callable[[Host], AbstractAsyncContextManager[C]]
    settings: type[Settings] = Settings
    answers: Sequence[Answer[C]] = ()
    hears: Sequence[Hearing[C]] = ()
    asks: Sequence[type[Rpc[Any]]] = ()
    tells: Sequence[type[Event]] = ()
    web: Sequence[APIRouter] = ()
    beside: Mapping[str, Callable[[C], ASGIApp]] = field(default_factory=dict[str, Any])
    """Applications that answer below a path instead of ``web``: what is no request and answer (sockets)."""
    asgi: Callable[[C], ASGIApp] | None = None
    """Instead of ``web``: an application that is no FastAPI (the gateway's)."""
    listener: Callable[[C], uvicorn.Config] | None = None
    """How the API's port listens where this service runs (the gateway, which must see bytes)."""
    migrations: str | None = None
    redis: bool = False
    runs: Sequence[Callable[[C], Awaitable[None]]] = ()
    recurs: Sequence[Recurs] = ()
    ready: Callable[[C], Awaitable[bool]] | None = None

    def queues(self) -> dict[str, frozenset[str]]:
        """Its durable queues and the wire names each must get."""
        found: dict[str, set[str]] = {}
        for hearing in self.hears:
            if not hearing.every_copy:
                found.setdefault(queue_of(self.name, hearing.lane), set()).add(hearing.event.wire_name)
        return {queue: frozenset(names) for queue, names in found.items()}


def queue_of(service: str, lane: str) -> str:
    """``events.notification`` or, for a lane, ``events.notification.codes``."""
    return f"events.{service}.{lane}" if lane else f"events.{service}"


def sweep_of(service: str) -> str:
    """The wire name of the request to delete what its runtime has kept long enough."""
    return f"{service}.Sweep"


@dataclass(slots=True)
class Part:
    """Where one service's stores are: addresses, or None where it has none."""

    database_url: str | None = None
    redis_url: str | None = None


@dataclass(slots=True)
class Running(Generic[C]):
    """A service in this process, from opening to closing."""

    service: Service[C]
    host: Host
    messaging: MessagingSettings
    on_death: Callable[[str], None]
    """Gets a sentence when one of its loops ended by a defect: the process must not go on half alive."""
    app: ASGIApp | None = None
    context: C | None = None
    away: tuple[str, ...] = ()
    """What it needs and did not find when it was last asked whether it is ready."""
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    _tasks: list[asyncio.Task[Any]] = field(default_factory=list[asyncio.Task[Any]])
    _inboxes: list[Inbox] = field(default_factory=list[Inbox])
    _all_are_open: asyncio.Event = field(default_factory=asyncio.Event)
    _begun: bool = False
    _schema_was: str = ""
    _stopping: bool = False
    _asked_at: float = -1e9
    _was_ready: bool = False

    async def start(self) -> None:
        """Opens the context and the web application, answers and hears once the schema is current.

        What this service does of its own accord waits for ``begin_to_work``.
        """
        service = self.service
        context = await self._stack.enter_async_context(service.open(self.host))
        self.context = context
        if service.asgi is not None:
            self.app = service.asgi(context)
        else:
            self.app = web_app(
                service.name, context, tokens=self.host.tokens, routers=service.web, ready=self.ready
            )
            if service.beside:
                beside = {path: make(context) for path, make in service.beside.items()}
                self.app = below_paths(self.app, beside)
        await self.host.bus.answer_raw(f"{service.name}.Ping", self._pong)
        if await self._schema_is_current():
            await self._begin(context)
        else:
            self._start(self._begin_when_migrated(context), f"{service.name}:begin")

    def begin_to_work(self) -> None:
        """Now relays deliver and loops run: all services of this process are open to what they say."""
        self._all_are_open.set()

    @property
    def has_begun(self) -> bool:
        """Whether it answers and hears; before that its schema is behind."""
        return self._begun

    async def _schema_is_current(self) -> bool:
        if self.service.migrations is None:
            return True
        try:
            async with self.host.db.read() as tx:
                if await is_current(tx.connection, self.service.migrations):
                    return True
            why, do = "schema_is_behind", "run `turnosya migrate`"
        except Unavailable:
            return False
        except DataIsNewer as error:
            why, do = "schema_is_newer", str(error)
        if why != self._schema_was:
            self._schema_was = why
            log.warning(why, service=self.service.name, do=do)
        return False

    async def _begin_when_migrated(self, context: C) -> None:
        while not await self._schema_is_current():  # noqa: ASYNC110 - a migrated database tells nobody
            await asyncio.sleep(self.messaging.poll_s)
        await self._begin(context)

    async def _begin(self, context: C) -> None:
        service, bus = self.service, self.host.bus
        for answer in service.answers:
            await bus.answer(answer.request, partial(answer.handler, context))
        db = self.host.db if service.migrations is not None else None
        await dead_letters.answer(bus, service.name, db)
        for hearing in service.hears:
            if hearing.every_copy:
                await bus.hear_every_copy(hearing.event, partial(hearing.handler, context))
        if service.migrations is not None:
            await self._begin_with_database(context)
        for run in service.runs:
            self._start_later(partial(run, context), f"{service.name}:{getattr(run, '__name__', 'run')}")
        self._begun = True

    async def _begin_with_database(self, context: C) -> None:
        service, db, bus = self.service, self.host.db, self.host.bus
        relay = Relay(db, bus, name=service.name, poll_s=self.messaging.poll_s)
        db.on_events = relay.wake
        self._start_later(relay.run, f"{service.name}:relay")
        self._start_later(partial(measure_forever, db, service.name), f"{service.name}:measure")
        for queue in service.queues():
            hearers = [
                Hearer(hearing.hearer, hearing.event, partial(hearing.handler, context))
                for hearing in service.hears
                if not hearing.every_copy and queue_of(service.name, hearing.lane) == queue
            ]
            inbox = Inbox(db, bus, hearers, self.messaging, name=service.name)
            self._inboxes.append(inbox)
            await bus.hear(queue, inbox.store)
            self._start_later(inbox.run, f"{service.name}:inbox")
        await bus.answer_raw(sweep_of(service.name), self._sweep)

    async def _sweep(self, envelope: Envelope) -> Envelope:
        """The job that deletes what the runtime keeps for some days."""
        await idempotency.sweep(self.host.db)
        for inbox in self._inboxes:
            await inbox.sweep()
        return Envelope(envelope.wire_name, b"{}", {STATUS: "ok"})

    def _start_later(self, work: Callable[[], Awaitable[None]], name: str) -> None:
        async def later() -> None:
            await self._all_are_open.wait()
            await work()

        self._start(later(), name)

    def _start(self, work: Awaitable[None], name: str) -> None:
        task = asyncio.ensure_future(work)
        task.add_done_callback(partial(self._say_if_it_died, name))
        self._tasks.append(task)

    def _say_if_it_died(self, name: str, task: asyncio.Future[Any]) -> None:
        if task.cancelled() or task.exception() is None:
            return
        log.error("loop_died", loop_name=name, exc_info=task.exception())
        self.on_death(f"{name} ended by a defect, which the log shows")

    async def _pong(self, envelope: Envelope) -> Envelope:
        ready = await self.ready()
        return Envelope(envelope.wire_name, b"{}", {STATUS: "ok" if ready else "failed"})

    async def ready(self) -> bool:
        """Whether it can serve: schema current, store and messages reachable. A yes holds for 2 s."""
        if self._stopping or not self._begun:
            return False
        if monotonic() - self._asked_at > (_READY_CACHED_S if self._was_ready else _NOT_READY_CACHED_S):
            self._was_ready = await self._ask_ready()
            self._asked_at = monotonic()
        return self._was_ready

    async def _ask_ready(self) -> bool:
        answers = {"broker": self.host.bus.healthy}
        if answers["broker"] and self.service.migrations is not None:
            answers["database"] = await self.host.db.ready()
        if all(answers.values()) and self.service.ready is not None:
            assert self.context is not None  # noqa: S101 - begun
            answers["redis" if self.service.redis else "itself"] = await self.service.ready(self.context)
        for name, is_up in answers.items():
            metrics.dependency_up.labels(self.service.name, name).set(is_up)
        self.away = tuple(name for name, is_up in answers.items() if not is_up)
        return not self.away

    def stop_being_ready(self) -> None:
        """The first step of stopping: no new work is sent here."""
        self._stopping = True
        self.host.stopping.set()

    async def stop(self, within_s: float) -> None:
        """Lets running work end, then closes everything this service opened."""
        self._stopping = True
        await asyncio.gather(
            self.host.bus.finish(within_s), *(inbox.finish(within_s) for inbox in self._inboxes)
        )
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._stack.aclose()


def open_stores(
    service: Service[Any], part: Part, *, bus: Bus, messaging: MessagingSettings, stack: AsyncExitStack
) -> tuple[Database | None, Redis | None]:
    """The service's own database and Redis, as it declared them; closed with ``stack``."""
    db = redis = None
    if service.migrations is not None:
        if part.database_url is None:
            raise SettingsWrong(f"TURNOSYA_{service.name.upper()}_DATABASE_URL is not set.")
        db = Database(part.database_url, bus, name=service.name, pool_size=messaging.pool_size)
        stack.push_async_callback(db.close)
    if service.redis:
        if part.redis_url is None:
            raise SettingsWrong(f"TURNOSYA_{service.name.upper()}_REDIS_URL is not set.")
        redis = open_redis(part.redis_url, service=service.name)
        stack.push_async_callback(redis.aclose)
    return db, redis
