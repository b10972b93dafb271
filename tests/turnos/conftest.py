from collections.abc import AsyncGenerator

import pytest_asyncio

from tests.callers import Callers
from tests.servers import Servers
from tests.stage import Stage, a_stage
from tests.turnos.town import Town, everybody_has_an_account, everything_told
from turnosya.runtime.messages import Event
from turnosya.services.business.service import service as business
from turnosya.services.turnos.service import service as turnos


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(servers: Servers) -> AsyncGenerator[Stage]:
    async with a_stage(servers, [business, turnos]) as made:
        await everybody_has_an_account(made.bus)
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def heard(stage: Stage) -> list[Event]:
    return await everything_told(stage.bus)


@pytest_asyncio.fixture(loop_scope="module")
async def town(stage: Stage, heard: list[Event]) -> AsyncGenerator[Town]:
    """Turnos and business, with the clock at the now of the fixture F0; nobody's business is shared."""
    async with stage.http("turnos") as http, stage.http("business") as business_http:
        made = Town(stage, Callers(stage), http, business_http, heard)
        made.set_clock("2027-06-10T12:00Z")
        yield made
