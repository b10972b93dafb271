"""A service's own Redis: a client, and the one way it says that Redis is away."""

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import structlog
from redis.asyncio import Connection, Redis, SSLConnection
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import BusyLoadingError, ReadOnlyError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeout
from redis.maint_notifications import MaintNotificationsConfig

from turnosya.runtime.messages import Unavailable
from turnosya.runtime.spans import Kind, is_recording, step

log = structlog.get_logger()


class _Cancellable(AbstractConnection):
    """Writes without ``asyncio.wait_for``, which in Python 3.11 may swallow a cancellation.

    (python/cpython issue 86296.) With it one in some thousand cancelled commands ran on, and a loop that
    asks Redis could not be stopped.
    """

    async def send_packed_command(
        self,
        command: bytes | str | Iterable[bytes],
        check_health: bool = True,  # noqa: FBT001, FBT002 - redis-py's signature
    ) -> None:
        timeout_s, self.socket_timeout = self.socket_timeout, None
        try:
            async with asyncio.timeout(timeout_s):
                await super().send_packed_command(command, check_health)
        finally:
            self.socket_timeout = timeout_s


class _Plain(_Cancellable, Connection):
    pass


class _Encrypted(_Cancellable, SSLConnection):
    pass


class _Told(Redis):
    """Each command is a step of a trace, by its name alone: keys and values may be people's."""

    service = ""

    async def execute_command(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - redis-py's signature
        with step(self.service, Kind.CLIENT, f"{args[0]} {self.service}") as asked:
            asked.note("db.system.name", "redis")
            return await super().execute_command(*args, **options)  # type: ignore[no-untyped-call]


def open_redis(url: str, *, timeout_s: float = 2.0, connections: int = 64, service: str = "") -> Redis:
    """A client that connects when it is first used. Values are bytes."""
    client: Redis = (_Told if is_recording() else Redis).from_url(  # pyright: ignore[reportUnknownMemberType] - its options are untyped
        url,
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        max_connections=connections,
        # A command that was cut off is not repeated behind our back: a script may have had its effect.
        retry=Retry(NoBackoff(), 0),
        # While these are on, as they are by default, redis-py 8.1 hands out pooled connections that have
        # died: every one of them failed a request after Redis had come back.
        maint_notifications_config=MaintNotificationsConfig(enabled=False),
    )
    if isinstance(client, _Told):
        client.service = service
    pool = client.connection_pool
    pool.connection_class = _Encrypted if issubclass(pool.connection_class, SSLConnection) else _Plain
    return client


@asynccontextmanager
async def unavailable_when_away() -> AsyncGenerator[None]:
    """Turns "Redis is away or still loading" into ``Unavailable``."""
    try:
        yield
    except (RedisConnectionError, RedisTimeout, BusyLoadingError, ReadOnlyError, OSError) as error:
        log.warning("redis_away", why=type(error).__name__)
        raise Unavailable from error
