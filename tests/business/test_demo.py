"""Demonstration businesses are businesses like any other."""

import pytest

from tests.business.street import ZONE, Street
from turnosya.contracts.business import Price
from turnosya.runtime.clock import real_now
from turnosya.runtime.ids import new_id
from turnosya.services.business import demo
from turnosya.services.business.state import Offer, Profile

pytestmark = pytest.mark.asyncio(loop_scope="module")

GYM = Profile(name="Gimnasio Sur", timezone=ZONE, category="gimnasio")
YOGA = Offer(new_id(), real_now(), "Yoga", 60, price=Price(amount=900000, currency="ARS"), capacity=12)


async def test_it_is_there_with_staff_and_services_and_turnos_knows_it(street: Street) -> None:
    made = await demo.open_business(
        street.business, street.ana, "Ana", GYM, offers=[YOGA], staff_names=["Caro"]
    )
    shop = f"/{made.id}"
    assert (await street.got("GET", "/mine", by=street.ana))["items"] == [await street.got("GET", shop)]
    assert [one["name"] for one in (await street.got("GET", f"{shop}/staff"))["items"]] == ["Ana", "Caro"]
    [yoga] = (await street.got("GET", f"{shop}/services"))["items"]
    assert (yoga["name"], yoga["capacity"], yoga["price"]["amount"]) == ("Yoga", 12, 900000)
    assert await street.turnos_knows(str(made.id), version=1) == made


async def test_a_second_run_finds_it_and_makes_none(street: Street) -> None:
    first = await demo.open_business(street.business, street.ana, "Ana", GYM, offers=[YOGA])
    again = await demo.open_business(street.business, street.ana, "Ana", GYM, offers=[YOGA])
    assert again == first
    assert len((await street.got("GET", "/mine", by=street.ana))["items"]) == 1
