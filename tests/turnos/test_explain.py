"""Why is this time not offered? The business is told, member by member."""

from typing import cast

import httpx
import pytest

from tests.turnos.town import Json, Shop, Someone, Town, refusal

pytestmark = pytest.mark.asyncio(loop_scope="module")
MONDAY_TEN = "2027-06-14T10:00:00-03:00"


async def asked(shop: Shop, by: Someone, at: str, **query: str) -> httpx.Response:
    params = {"at": at, "service_id": shop.cut, **query}
    return await shop.town.http.get(f"{shop.path}/slots/explain", params=params, headers=by.headers)


async def explained(shop: Shop, at: str, **query: str) -> Json:
    answer = await asked(shop, shop.owner, at, **query)
    assert answer.status_code == 200, answer.text
    return cast("Json", answer.json())


async def test_what_is_taken_shows_the_turno_and_who_is_free(town: Town) -> None:
    shop = await town.a_shop(service={"buffer_after_minutes": 10})
    beto = await shop.employs("Beto")
    turno = await shop.booked("2027-06-14T09:30-03:00", staff_id=shop.ana)
    found = await explained(shop, MONDAY_TEN)
    assert (found["offered"], found["reason"], found["starts_at"]) == (True, None, MONDAY_TEN)
    ana, other = found["staff"]
    assert (ana["staff_id"], ana["offered"], ana["reason"]) == (shop.ana, False, "taken")
    assert ana["in_the_way"] == [
        {
            "appointment_id": turno["id"],
            "status": "confirmed",
            "starts_at": "2027-06-14T09:30:00-03:00",
            "ends_at": "2027-06-14T10:00:00-03:00",
            "busy_from": "2027-06-14T09:30:00-03:00",
            "busy_to": "2027-06-14T10:10:00-03:00",
        }
    ]
    assert ana["windows"] == [
        {"starts_at": "2027-06-14T09:00:00-03:00", "ends_at": "2027-06-14T18:00:00-03:00"}
    ]
    assert (other["staff_id"], other["name"], other["offered"], other["in_the_way"]) == (
        beto,
        "Beto",
        True,
        [],
    )
    alone = await explained(shop, MONDAY_TEN, staff_id=shop.ana)
    assert (alone["offered"], alone["reason"], len(alone["staff"])) == (False, "taken", 1)


@pytest.mark.parametrize(
    ("at", "reason"),
    [
        pytest.param("2027-06-09T10:00-03:00", "past", id="past"),
        pytest.param("2027-06-10T10:00-03:00", "too_soon", id="too soon"),
        pytest.param("2027-12-09T10:00-03:00", "too_far", id="too far"),
        pytest.param("2027-07-09T10:00-03:00", "holiday", id="holiday"),
        pytest.param("2027-06-13T10:00-03:00", "closed", id="closed"),
        pytest.param("2027-06-14T10:07-03:00", "off_grid", id="off grid"),
    ],
)
async def test_every_reason_is_the_one_that_a_booking_gets(town: Town, at: str, reason: str) -> None:
    shop = await town.a_shop(min_notice_minutes=120)
    found = await explained(shop, at)
    assert (found["offered"], found["reason"], found["staff"][0]["reason"]) == (False, reason, reason)
    assert (await shop.book(at)).json()["reason"] == reason
    assert found["staff"][0]["holiday"] is (reason == "holiday")


async def test_a_member_who_does_not_do_it_and_a_night_that_began_the_day_before(town: Town) -> None:
    shop = await town.a_shop([{"weekday": 5, "start": "20:00", "end": "02:00"}])
    beto = await shop.employs("Beto")
    await shop.owned("PATCH", f"/services/{shop.cut}", {"staff_ids": [shop.ana]})
    await town.copies_are_current(shop)
    found = await explained(shop, "2027-06-19T01:00-03:00")
    reasons = {one["staff_id"]: one["reason"] for one in found["staff"]}
    assert reasons == {shop.ana: None, beto: "staff_not_qualified"}
    assert found["staff"][0]["windows"][0]["starts_at"] == "2027-06-18T20:00:00-03:00"


async def test_only_for_those_who_run_it(town: Town) -> None:
    shop, client = await town.a_shop(), town.somebody()
    assert refusal(await asked(shop, client, MONDAY_TEN)) == "403 forbidden"
    assert refusal(await asked(shop, shop.owner, "2027-06-14 10:00")) == "422 validation_failed"
    assert refusal(await asked(shop, shop.owner, MONDAY_TEN, service_id=shop.ana)) == "422 validation_failed"
    assert refusal(await asked(shop, shop.owner, MONDAY_TEN, staff_id=shop.cut)) == "422 validation_failed"
