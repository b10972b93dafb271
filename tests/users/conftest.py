from collections.abc import AsyncGenerator

import pytest

from tests.callers import Callers
from tests.servers import Servers
from tests.stage import a_stage
from tests.users.town import AskedOfAuth, Town
from turnosya.services.users.service import service as users


@pytest.fixture
async def town(servers: Servers) -> AsyncGenerator[Town]:
    async with a_stage(servers, [users]) as stage, stage.http("users") as http:
        auth = AskedOfAuth()
        await auth.open(stage.bus)
        yield Town(stage, http, Callers(stage), auth)
