"""One pool a service, and the transaction in which data, events and heard-once marks change together."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import asyncpg
import structlog
from sqlalchemy import URL, Executable, make_url, text
from sqlalchemy.event import listen
from sqlalchemy.exc import DBAPIError, InterfaceError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from turnosya.runtime import direct, metrics
from turnosya.runtime.messages import Unavailable
from turnosya.runtime.spans import Kind, Span, Untold, is_recording, step

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy.engine import CursorResult, ExceptionContext

    from turnosya.runtime.bus import Bus
    from turnosya.runtime.messages import Event

log = structlog.get_logger()


def into_outbox(rows: str) -> str:
    """The statement, or part of one, that stores events: id, wire name, aggregate, body, headers as jsonb."""
    return f"INSERT INTO outbox (id, wire_name, aggregate, body, headers) {rows}"


_INSERT_OUTBOX = text(into_outbox("VALUES (:id, :wire_name, :aggregate, :body, CAST(:headers AS jsonb))"))

UNHURRIED = "(SELECT set_config('synchronous_commit', 'off', true)) = 'off'"
"""A condition that always holds: the commit of the statement it stands in does not wait for the disk.

For what is done again when a crash of the server takes it back.
"""

# Of a statement as a step of a trace tells it.
_LONGEST_STATEMENT = 2_000
# 08: connection; 53300: too many connections; 57P0: shut down or starting. And what took too long, with
# nothing done: 40P01 deadlock, 55P03 lock_timeout, 57014 statement_timeout.
_AWAY = ("08", "53300", "57P0", "40P01", "55P03", "57014")


@dataclass(slots=True)
class Delivery:
    """The event that is being handled now, and the lease under which it is."""

    event_id: UUID
    hearer: str
    lease: UUID
    marked: bool = False


current_delivery: ContextVar[Delivery | None] = ContextVar("delivery", default=None)


@contextmanager
def unmarked() -> Generator[None]:
    """Work inside does not mark the event that is being handled as heard, and may open transactions.

    For what is safe to repeat and needs other services in between; the handler's own transaction follows.
    """
    token = current_delivery.set(None)
    try:
        yield
    finally:
        current_delivery.reset(token)


class LostLease(Exception):
    """Another copy has taken this event over, or has handled it already; nothing is to be done."""


class Statements(ABC):
    """Where statements run, and what they tell."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self.has_events = False

    @abstractmethod
    async def rows(self, statement: Executable, parameters: Mapping[str, Any]) -> Sequence[Any]:
        """Runs one statement; its rows, with their columns as attributes."""

    def outgoing(self, event: Event) -> dict[str, Any]:
        """The outbox row of ``event``, for a caller that writes it in a statement of its own.

        Keys: id, wire_name, aggregate, body (bytes), headers (JSON text).
        """
        envelope = self._bus.encode(event)
        self.has_events = True
        return {
            "id": envelope.headers["id"],
            "wire_name": envelope.wire_name,
            "aggregate": envelope.headers["aggregate"],
            "body": envelope.body,
            "headers": json.dumps(dict(envelope.headers)),
        }


class AtOnce(Statements):
    """Statements of which each is a transaction of its own: who is frozen between two holds nothing."""

    def __init__(self, engine: AsyncEngine, bus: Bus, *, service: str) -> None:
        super().__init__(bus)
        self._engine = engine
        self._service = service

    async def rows(self, statement: Executable, parameters: Mapping[str, Any]) -> Sequence[Any]:
        """Runs one statement in one round trip. It stores its events itself (`outgoing`)."""
        if not is_recording():
            return await direct.fetch(self._engine, statement, parameters)
        with _statement_step(self._service, direct.compiled(statement)[0]):
            return await direct.fetch(self._engine, statement, parameters)


