"""Auth on a real Redis of its own, the oldest and the split form's, with time that only the test moves."""

from collections.abc import AsyncGenerator, Generator
from typing import Literal

import pytest
from redis.asyncio import Redis

from tests.auth.world import World, a_world
from tests.servers import Servers
from turnosya.runtime.redis import open_redis


@pytest.fixture(scope="session", params=["embedded-redis", "redis"], ids=["wheel", "debian"])
def redis_url(request: pytest.FixtureRequest, servers: Servers) -> Generator[str]:
    kind: Literal["embedded-redis", "redis"] = request.param
    with servers.private(kind) as server:
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
