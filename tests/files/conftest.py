from collections.abc import AsyncGenerator

import pytest_asyncio

from tests.files.drawer import Drawer
from tests.servers import Servers
from tests.stage import a_stage
from turnosya.services.files.service import service as files


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opened_drawer(servers: Servers) -> AsyncGenerator[Drawer]:
    async with a_stage(servers, [files]) as stage, stage.http("files") as http:
        yield Drawer(stage, http)


@pytest_asyncio.fixture(loop_scope="module")
async def drawer(opened_drawer: Drawer) -> Drawer:
    """The drawer as new: empty."""
    async with opened_drawer.files.db.transaction() as tx:
        await tx.connection.exec_driver_sql("TRUNCATE uses, files, contents, begun, outbox, kept_answers")
    return opened_drawer
