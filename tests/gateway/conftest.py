from collections.abc import AsyncGenerator, Iterator

import pytest
from redis.asyncio import Redis

from tests.servers import Servers
from turnosya.runtime.redis import open_redis


@pytest.fixture(scope="session")
def redis_url(servers: Servers) -> Iterator[str]:
    with servers.private("redis") as server:
        yield server.url


@pytest.fixture
async def redis(redis_url: str) -> AsyncGenerator[Redis]:
    """An empty Redis."""
    client = open_redis(redis_url)
    await client.flushall()  # pyright: ignore[reportUnknownMemberType] - its stubs
    yield client
    await client.aclose()