class Transaction(Statements):
    """What is inside one BEGIN and COMMIT. Statements are SQLAlchemy Core; nobody calls commit."""

    def __init__(self, connection: AsyncConnection, bus: Bus) -> None:
        super().__init__(bus)
        self.connection = connection

    async def execute(
        self, statement: Executable, parameters: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None
    ) -> CursorResult[Any]:
        """Runs one statement."""
        return await self.connection.execute(statement, parameters)

    async def rows(self, statement: Executable, parameters: Mapping[str, Any]) -> Sequence[Any]:
        """Runs one statement; its rows, with their columns as attributes."""
        return (await self.execute(statement, parameters)).all()

    async def publish(self, event: Event) -> None:
        """Stores the event with the data that this transaction changes; it goes out after the commit.

        Events of one aggregate keep the order in which they are stored: hold that aggregate's lock.
        """
        await self.connection.execute(_INSERT_OUTBOX, self.outgoing(event))


class Database:
    """A service's own database. ``on_events`` is called after a commit that stored events."""

    def __init__(self, url: str, bus: Bus, *, name: str, pool_size: int) -> None:
        self.url = asyncpg_url(url)
        self._bus = bus
        self._name = name
        self.pool_size = pool_size
        self.on_events: Callable[[], None] = lambda: None
        self.engine: AsyncEngine = create_async_engine(
            self.url,
            pool_size=pool_size,
            max_overflow=0,
            # Errors are logged, and parameters are what people wrote.
            hide_parameters=True,
            pool_timeout=10,
            # `transaction` has rolled a returned connection back; a second ROLLBACK costs a round trip.
            pool_reset_on_return=None,
            connect_args={
                "timeout": 5,
                "server_settings": {
                    "application_name": f"turnosya-{name}",
                    "lock_timeout": "10000",
                    "statement_timeout": "15000",
                    "idle_in_transaction_session_timeout": "30000",
                    "timezone": "UTC",
                    "jit": "off",
                },
            },
        )

        if is_recording():
            _tell_of_statements(self.engine, service=name)
        self._each_by_itself = self.engine.execution_options(isolation_level="AUTOCOMMIT")

    @property
    def connections_in_use(self) -> int:
        """How many of the pool's connections somebody works with now."""
        pool: Any = self.engine.pool
        return int(pool.checkedout())

    async def close(self) -> None:
        """Returns every connection to the server."""
        await self.engine.dispose()

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Transaction]:
        """BEGIN … COMMIT, or ROLLBACK when the block raises. ``Unavailable`` when the server is away.

        Inside an event handler it also marks the event as heard, so that a repeated delivery changes
        nothing: a handler opens one transaction at most.
        """
        delivery = current_delivery.get()
        with step(self._name, Kind.CLIENT, f"transaction {self._name}"):
            async with _unavailable_when_away(self._name), self.engine.connect() as connection:
                tx = Transaction(connection, self._bus)
                try:
                    await connection.begin()
                    if delivery is not None:
                        await _mark_heard(connection, delivery)
                    yield tx
                    await connection.commit()
                except BaseException:
                    if not connection.invalidated:
                        await connection.rollback()
                    raise
                if delivery is not None:
                    delivery.marked = True
        if tx.has_events:
            self.on_events()

    @asynccontextmanager
    async def read(self) -> AsyncGenerator[Transaction]:
        """Reads only, one snapshot and one round trip a statement; nothing is marked or told."""
        async with _unavailable_when_away(self._name), self._each_by_itself.connect() as connection:
            yield Transaction(connection, self._bus)

    @asynccontextmanager
    async def at_once(self) -> AsyncGenerator[AtOnce]:
        """Statements that are each a transaction of their own, straight on the driver; nothing is marked."""
        statements = AtOnce(self.engine, self._bus, service=self._name)
        async with _unavailable_when_away(self._name):
            yield statements
        if statements.has_events:
            self.on_events()

    async def write(self, statement: Executable, parameters: Mapping[str, Any]) -> Sequence[Any]:
        """One of them; nothing is told."""
        async with self.at_once() as statements:
            return await statements.rows(statement, parameters)

    async def ready(self) -> bool:
        """Whether the server answers now."""
        try:
            async with self.read() as tx:
                await tx.execute(text("SELECT 1"))
        except Unavailable:
            return False
        return True


