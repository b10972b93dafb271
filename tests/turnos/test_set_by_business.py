"""What the business sets itself: outside hours, over another turno, for people without an account (R13)."""

import pytest

from tests.turnos.town import NOBODY, Town, all_at_once, codes, refusal

pytestmark = pytest.mark.asyncio(loop_scope="module")
MONDAY_TEN, SUNDAY_TEN = "2027-06-14T13:00Z", "2027-06-13T13:00Z"


async def test_the_owner_books_for_somebody_without_an_account(town: Town) -> None:
    shop = await town.a_shop(confirmation="manual", min_notice_minutes=600, max_days_ahead=1)
    client = {"name": "Dora", "phone": "011 15-2233-4455"}
    answer = await shop.sets("2027-06-28T13:00Z", client=client, note="por teléfono")
    turno = answer.json()
    assert (answer.status_code, turno["status"], turno["client_id"]) == (201, "confirmed", None)
    assert turno["client"] == {"user_id": None, "name": "Dora", "phone": "+5491122334455"}
    assert turno["history"][0]["actor_id"] == str(shop.owner.id)
    assert (await shop.sets("2027-06-10T13:00Z")).status_code == 201
    assert refusal(await shop.sets("2027-06-10T11:30Z", force=True)) == "422 slot_unavailable past"


async def test_the_owner_books_for_an_account_that_then_sees_it(town: Town) -> None:
    shop, client = await town.a_shop(), town.somebody()
    turno = (await shop.sets(MONDAY_TEN, client={"user_id": str(client.id)})).json()
    assert (await town.read(turno, client))["client_id"] == str(client.id)
    again = await shop.sets(
        MONDAY_TEN, client={"user_id": str(client.id)}, staff_id=await shop.employs("Beto")
    )
    assert refusal(again) == "409 slot_taken client_busy"


@pytest.mark.parametrize(
    ("starts_at", "reason"),
    [
        (SUNDAY_TEN, "closed"),
        ("2027-06-14T13:07Z", "off_grid"),
        ("2027-07-09T13:00Z", "holiday"),
        ("2027-06-14T21:00Z", "closed"),
    ],
)
async def test_force_goes_outside_hours(town: Town, starts_at: str, reason: str) -> None:
    shop = await town.a_shop()
    assert refusal(await shop.sets(starts_at)) == f"422 slot_unavailable {reason}"
    turno = (await shop.sets(starts_at, force=True)).json()
    assert (turno["status"], turno["overbook"]) == ("confirmed", False)
    assert refusal(await shop.sets(starts_at, force=True)) == "409 slot_taken taken"


async def test_overbooking_needs_a_reason_and_changes_nothing_for_others(town: Town) -> None:
    shop, client = await town.a_shop(), town.somebody()
    first = await shop.booked(MONDAY_TEN, client)
    for reason in (..., None, "", " "):
        without = await shop.sets(MONDAY_TEN, overbook=True, **({} if reason is ... else {"reason": reason}))
        assert (refusal(without), without.json()["errors"][0]["field"]) == ("422 validation_failed", "reason")
    over = (await shop.sets(MONDAY_TEN, overbook=True, reason="Urgencia")).json()
    assert (over["overbook"], over["staff_id"]) == (True, shop.ana)
    assert [(line["what"], line["reason"]) for line in over["history"]][-1] == ("overbooked", "Urgencia")
    assert (await shop.sets(MONDAY_TEN, overbook=True, reason="Otra")).status_code == 201
    await town.act(first, "cancel", client)
    assert "10:00" in await shop.starts("2027-06-14")
    await shop.booked(MONDAY_TEN)


async def test_overbook_alone_does_not_go_outside_hours(town: Town) -> None:
    shop = await town.a_shop()
    both = {"overbook": True, "reason": "x"}
    assert refusal(await shop.sets(SUNDAY_TEN, **both)) == "422 slot_unavailable closed"
    assert (await shop.sets(SUNDAY_TEN, force=True, **both)).json()["overbook"] is False
    assert (await shop.sets(SUNDAY_TEN, force=True, **both)).json()["overbook"] is True


async def test_an_overbooked_turno_that_is_moved_to_a_free_time_is_like_any_other(town: Town) -> None:
    shop = await town.a_shop()
    await shop.booked(MONDAY_TEN)
    over = (await shop.sets(MONDAY_TEN, overbook=True, reason="x")).json()
    moved = (await town.move(over, shop.owner, "2027-06-14T14:00Z")).json()
    assert moved["overbook"] is False
    assert refusal(await shop.book("2027-06-14T14:00Z")) == "409 slot_taken taken"


async def test_a_linked_member_does_what_staff_may(town: Town) -> None:
    shop, beto, client = await town.a_shop(), town.somebody(), town.somebody()
    await shop.owned("POST", "/staff", {"name": "Beto", "user_id": str(beto.id)})
    body = {"service_id": shop.cut, "starts_at": MONDAY_TEN, "client": {"user_id": str(client.id)}}
    answer = await town.post(f"businesses/{shop.id}/appointments", body, beto)
    turno = answer.json()
    assert answer.status_code == 201
    assert (await town.move(turno, beto, "2027-06-14T14:00Z")).status_code == 200
    listed = await town.http.get(
        "/v1/turnos/appointments", params={"as": "business", "business_id": shop.id}, headers=beto.headers
    )
    assert [one["id"] for one in listed.json()["items"]] == [turno["id"]]
    assert (await town.act(turno, "cancel", beto)).status_code == 200


@pytest.mark.parametrize(
    ("client", "field"),
    [
        ({"user_id": str(NOBODY)}, "client.user_id"),
        ({"user_id": "x"}, "client.user_id"),
        ({}, "client"),
        ({"name": "Dora", "user_id": str(NOBODY)}, "client"),
        ({"name": "Dora", "phone": "911"}, "client.phone"),
        ({"phone": "+5491122334455"}, "client"),
        ({"name": ""}, "client.name"),
        ("Dora", "client"),
        (None, "client"),
    ],
)
async def test_nobody_cannot_be_booked_for(town: Town, client: object, field: str) -> None:
    answer = await (await town.a_shop()).sets(MONDAY_TEN, client=client)
    assert refusal(answer) == "422 validation_failed"
    assert answer.json()["errors"][0]["field"] == field


async def test_fifty_at_once_set_by_the_owner_are_one(town: Town) -> None:
    shop = await town.a_shop()
    answers = await all_at_once(*(shop.sets(MONDAY_TEN) for _ in range(20)))
    assert codes(answers) == ["201"] + ["409 slot_taken taken"] * 19


async def test_overbooking_over_the_client_alone_takes_a_member_who_is_free(town: Town) -> None:
    shop, client = await town.a_shop(), town.somebody()
    both = sorted([shop.ana, await shop.employs("Beto")])
    account = {"client": {"user_id": str(client.id)}, "overbook": True, "reason": "x"}
    await shop.booked(MONDAY_TEN, client, staff_id=both[0])
    over = (await shop.sets(MONDAY_TEN, **account)).json()
    assert (over["overbook"], over["staff_id"]) == (True, both[1])
    # Of two who are both busy, the one with fewer turnos that day.
    await shop.booked("2027-06-14T15:00Z", staff_id=both[0])
    await shop.booked(MONDAY_TEN, staff_id=both[1])
    assert (await shop.sets(MONDAY_TEN, overbook=True, reason="x")).json()["staff_id"] == both[1]
