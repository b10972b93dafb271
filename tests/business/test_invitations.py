"""Who was there is invited once to say how it was, and nobody else."""

from uuid import UUID

import pytest

from tests.business.street import ADMIN, Street
from turnosya.contracts.business import GetHeld, InviteRating
from turnosya.runtime.ids import new_id

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def invited(street: Street, shop: str, client: UUID) -> bool:
    """Whether the job has invited them by now."""
    request = InviteRating(business_id=UUID(shop[1:]), client_id=client, appointment_id=new_id())
    await street.stage.bus.call(request)
    await street.stage.bus.call(request)
    held = (await street.stage.bus.call(GetHeld(user_id=client))).records["rating_invitations"]
    return [one["business_id"] for one in held] == [shop[1:]]


async def test_who_completed_a_turno_is_invited_once(street: Street) -> None:
    shop = await street.a_shop()
    assert not await invited(street, shop, street.beto)
    street.turnos.visited[street.beto, UUID(shop[1:])] = 1
    assert await invited(street, shop, street.beto)


async def test_who_has_rated_it_is_not(street: Street) -> None:
    shop = await street.a_shop()
    street.turnos.visited[street.beto, UUID(shop[1:])] = 1
    await street.got("PUT", f"{shop}/rating", {"stars": 5}, by=street.beto)
    assert not await invited(street, shop, street.beto)


async def test_nobody_is_invited_to_rate_a_suspended_business(street: Street) -> None:
    shop = await street.a_shop()
    street.turnos.visited[street.beto, UUID(shop[1:])] = 1
    await street.got("POST", f"{shop}/suspension", {"reason": "x"}, by=ADMIN)
    assert not await invited(street, shop, street.beto)
