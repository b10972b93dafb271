from collections.abc import AsyncGenerator

import pytest_asyncio

from tests.jobs.world import NOON, Bell, World
from tests.servers import Servers
from tests.stage import Stage, a_stage
from turnosya.services.jobs.service import service as jobs

SETTINGS = {
    "TURNOSYA_JOBS_POLL_S": "0.05",
    "TURNOSYA_JOBS_RETRY_DELAYS_S": "0.01,0.02",
    "TURNOSYA_CLOCK_WAIT_S": "2",
}


@pytest_asyncio.fixture
async def stage(servers: Servers) -> AsyncGenerator[Stage]:
    async with a_stage(servers, [jobs], settings=SETTINGS) as made:
        yield made


@pytest_asyncio.fixture
async def world(stage: Stage) -> AsyncGenerator[World]:
    """Noon of a day in June, nothing scheduled."""
    bell = Bell()
    await bell.open(stage.bus)
    made = World(stage, bell)
    await made.stands_at(NOON)
    yield made
    bell.may_end.set()
    for copy in made.copies:
        await copy.stop(5)
