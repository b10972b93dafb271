"""Auth on a real Redis of its own, with time that only the test moves."""

from collections.abc import AsyncGenerator, Generator

import pytest
from redis.asyncio import Redis

from tests.auth.world import World, a_world
from tests.servers import Servers
from turnosya.runtime.redis import open_redis


@pytest.fixture(scope="session")
def redis_url(servers: Servers) -> Generator[str]:
    with servers.private("redis") as server:
        yield server.url


@pytest.fixture
async def redis(redis_url: str) -> AsyncGenerator[Redis]:
    client = open_redis(redis_url)
    await client.flushall()  # pyright: ignore[reportUnknownMemberType] - its stubs
    yield client
    await client.aclose()


@pytest.fixture
async def world(redis: Redis) -> AsyncGenerator[World]:
    async with a_world(redis) as made:
        yield made
