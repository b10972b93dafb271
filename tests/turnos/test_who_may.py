"""Who may see and do what: a stranger's answer is 404, a known person's 403, nobody's 401."""

from typing import Any

import pytest

from tests.turnos.town import NOBODY, Town, refusal, weekly

pytestmark = pytest.mark.asyncio(loop_scope="module")
MONDAY_TEN = "2027-06-14T13:00Z"
ACTIONS = ("cancel", "confirm", "complete", "no-show", "reschedule")


async def test_a_stranger_finds_nothing(town: Town) -> None:
    shop, stranger, other = await town.a_shop(), town.somebody(), await town.a_shop()
    turno = await shop.booked(MONDAY_TEN)
    for who in (stranger, other.owner):
        read = await town.http.get(f"/v1/turnos/appointments/{turno['id']}", headers=who.headers)
        assert read.status_code == 404
        for action in ACTIONS:
            body = {"starts_at": MONDAY_TEN} if action == "reschedule" else None
            assert refusal(await town.act(turno, action, who, body)) == "404 not_found", action
        listed = await town.http.get(
            "/v1/turnos/appointments",
            params={"as": "business", "business_id": shop.id},
            headers=who.headers,
        )
        assert listed.status_code == 404
    assert (await town.read(turno, shop.owner))["status"] == "confirmed"


async def test_a_client_may_not_do_what_the_business_does(town: Town) -> None:
    shop, client = await town.a_shop(), town.somebody()
    turno = await shop.booked(MONDAY_TEN, client)
    town.set_clock("2027-06-14T13:00Z")
    for action in ("confirm", "complete", "no-show"):
        assert refusal(await town.act(turno, action, client)) == "403 forbidden"


async def test_only_the_owner_changes_hours(town: Town) -> None:
    shop, beto, stranger = await town.a_shop(), town.somebody(), town.somebody()
    await shop.owned("POST", "/staff", {"name": "Beto", "user_id": str(beto.id)})
    made = (await shop.override("2027-06-18")).json()
    for who in (beto, stranger):
        calls = [
            town.http.put(f"{shop.path}/schedule", json={"weekly": []}, headers=who.headers),
            town.http.post(
                f"{shop.path}/overrides", json={"date": "2027-06-18", "hours": []}, headers=who.headers
            ),
            town.http.delete(f"{shop.path}/overrides/{made['id']}", headers=who.headers),
        ]
        for call in calls:
            assert refusal(await call) == "403 forbidden"


async def test_only_the_business_sets_turnos_and_a_member_who_left_does_not(town: Town) -> None:
    shop, beto, stranger = await town.a_shop(), town.somebody(), town.somebody()
    member = await shop.owned("POST", "/staff", {"name": "Beto", "user_id": str(beto.id)})
    body = {"service_id": shop.cut, "starts_at": MONDAY_TEN, "client": {"name": "Dora"}}
    path = f"businesses/{shop.id}/appointments"
    assert refusal(await town.post(path, body, stranger)) == "403 forbidden"
    assert (await town.post(path, body, beto)).status_code == 201
    await shop.owned("PATCH", f"/staff/{member['id']}", {"active": False, "on_conflict": "keep"})
    assert refusal(await town.post(path, body, beto)) == "403 forbidden"


async def test_without_a_token_only_what_is_public(town: Town) -> None:
    shop = await town.a_shop()
    turno = await shop.booked(MONDAY_TEN)
    for method, path in (
        ("GET", "appointments"),
        ("GET", f"appointments/{turno['id']}"),
        ("POST", "appointments"),
        ("POST", "holds"),
        ("DELETE", f"holds/{turno['id']}"),
        ("PUT", f"businesses/{shop.id}/schedule"),
        ("POST", f"businesses/{shop.id}/overrides"),
        ("POST", f"businesses/{shop.id}/appointments"),
        *(("POST", f"appointments/{turno['id']}/{action}") for action in ACTIONS),
    ):
        answer = await town.http.request(method, f"/v1/turnos/{path}", json={})
        assert refusal(answer) == "401 token_missing", (method, path)
    for path in ("schedule", "overrides"):
        assert (await town.http.get(f"{shop.path}/{path}")).status_code == 200
        bad = await town.http.get(f"{shop.path}/{path}", headers={"Authorization": "Bearer x"})
        assert refusal(bad) == "401 token_invalid"
    query = {"service_id": shop.cut, "from": "2027-06-14", "to": "2027-06-14"}
    bad = await town.http.get(f"{shop.path}/slots", params=query, headers={"Authorization": "Bearer x"})
    assert refusal(bad) == "401 token_invalid"


async def test_another_business_s_service_member_and_override_are_not_this_one_s(town: Town) -> None:
    shop, other = await town.a_shop(), await town.a_shop(weekly("1", "09:00-10:00"))
    foreign = (await other.override("2027-06-18")).json()
    gone = await town.http.delete(f"{shop.path}/overrides/{foreign['id']}", headers=shop.owner.headers)
    assert gone.status_code == 404
    wrong: Any
    for field, value in (("service_id", other.cut), ("staff_id", other.ana), ("staff_id", str(NOBODY))):
        wrong = {field: value}
        for answer in (
            await shop.book(MONDAY_TEN, **wrong),
            await shop.hold(MONDAY_TEN, town.somebody(), **wrong),
            await shop.sets(MONDAY_TEN, **wrong),
        ):
            assert (refusal(answer), answer.json()["errors"][0]["field"]) == ("422 validation_failed", field)
    turno = await shop.booked(MONDAY_TEN)
    moved = await town.move(turno, shop.owner, "2027-06-14T14:00Z", staff_id=other.ana)
    assert refusal(moved) == "422 validation_failed"
    query = {"service_id": other.cut, "from": "2027-06-14", "to": "2027-06-14"}
    assert (await town.http.get(f"{shop.path}/slots", params=query)).status_code == 422
