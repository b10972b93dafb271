from collections.abc import AsyncGenerator

import pytest_asyncio

from tests.chat.room import Room, a_room
from tests.servers import Servers


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def room(servers: Servers) -> AsyncGenerator[Room]:
    """Chat alone."""
    async with a_room(servers) as made:
        yield made
