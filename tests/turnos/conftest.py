from collections.abc import AsyncGenerator

import pytest_asyncio

from tests.servers import Servers
from tests.stage import Stage, a_stage
from tests.turnos.town import Town, a_town
from turnosya.services.business.service import service as business
from turnosya.services.turnos.service import service as turnos


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(servers: Servers) -> AsyncGenerator[Stage]:
    async with a_stage(servers, [business, turnos]) as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def open_town(stage: Stage) -> AsyncGenerator[Town]:
    async with a_town(stage) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def town(open_town: Town) -> Town:
    """Turnos and business, with the clock at the now of the fixture F0; nobody's business is shared."""
    open_town.set_clock("2027-06-10T12:00Z")
    return open_town
