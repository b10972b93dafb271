from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.notification.people import Town, a_town, as_new
from tests.notification.providers import Providers, providers
from tests.servers import Servers
from tests.stage import Stage, a_stage
from turnosya.services.notification.service import service as notification
from turnosya.services.users.service import service as users


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def outside(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Providers]:
    folder: Path = tmp_path_factory.mktemp("providers")
    async with providers(folder) as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(servers: Servers) -> AsyncGenerator[Stage]:
    async with a_stage(servers, [users, notification]) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def town(stage: Stage) -> Town:
    """A stage as new: nobody was told anything but that they are welcome."""
    await as_new(stage)
    stage.clock.use(version=stage.clock.version + 1, set_to=None)
    return await a_town(stage)
