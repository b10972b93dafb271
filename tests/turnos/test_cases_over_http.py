"""The hours of cases 1 to 21 (``cases.py``) over HTTP: they are what is offered, and each start books."""

from datetime import UTC, date, datetime, timedelta

import pytest

from tests.turnos.cases import HOURS_CASES, HoursCase
from tests.turnos.town import Town, all_at_once, codes, refusal, weekly

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("case", HOURS_CASES)
async def test_hours_offer_the_starts_of_the_table_and_each_books(town: Town, case: HoursCase) -> None:
    day = date.fromisoformat(case.day)
    town.set_clock(f"{day - timedelta(days=30)}T12:00Z")
    hours = weekly(*case.weekly.split())
    shop = await town.a_shop(hours, minutes=case.minutes, zone=case.zone, slot_step_minutes=case.step)
    slots = await shop.slots(case.day)
    starts = [datetime.fromisoformat(slot["starts_at"]).astimezone(UTC) for slot in slots]
    assert [f"{start:%H:%M}Z" for start in starts] == case.expected
    # Longer than the step, neighbours are in each other's way: then every other.
    apart = -(-case.minutes // case.step)
    booked = await all_at_once(*(shop.book(start.isoformat()) for start in starts[::apart]))
    assert set(codes(booked)) <= {"201"}
    if apart == 1:
        assert await shop.slots(case.day) == []
    between = [start + timedelta(minutes=1) for start in starts[:1]]
    refused = await all_at_once(*(shop.book(start.isoformat()) for start in between))
    assert {answer.status_code for answer in refused} <= {422}


async def test_case_21_the_last_start_that_would_end_too_late_is_closed(town: Town) -> None:
    shop = await town.a_shop(weekly("1", "09:00-17:00"), minutes=35, slot_step_minutes=35)
    assert refusal(await shop.book("2027-06-14T16:35-03:00")) == "422 slot_unavailable closed"