async def _mark_heard(connection: AsyncConnection, delivery: Delivery) -> None:
    if delivery.marked:
        raise RuntimeError(
            f"{delivery.hearer} opened a second transaction: a kill between the two would lose one"
        )
    marked = await connection.execute(
        text(
            "UPDATE inbox SET state = 'done', done_at = now(), lease = NULL"
            " WHERE event_id = :event_id AND hearer = :hearer AND lease = :lease AND state = 'waiting'"
        ),
        {"event_id": delivery.event_id, "hearer": delivery.hearer, "lease": delivery.lease},
    )
    if marked.rowcount != 1:
        raise LostLease(delivery.hearer)


@asynccontextmanager
async def _unavailable_when_away(name: str) -> AsyncGenerator[None]:
    try:
        yield
    except PoolTimeout as error:
        log.warning("database_pool_exhausted")
        metrics.pool_exhausted.labels(name).inc()
        raise Unavailable from error
    except DBAPIError as error:
        state = getattr(error.orig, "sqlstate", None) or ""
        if error.connection_invalidated or isinstance(error, InterfaceError) or state.startswith(_AWAY):
            log.warning("database_away", sqlstate=state)
            raise Unavailable from error
        raise
    except asyncpg.PostgresError as error:
        state = error.sqlstate or ""
        if state.startswith(_AWAY):
            log.warning("database_away", sqlstate=state)
            raise Unavailable from error
        raise
    except asyncpg.InterfaceError as error:
        if isinstance(error, asyncpg.DataError):
            raise
        log.warning("database_away", why=type(error).__name__)
        raise Unavailable from error
    except (ConnectionError, TimeoutError, OSError, asyncpg.InternalClientError) as error:
        # The last: a server that ends tells idle connections first, and the driver uses such a one no more.
        log.warning("database_away", why=type(error).__name__)
        raise Unavailable from error


def _statement_step(service: str, statement: str) -> Span | Untold:
    told = step(service, Kind.CLIENT, f"{statement.split(maxsplit=1)[0]} {service}")
    told.note("db.system.name", "postgresql")
    told.note("db.namespace", service)
    told.note("db.query.text", statement[:_LONGEST_STATEMENT])
    return told


def _tell_of_statements(engine: AsyncEngine, *, service: str) -> None:
    """From now on each statement is a step: its text, which is ours, never its values, which are people's."""

    def before(
        _connection: object,
        _cursor: object,
        statement: str,
        _values: object,
        context: Any,  # noqa: ANN401 - of the dialect
        _many: object,
    ) -> None:
        span = _statement_step(service, statement)
        if isinstance(span, Span):
            span.begin()
            context.told_as = span

    def after(
        _connection: object,
        _cursor: object,
        _statement: str,
        _values: object,
        context: Any,  # noqa: ANN401 - of the dialect
        _many: object,
    ) -> None:
        span: Span | None = getattr(context, "told_as", None)
        if span is not None:
            span.end()

    def failed(error: ExceptionContext) -> None:
        span: Span | None = getattr(error.execution_context, "told_as", None)
        if span is not None:
            original = error.original_exception
            span.fail(getattr(original, "sqlstate", None) or type(original).__name__)
            span.end()

    listen(engine.sync_engine, "before_cursor_execute", before)
    listen(engine.sync_engine, "after_cursor_execute", after)
    listen(engine.sync_engine, "handle_error", failed)


def asyncpg_url(url: str) -> URL:
    """Any PostgreSQL address, for the asyncpg driver."""
    return make_url(url).set(drivername="postgresql+asyncpg")
