from collections.abc import AsyncGenerator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from redis.asyncio import Redis
from starlette.types import ASGIApp

from tests.gateway.door import Door, OpenDoor, serving
from tests.gateway.wire import listening
from tests.servers import Servers
from turnosya.runtime.redis import open_redis
from turnosya.services.gateway.exchange import HandOver
from turnosya.services.gateway.in_process import InProcess
from turnosya.services.gateway.over_http import OverHttp


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


@pytest.fixture(params=["in process", "over http"])
def door(request: pytest.FixtureRequest) -> OpenDoor:
    @asynccontextmanager
    async def open_door(app: ASGIApp, *, timeout_s: float = 30) -> AsyncGenerator[tuple[int, Door]]:
        async with AsyncExitStack() as stack:
            hand_over: HandOver
            if request.param == "in process":
                hand_over = InProcess(app, timeout_s=timeout_s)
            else:
                port = await stack.enter_async_context(serving(app))
                hand_over = OverHttp([f"http://127.0.0.1:{port}"], timeout_s=timeout_s)
                stack.push_async_callback(hand_over.close)
            front = Door(hand_over, [])
            yield await stack.enter_async_context(listening(front)), front

    return open_door
