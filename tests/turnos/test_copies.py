"""What turnos knows of a business: asked for, followed, changed on request, and taken back."""

from datetime import timedelta
from uuid import UUID

import httpx
import pytest

from tests.turnos.town import Json, Shop, Town, refusal, weekly
from turnosya.contracts.business import Business, BusinessChanged, GetBusiness, OnConflict
from turnosya.contracts.turnos import ApplyBusiness, NeedsDecision
from turnosya.runtime.clock import real_now
from turnosya.runtime.ids import new_id
from turnosya.services.turnos import copies

pytestmark = pytest.mark.asyncio(loop_scope="module")
MONDAY_TEN = "2027-06-14T13:00Z"


async def state_of(shop: Shop) -> Business:
    return await shop.town.stage.bus.call(GetBusiness(business_id=UUID(shop.id)))


async def without_ana(shop: Shop) -> Business:
    """The next version of a business, which Ana leaves."""
    now = await state_of(shop)
    staff = [member.model_copy(update={"active": False}) for member in now.staff]
    return now.model_copy(update={"version": now.version + 1, "staff": staff})


async def ask(shop: Shop, business: Business, on_conflict: OnConflict | None = None) -> None:
    request = ApplyBusiness(business=business, on_conflict=on_conflict, actor_id=shop.owner.id)
    await shop.town.stage.bus.call(request)


async def time_passes(shop: Shop) -> None:
    """A change has waited for longer than it may."""
    async with shop.town.turnos.db.transaction() as tx:
        await tx.connection.exec_driver_sql(
            "UPDATE businesses SET applied_at = $1 WHERE id = $2 AND applied_at IS NOT NULL",
            (real_now() - timedelta(seconds=11), UUID(shop.id)),
        )


async def test_what_was_added_a_moment_ago_can_be_booked_at_once(town: Town) -> None:
    shop = await town.a_shop()
    made = await shop.owned("POST", "/services", {"name": "Barba", "duration_minutes": 30})
    assert (await shop.book(MONDAY_TEN, service_id=made["id"])).status_code == 201
    beto = await shop.owned("POST", "/staff", {"name": "Beto"})
    assert (await shop.book(MONDAY_TEN, staff_id=beto["id"])).status_code == 201
    caro, account = await shop.owned("POST", "/staff", {"name": "Caro"}), town.somebody()
    hours = [*weekly("1-6", "09:00-18:00"), *weekly("1", "10:00-11:00", staff_id=caro["id"])]
    assert (await shop.schedule(hours)).status_code == 200
    await shop.owned("POST", "/staff", {"name": "Dani", "user_id": str(account.id)})
    listed = await town.http.get(
        "/v1/turnos/appointments", params={"as": "business", "business_id": shop.id}, headers=account.headers
    )
    assert len(listed.json()["items"]) == 2


async def test_an_event_of_an_older_state_changes_nothing(town: Town) -> None:
    shop = await town.a_shop()
    await town.copies_are_current(shop)
    now = await state_of(shop)
    old = now.model_copy(update={"version": now.version - 1, "services": []})
    await copies.follow(town.turnos, BusinessChanged(business=old))
    await copies.follow(town.turnos, BusinessChanged(business=now))
    await shop.booked(MONDAY_TEN)


async def test_a_change_that_strands_is_refused_with_the_list(town: Town) -> None:
    shop = await town.a_shop()
    turno = await shop.booked(MONDAY_TEN)
    refused = await shop.ask_business("PATCH", f"/staff/{shop.ana}", {"active": False})
    assert refusal(refused) == "409 needs_decision"
    assert refused.json()["appointments"][0]["starts_at"] == turno["starts_at"]
    assert "09:00" in await shop.starts("2027-06-14")


@pytest.mark.parametrize("on_conflict", ["keep", "cancel"])
async def test_a_member_leaves_and_nothing_can_be_booked_with_them_at_once(
    town: Town, on_conflict: OnConflict
) -> None:
    shop, client = await town.a_shop(), town.somebody()
    turno = await shop.booked(MONDAY_TEN, client)
    change = {"active": False, "on_conflict": on_conflict}
    await shop.owned("PATCH", f"/staff/{shop.ana}", change)
    assert await shop.starts("2027-06-14") == []
    refused = await shop.book("2027-06-14T15:00Z", staff_id=shop.ana)
    assert refusal(refused) == "422 slot_unavailable staff_not_qualified"
    status = (await town.read(turno, client))["status"]
    assert status == ("cancelled" if on_conflict == "cancel" else "confirmed")


async def test_a_deleted_service_and_a_narrowed_one_strand(town: Town) -> None:
    shop = await town.a_shop()
    beto = await shop.employs("Beto")
    await shop.booked(MONDAY_TEN, staff_id=shop.ana)
    narrow = {"staff_ids": [beto]}
    assert refusal(await shop.ask_business("PATCH", f"/services/{shop.cut}", narrow)) == "409 needs_decision"
    assert refusal(await shop.ask_business("DELETE", f"/services/{shop.cut}")) == "409 needs_decision"
    other = {"staff_ids": [shop.ana]}
    assert (await shop.ask_business("PATCH", f"/services/{shop.cut}", other)).status_code == 200


