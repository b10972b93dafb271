"""A time that is kept while its client decides."""

import pytest

from tests.turnos.town import Town, all_at_once, codes, refusal

pytestmark = pytest.mark.asyncio(loop_scope="module")
MONDAY_TEN, MONDAY_ELEVEN = "2027-06-14T13:00Z", "2027-06-14T14:00Z"


async def test_a_held_time_is_shut_to_others_and_becomes_the_client_s_turno(town: Town) -> None:
    shop, client = await town.a_shop(), town.somebody()
    held = (await shop.hold(MONDAY_TEN, client)).json()
    assert held["expires_at"] == "2027-06-10T09:05:00-03:00"
    assert held["starts_at"] == "2027-06-14T10:00:00-03:00"
    assert "10:00" not in await shop.starts("2027-06-14")
    assert refusal(await shop.book(MONDAY_TEN)) == "409 slot_taken held"
    turno = await shop.booked(MONDAY_TEN, client, hold_id=held["id"])
    assert (turno["hold_id"], turno["staff_id"]) == (held["id"], held["staff_id"])
    assert refusal(await shop.book(MONDAY_ELEVEN, client, hold_id=held["id"])) == "409 hold_expired"


async def test_ones_own_hold_is_used_without_its_id(town: Town) -> None:
    shop, client = await town.a_shop(), town.somebody()
    held = (await shop.hold(MONDAY_TEN, client)).json()
    assert (await shop.booked(MONDAY_TEN, client))["hold_id"] == held["id"]


async def test_a_held_time_that_is_too_soon_by_now_is_still_the_client_s(town: Town) -> None:
    shop, client = await town.a_shop(min_notice_minutes=60), town.somebody()
    await shop.hold("2027-06-10T13:00Z", client)
    town.set_clock("2027-06-10T12:02Z")
    assert refusal(await shop.book("2027-06-10T13:00Z")) == "422 slot_unavailable too_soon"
    await shop.booked("2027-06-10T13:00Z", client)


async def test_a_hold_ends_by_itself(town: Town) -> None:
    shop, client = await town.a_shop(), town.somebody()
    held = (await shop.hold(MONDAY_TEN, client)).json()
    town.set_clock("2027-06-10T12:05Z")
    assert "10:00" in await shop.starts("2027-06-14")
    assert refusal(await shop.book(MONDAY_TEN, client, hold_id=held["id"])) == "409 hold_expired"
    await shop.booked(MONDAY_TEN)


async def test_a_hold_is_let_go_by_its_client_alone(town: Town) -> None:
    shop, client = await town.a_shop(), town.somebody()
    held = (await shop.hold(MONDAY_TEN, client)).json()
    path = f"/v1/turnos/holds/{held['id']}"
    assert (await town.http.delete(path, headers=shop.owner.headers)).status_code == 404
    assert (await town.http.delete(path, headers=client.headers)).status_code == 204
    assert (await town.http.delete(path, headers=client.headers)).status_code == 404
    await shop.booked(MONDAY_TEN)


async def test_two_holds_at_most(town: Town) -> None:
    shop, client = await town.a_shop(), town.somebody()
    starts = [f"2027-06-14T{hour}:00Z" for hour in range(12, 18)]
    answers = await all_at_once(*(shop.hold(start, client) for start in starts))
    assert codes(answers) == ["201"] * 2 + ["429 too_many_holds"] * 4
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.headers["Retry-After"] == "300"
    town.set_clock("2027-06-10T12:05Z")
    assert (await shop.hold(starts[0], client)).status_code == 201


async def test_a_hold_of_another_time_or_person(town: Town) -> None:
    shop, client = await town.a_shop(), town.somebody()
    held = (await shop.hold(MONDAY_TEN, client)).json()
    other = await shop.book(MONDAY_ELEVEN, client, hold_id=held["id"])
    assert (refusal(other), other.json()["errors"][0]["field"]) == ("422 validation_failed", "hold_id")
    assert refusal(await shop.book(MONDAY_ELEVEN, hold_id=held["id"])) == "409 hold_expired"


async def test_many_hold_one_time_and_one_has_it(town: Town) -> None:
    shop = await town.a_shop()
    answers = await all_at_once(*(shop.hold(MONDAY_TEN, town.somebody()) for _ in range(20)))
    assert codes(answers) == ["201"] + ["409 slot_taken held"] * 19


async def test_a_hold_is_no_appointment(town: Town) -> None:
    shop, client = await town.a_shop(), town.somebody()
    held = (await shop.hold(MONDAY_TEN, client)).json()
    found = await town.http.get(f"/v1/turnos/appointments/{held['id']}", headers=client.headers)
    assert found.status_code == 404
    for query in ({}, {"status": "held"}):
        listed = await town.http.get("/v1/turnos/appointments", params=query, headers=client.headers)
        assert listed.json() == {"items": [], "next_cursor": None}


async def test_a_turno_moves_to_the_time_that_its_client_holds(town: Town) -> None:
    shop, client = await town.a_shop(min_notice_minutes=60), town.somebody()
    turno = await shop.booked(MONDAY_TEN, client)
    await shop.hold("2027-06-10T13:00Z", client)
    town.set_clock("2027-06-10T12:02Z")
    assert refusal(await town.move(turno, client, "2027-06-10T13:30Z", staff_id=shop.ana)) == "200"
    await shop.hold(MONDAY_ELEVEN, client)
    other = await shop.booked("2027-06-14T15:00Z")
    assert refusal(await town.move(other, shop.owner, MONDAY_ELEVEN)) == "409 slot_taken held"
    moved = await town.move(turno, client, "2027-06-10T13:00Z")
    assert (moved.status_code, moved.json()["starts_at"]) == (200, "2027-06-10T10:00:00-03:00")
    assert (await town.move(turno, client, MONDAY_ELEVEN)).status_code == 200
    held = "SELECT id FROM appointments WHERE status = 'held' AND client_id = $1"
    assert await town.rows(held, client.id) == []
