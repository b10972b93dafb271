"""Listing slots is one statement on what is known, whatever is asked and however much has been."""

from typing import Any

import pytest
from sqlalchemy import event

from tests.turnos.town import Shop, Town, weekly

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def statements_of(shop: Shop, first: str, last: str, **query: str) -> list[str]:
    ran: list[str] = []

    def runs(_connection: object, _cursor: object, statement: str, *_: Any) -> None:  # noqa: ANN401 - its hook
        ran.append(statement)

    engine = shop.town.turnos.db.engine.sync_engine
    event.listen(engine, "before_cursor_execute", runs)
    try:
        await shop.slots(first, last, **query)
    finally:
        event.remove(engine, "before_cursor_execute", runs)
    return [one for one in ran if "appointments" in one or "businesses" in one or "schedules" in one]


async def test_a_day_of_one_and_two_months_of_many_are_one_statement(town: Town) -> None:
    shop = await town.a_shop(weekly("1-6", "09:00-18:00"), slot_step_minutes=15)
    for name in ("Beto", "Caro", "Dani"):
        await shop.employs(name)
    await shop.offers("Clase", 30, capacity=3)
    await town.copies_are_current(shop)
    await shop.slots("2027-06-14")
    for hour in range(12, 16):
        await shop.booked(f"2027-06-14T{hour}:00Z")
        await shop.booked(f"2027-06-15T{hour}:00Z", service_id=shop.services["Clase"])
    assert len(await statements_of(shop, "2027-06-14", "2027-06-14", staff_id=shop.ana)) == 1
    assert len(await statements_of(shop, "2027-06-14", "2027-08-14")) == 1
    assert len(await statements_of(shop, "2027-06-14", "2027-08-14", service="Clase")) == 1


async def test_what_is_taken_comes_united_and_seats_one_by_one(town: Town) -> None:
    shop = await town.a_shop(weekly("1", "09:00-12:00"), service={"capacity": 2})
    beto = await shop.employs("Beto")
    for start in ("12:00", "12:30", "13:30"):
        await shop.booked(f"2027-06-14T{start}Z", staff_id=shop.ana)
    await shop.offers("Barba", 30)
    await shop.booked("2027-06-14T13:00Z", service_id=shop.services["Barba"], staff_id=shop.ana)
    found = {slot["starts_at"][11:16]: slot for slot in await shop.slots("2027-06-14")}
    assert [(start, slot["remaining"]) for start, slot in found.items()] == [
        ("09:00", 3),
        ("09:30", 3),
        ("10:00", 2),
        ("10:30", 3),
        ("11:00", 4),
        ("11:30", 4),
    ]
    # Ana has four turnos that day, Beto none.
    assert {slot["staff_id"] for slot in found.values()} == {beto}
