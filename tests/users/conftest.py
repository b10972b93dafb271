from collections.abc import AsyncGenerator, Generator

import pytest
import pytest_asyncio

from tests.callers import Callers
from tests.servers import Servers
from tests.stage import a_stage
from tests.users.town import AskedOfAuth, Town
from turnosya.contracts.users import EmailConfirmationRequested, PersonErased, PhoneChanged, SecurityNoted
from turnosya.services.users import passwords
from turnosya.services.users.service import service as users


@pytest.fixture(scope="module")
def cheap_passwords() -> Generator[None]:
    """A hash costs as much as the rest of a sign-up; ``test_credentials`` has them as they are shipped."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "MEMORY_KIB", 64)
        patch.setattr(passwords, "PASSES", 1)
        yield


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opened_town(servers: Servers, cheap_passwords: None) -> AsyncGenerator[Town]:
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
