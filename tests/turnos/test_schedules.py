"""Hours and overrides: who may change them, and that no change strands a turno unasked (R11)."""

from typing import cast

import pytest

from tests.stage import until
from tests.turnos.town import NOBODY, Json, Shop, Town, refusal, weekly

pytestmark = pytest.mark.asyncio(loop_scope="module")
FRIDAY_FIVE = "2027-06-18T20:00Z"
WEEK = weekly("1-6", "09:00-18:00")


async def read(shop: Shop) -> Json:
    answer = await shop.town.http.get(f"{shop.path}/schedule")
    assert answer.status_code == 200
    found: Json = answer.json()
    return found


async def test_a_new_business_has_an_empty_week(town: Town) -> None:
    shop = await town.a_shop([])
    assert await read(shop) == {
        "weekly": [],
        "slot_step_minutes": 30,
        "min_notice_minutes": 0,
        "max_days_ahead": 90,
        "cancellation_notice_minutes": 0,
        "observe_holidays": True,
        "confirmation": "automatic",
        "reschedule": "propose",
    }


async def test_what_a_put_leaves_out_keeps_its_value(town: Town) -> None:
    shop = await town.a_shop(slot_step_minutes=15, confirmation="manual")
    done = await shop.schedule(weekly("1", "20:00-02:00", staff_id=shop.ana), max_days_ahead=7)
    assert done.json() == await read(shop)
    assert done.json()["weekly"] == [{"weekday": 1, "start": "20:00", "end": "02:00", "staff_id": shop.ana}]
    kept = {name: done.json()[name] for name in ("slot_step_minutes", "confirmation", "max_days_ahead")}
    assert kept == {"slot_step_minutes": 15, "confirmation": "manual", "max_days_ahead": 7}


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("09:00", "09:00"),
        ("25:61", "26:00"),
        ("9:00", "10:00"),
        ("24:00", "02:00"),
        ("09:00", "24:01"),
        ("", ""),
    ],
)
async def test_case_20_impossible_hours_are_not_stored(town: Town, start: str, end: str) -> None:
    shop = await town.a_shop()
    before = await read(shop)
    assert (
        refusal(await shop.schedule([{"weekday": 1, "start": start, "end": end}])) == "422 validation_failed"
    )
    hours = {"date": "2027-06-14", "hours": [{"start": start, "end": end}]}
    answer = await town.http.post(f"{shop.path}/overrides", json=hours, headers=shop.owner.headers)
    assert refusal(answer) == "422 validation_failed"
    assert await read(shop) == before
    assert (await town.http.get(f"{shop.path}/overrides")).json()["items"] == []


async def test_case_37_shorter_hours_list_whom_they_strand(town: Town) -> None:
    shop, client = await town.a_shop(), town.somebody()
    turno = await shop.booked(FRIDAY_FIVE, client)
    await shop.booked("2027-06-18T13:00Z")
    refused = await shop.schedule(weekly("1-6", "09:00-16:00"))
    assert refusal(refused) == "409 needs_decision"
    assert refused.json()["appointments"] == [
        {name: turno[name] for name in ("id", "starts_at", "ends_at", "staff_id", "client_id", "status")}
    ]
    assert (await read(shop))["weekly"] == WEEK
    assert (await shop.schedule(weekly("1-6", "09:00-16:00"), on_conflict="keep")).status_code == 200
    assert await town.read(turno, client) == turno
    # What was kept once is not asked again.
    assert (await shop.schedule(weekly("1-6", "09:00-15:00"))).status_code == 200


async def test_stranded_turnos_are_cancelled_if_the_owner_says_so(town: Town) -> None:
    shop, client = await town.a_shop(), town.somebody()
    turno, kept = await shop.booked(FRIDAY_FIVE, client), await shop.booked("2027-06-18T13:00Z", client)
    assert (await shop.schedule(weekly("1-6", "09:00-16:00"), on_conflict="cancel")).status_code == 200
    cancelled = await town.read(turno, client)
    assert (cancelled["status"], cancelled["history"][-1]["actor_id"]) == ("cancelled", str(shop.owner.id))
    assert await town.told_names(turno) == ["AppointmentBooked", "AppointmentCancelled"]
    assert await town.read(kept, client) == kept


