"""Business is away: what turnos knows goes on, what it does not know is not made up."""

from collections.abc import AsyncGenerator
from typing import cast

import pytest
import pytest_asyncio

from tests.servers import Servers
from tests.stage import a_stage
from tests.turnos.town import NOBODY, Town, a_town, refusal
from turnosya.runtime.memory import MemoryTransport
from turnosya.services.business.service import service as business
from turnosya.services.turnos.service import service as turnos

pytestmark = pytest.mark.asyncio(loop_scope="module")
MONDAY_TEN = "2027-06-14T13:00Z"


@pytest_asyncio.fixture(loop_scope="module")
async def alone(servers: Servers) -> AsyncGenerator[Town]:
    async with a_stage(servers, [business, turnos]) as stage, a_town(stage) as town:
        yield town


async def test_bookings_on_known_services_go_on(alone: Town) -> None:
    shop, client = await alone.a_shop(), alone.somebody()
    await shop.booked(MONDAY_TEN)
    await alone.stage.running["business"].stop(1)
    cast("MemoryTransport", alone.stage.transport)._answers.pop("business.GetBusiness")  # pyright: ignore[reportPrivateUsage] - its process is gone
    turno = await shop.booked("2027-06-14T14:00Z", client)
    assert len(await shop.starts("2027-06-14")) == 16
    assert (await alone.move(turno, client, "2027-06-14T15:00Z")).status_code == 200
    unknown = {"service_id": str(NOBODY)}
    refused = await shop.book("2027-06-14T16:00Z", client, **unknown)
    assert (refusal(refused), refused.headers["Retry-After"]) == ("503 service_unavailable", "2")
