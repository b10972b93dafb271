"""A service's own Redis: a client, and the one way it says that Redis is away."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import structlog
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import BusyLoadingError, ReadOnlyError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeout
from redis.maint_notifications import MaintNotificationsConfig

from turnosya.runtime.messages import Unavailable

log = structlog.get_logger()


def open_redis(url: str, *, timeout_s: float = 2.0, connections: int = 64) -> Redis:
    """A client that connects when it is first used. Values are bytes."""
    return Redis.from_url(  # pyright: ignore[reportUnknownMemberType] - its options are untyped
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


@asynccontextmanager
async def unavailable_when_away() -> AsyncGenerator[None]:
    """Turns "Redis is away or still loading" into ``Unavailable``."""
    try:
        yield
    except (RedisConnectionError, RedisTimeout, BusyLoadingError, ReadOnlyError, OSError) as error:
        log.warning("redis_away", why=type(error).__name__)
        raise Unavailable from error