async def test_who_is_stranded_is_offered_another_time_if_the_owner_says_so(town: Town) -> None:
    shop = await town.a_shop()
    assert (await shop.schedule(WEEK, on_conflict="propose")).status_code == 200
    client = town.somebody()
    turno = await shop.booked(FRIDAY_FIVE, client)
    assert (await shop.schedule(weekly("1-6", "09:00-16:00"), on_conflict="propose")).status_code == 200
    waits = await town.read(turno, client)
    assert (waits["status"], waits["starts_at"]) == ("proposed", turno["starts_at"])

    async def offers() -> list[Json]:
        answer = await town.http.get("/v1/turnos/proposals", headers=client.headers)
        return cast("list[Json]", answer.json()["items"])

    await until(offers, bool)
    [offer] = await offers()
    assert offer["starts_at"] == "2027-06-18T15:30:00-03:00"
    accepted = await town.http.post(f"/v1/turnos/proposals/{offer['id']}/accept", headers=client.headers)
    assert (accepted.status_code, accepted.json()["starts_at"]) == (200, offer["starts_at"])
    names = [name for name in await town.told_names(turno) if name != "ScheduleRequested"]
    assert names == ["AppointmentBooked", "AppointmentProposed", "AppointmentMoved"]


async def test_a_closed_day_and_the_end_of_an_opened_one_strand_too(town: Town) -> None:
    shop = await town.a_shop()
    await shop.booked(FRIDAY_FIVE)
    assert refusal(await shop.override("2027-06-18")) == "409 needs_decision"
    assert (await shop.override("2027-06-19")).status_code == 201
    opened = (await shop.override("2027-06-20", "09:00-12:00")).json()
    turno = await shop.booked("2027-06-20T13:00Z")
    path = f"{shop.path}/overrides/{opened['id']}"
    refused = await town.http.delete(path, headers=shop.owner.headers)
    assert [one["id"] for one in refused.json()["appointments"]] == [turno["id"]]
    done = await town.http.delete(path, params={"on_conflict": "keep"}, headers=shop.owner.headers)
    assert done.status_code == 204
    assert (await town.http.delete(path, headers=shop.owner.headers)).status_code == 404


async def test_what_is_over_or_was_cancelled_strands_nobody(town: Town) -> None:
    shop, client = await town.a_shop(confirmation="manual"), town.somebody()
    await town.act(await shop.booked(FRIDAY_FIVE, client), "cancel", client)
    await shop.booked("2027-06-10T20:00Z")
    await shop.booked("2027-06-25T20:00Z")
    town.set_clock("2027-06-11T12:00Z")
    assert (await shop.schedule([])).status_code == 200


async def test_overrides_come_by_date_page_by_page(town: Town) -> None:
    shop = await town.a_shop()
    made = [await shop.override(f"2027-06-{day}", "10:00-12:00", note="feria") for day in (20, 18, 19)]
    assert [answer.status_code for answer in made] == [201] * 3
    assert set(made[0].json()) == {"id", "date", "hours", "staff_id", "note", "created_at"}
    found: list[str] = []
    cursor: str | None = None
    while True:
        query = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = (await town.http.get(f"{shop.path}/overrides", params=query)).json()
        found += [one["date"] for one in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert found == ["2027-06-18", "2027-06-19", "2027-06-20"]


async def test_a_repeated_key_stores_one_override(town: Town) -> None:
    shop = await town.a_shop()
    headers = shop.owner.headers | {"Idempotency-Key": "o"}
    body: Json = {"date": "2027-06-18", "hours": []}
    first, again = [
        await town.http.post(f"{shop.path}/overrides", json=body, headers=headers) for _ in range(2)
    ]
    assert first.json() == again.json()
    assert len((await town.http.get(f"{shop.path}/overrides")).json()["items"]) == 1


@pytest.mark.parametrize(
    ("policy", "field"),
    [
        ({"slot_step_minutes": 0}, "slot_step_minutes"),
        ({"slot_step_minutes": "30"}, "slot_step_minutes"),
        ({"min_notice_minutes": -1}, "min_notice_minutes"),
        ({"max_days_ahead": 10**20}, "max_days_ahead"),
        ({"observe_holidays": "yes"}, "observe_holidays"),
        ({"confirmation": "perhaps"}, "confirmation"),
        ({"reschedule": None}, "reschedule"),
        ({"on_conflict": "drop"}, "on_conflict"),
        ({"timezone": "UTC"}, "timezone"),
    ],
)
async def test_a_wrong_policy_names_its_field(town: Town, policy: Json, field: str) -> None:
    refused = await (await town.a_shop()).schedule(WEEK, **policy)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, field)


async def test_hours_of_a_stranger_are_refused_by_name(town: Town) -> None:
    shop, other = await town.a_shop(), await town.a_shop()
    for staff_id in (other.ana, str(NOBODY)):
        refused = await shop.schedule([*WEEK, *weekly("1", "09:00-12:00", staff_id=staff_id)])
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "weekly.6.staff_id")
        refused = await shop.override("2027-06-18", staff_id=staff_id)
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "staff_id")