async def test_a_new_zone_strands_all_that_is_to_come_and_keeps_their_instant(town: Town) -> None:
    shop, client = await town.a_shop(weekly("1-6", "00:00-24:00")), town.somebody()
    turno = await shop.booked("2027-06-14T03:30Z", client)
    change = {"timezone": "America/Tijuana"}
    assert refusal(await shop.ask_business("PATCH", "", change)) == "409 needs_decision"
    await shop.owned("PATCH", "", change | {"on_conflict": "keep"})
    kept = await town.read(turno, client)
    assert (turno["starts_at"], kept["starts_at"]) == (
        "2027-06-14T00:30:00-03:00",
        "2027-06-13T20:30:00-07:00",
    )
    for day, count in (("2027-06-13", 1), ("2027-06-14", 0)):
        listed = await town.http.get(
            "/v1/turnos/appointments", params={"from": day, "to": day}, headers=client.headers
        )
        assert len(listed.json()["items"]) == count


async def test_a_change_that_business_did_not_make_is_taken_back(town: Town) -> None:
    shop = await town.a_shop()
    await town.copies_are_current(shop)
    await ask(shop, await without_ana(shop))
    assert await shop.starts("2027-06-14") == []
    await copies.take_back(town.turnos)
    assert await shop.starts("2027-06-14") == []
    await time_passes(shop)
    await copies.take_back(town.turnos)
    assert len(await shop.starts("2027-06-14")) == 18


async def test_a_change_that_business_made_stays(town: Town) -> None:
    shop = await town.a_shop()
    await shop.owned("PATCH", f"/staff/{shop.ana}", {"active": False})
    await time_passes(shop)
    await copies.take_back(town.turnos)
    assert await shop.starts("2027-06-14") == []


async def test_a_change_asked_twice_is_made_once(town: Town) -> None:
    shop = await town.a_shop()
    await town.copies_are_current(shop)
    turno = await shop.booked(MONDAY_TEN)
    change = await without_ana(shop)
    with pytest.raises(NeedsDecision):
        await ask(shop, change)
    for _ in range(2):
        await ask(shop, change, "cancel")
    assert await town.told_names(turno) == ["AppointmentBooked", "AppointmentCancelled"]


async def test_an_unknown_business_is_not_found(town: Town) -> None:
    nowhere, someone = new_id(), town.somebody()
    for path in ("schedule", "overrides", "slots"):
        query = {"service_id": str(new_id()), "from": "2027-06-14", "to": "2027-06-14"}
        answer = await town.http.get(f"/v1/turnos/businesses/{nowhere}/{path}", params=query)
        assert answer.status_code == 404, path
    body = {"business_id": str(nowhere), "service_id": str(new_id()), "starts_at": MONDAY_TEN}
    assert refusal(await town.post("appointments", body, someone)) == "404 not_found"
    assert refusal(await town.post("holds", body, someone)) == "404 not_found"


async def test_a_closed_business_is_gone_but_its_turnos_are_still_read(town: Town) -> None:
    shop, client = await town.a_shop(), town.somebody()
    turno = await shop.booked("2027-06-10T13:00Z", client)
    assert refusal(await shop.ask_business("DELETE", "")) == "409 business_has_appointments"
    # Begun, so not in the future any more, but not over.
    town.set_clock("2027-06-10T13:10Z")
    assert (await shop.ask_business("DELETE", "")).status_code == 204
    assert (await town.http.get(f"{shop.path}/schedule")).status_code == 404
    assert refusal(await shop.book(MONDAY_TEN)) == "404 not_found"
    assert await town.read(turno, client) == turno
    listed = await town.http.get("/v1/turnos/appointments", headers=client.headers)
    assert listed.json()["items"] == [turno]


async def test_a_new_country_has_other_holidays(town: Town) -> None:
    shop = await town.a_shop()
    # The Virgen del Carmen, which Chile keeps and Argentina does not.
    turno = await shop.booked("2027-07-16T13:00Z")
    moves = {"address": {"country": "CL"}}
    answer = await shop.ask_business("PATCH", "", moves)
    assert refusal(answer) == "409 needs_decision"
    assert [one["id"] for one in answer.json()["appointments"]] == [turno["id"]]
    await shop.owned("PATCH", "", {**moves, "on_conflict": "keep"})
    assert await shop.starts("2027-07-16") == []
    await shop.owned("PATCH", "", {"address": {"country": "CL", "city": "Arica"}})


async def test_a_repeat_is_answered_though_the_member_has_gone(town: Town) -> None:
    shop, client = await town.a_shop(), town.somebody()
    beto = await shop.employs("Beto")
    turno = await shop.booked(MONDAY_TEN, client, staff_id=shop.ana)
    move = {"starts_at": "2027-06-14T14:00Z", "staff_id": beto}
    closed: Json = {"date": "2027-06-15", "hours": [], "staff_id": beto}

    async def both() -> list[httpx.Response]:
        return [
            await town.act(turno, "reschedule", client, move, key="m"),
            await town.post(f"businesses/{shop.id}/overrides", closed, shop.owner, key="o"),
        ]

    first = await both()
    assert [answer.status_code for answer in first] == [200, 201]
    await shop.owned("DELETE", f"/staff/{beto}?on_conflict=keep")
    for answer, again in zip(first, await both(), strict=True):
        assert (again.status_code, again.json()) == (answer.status_code, answer.json())
        assert again.headers["Idempotent-Replayed"] == "true"
