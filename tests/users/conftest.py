from collections.abc import AsyncGenerator

import pytest_asyncio

from tests.callers import Callers
from tests.servers import Servers
from tests.stage import a_stage
from tests.users.town import AskedOfAuth, Town
from turnosya.contracts.users import EmailConfirmationRequested, PersonErased, PhoneChanged, SecurityNoted
from turnosya.services.users.service import service as users


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opened_town(servers: Servers) -> AsyncGenerator[Town]:
    async with a_stage(servers, [users]) as stage, stage.http("users") as http:
        auth = AskedOfAuth()
        await auth.open(stage.bus)
        town = Town(stage, http, Callers(stage), auth)
        await town.listen(PhoneChanged, EmailConfirmationRequested, PersonErased, SecurityNoted)
        yield town


@pytest_asyncio.fixture(loop_scope="module")
async def town(opened_town: Town) -> Town:
    """The town as new: nobody has signed up, and auth was asked nothing."""
    opened_town.auth.away, opened_town.auth.after_use = False, None
    await opened_town.all_is_heard()
    async with opened_town.users.db.transaction() as tx:
        await tx.connection.exec_driver_sql("TRUNCATE people, erasures, inbox, kept_answers CASCADE")
    opened_town.auth.forget()
    opened_town.heard.clear()
    return opened_town
