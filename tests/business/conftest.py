from collections.abc import AsyncGenerator

import pytest_asyncio

from tests.business.street import Street, TurnosSide, an_account, turnos_service
from tests.callers import Callers
from tests.servers import Servers
from tests.stage import a_stage
from turnosya.services.business.service import service as business
from turnosya.services.users.service import service as users


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opened_street(servers: Servers) -> AsyncGenerator[Street]:
    side = TurnosSide()
    async with (
        a_stage(servers, [users, turnos_service(side), business]) as stage,
        stage.http("business") as http,
    ):
        ana = await an_account(stage, "Ana", "+5491122334455")
        beto = await an_account(stage, "Beto", "+5491155667788")
        yield Street(stage, http, Callers(stage), side, ana, beto)


@pytest_asyncio.fixture(loop_scope="module")
async def street(opened_street: Street) -> Street:
    """The street as new: no shop has opened yet."""
    async with opened_street.business.db.transaction() as tx:
        await tx.connection.exec_driver_sql(
            "TRUNCATE businesses, pictures, verifications, verification_steps, search_words,"
            " ratings, rating_reports, rating_invitations, services, staff, outbox, kept_answers"
        )
    opened_street.turnos.forget()
    return opened_street
