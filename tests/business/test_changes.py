"""Changes that could strand turnos are asked of turnos first (R11); nothing is lost between two of them."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from tests.business.street import Street
from tests.stage import until
from turnosya.contracts.business import GetBusiness
from turnosya.contracts.turnos import AffectedAppointment, ApplyBusiness

pytestmark = pytest.mark.asyncio(loop_scope="module")

ELSEWHERE = "America/Montevideo"


class Booked:
    """A shop where Caro has a turno to come, and the calls that would strand it."""

    def __init__(self, street: Street, shop: str, service: Any, member: Any) -> None:  # noqa: ANN401 - any JSON
        self.shop, self.street = shop, street
        self.service_path = f"{shop}/services/{service['id']}"
        self.member_path = f"{shop}/staff/{member['id']}"
        self.turno: AffectedAppointment = street.turnos.a_turno(
            UUID(shop[1:]), service_id=UUID(service["id"]), staff_id=UUID(member["id"])
        )

    @property
    def stranding(self) -> list[tuple[str, str, dict[str, Any] | None]]:
        """Each kind of change that would leave the turno without a place."""
        return [
            ("PATCH", self.shop, {"timezone": ELSEWHERE}),
            ("PATCH", self.member_path, {"active": False}),
            ("DELETE", self.member_path, None),
            ("DELETE", self.service_path, None),
        ]


async def a_booked_shop(street: Street) -> Booked:
    shop = await street.a_shop()
    member = await street.a_member(shop)
    service = await street.a_service(shop, staff_ids=[member["id"]])
    await street.turnos_knows(shop[1:], version=3)
    return Booked(street, shop, service, member)


@pytest.mark.parametrize("kind", range(4))
async def test_a_change_that_strands_a_turno_is_refused_with_it(street: Street, kind: int) -> None:
    booked = await a_booked_shop(street)
    method, path, body = booked.stranding[kind]
    before = await street.stage.bus.call(GetBusiness(business_id=UUID(booked.shop[1:])))
    problem = await street.refused(method, path, body, by=street.ana, status=409, code="needs_decision")
    assert problem["appointments"] == [booked.turno.model_dump(mode="json")]
    assert await street.stage.bus.call(GetBusiness(business_id=UUID(booked.shop[1:]))) == before


@pytest.mark.parametrize("kind", range(4))
@pytest.mark.parametrize("decision", ["keep", "cancel", "propose"])
async def test_with_a_decision_it_is_made(street: Street, kind: int, decision: str) -> None:
    booked = await a_booked_shop(street)
    method, path, body = booked.stranding[kind]
    if body is None:
        assert (await street.ask(method, f"{path}?on_conflict={decision}", by=street.ana)).status_code == 204
    else:
        changed = await street.got(method, path, body | {"on_conflict": decision}, by=street.ana)
        assert {name: changed[name] for name in body} == body
        assert "on_conflict" not in changed
    [asked] = street.turnos.asked
    assert (asked.on_conflict, asked.actor_id, asked.business.version) == (decision, street.ana, 4)
    known = await street.stage.bus.call(GetBusiness(business_id=UUID(booked.shop[1:])))
    assert known == asked.business


async def test_a_decision_that_is_none_is_refused(street: Street) -> None:
    booked = await a_booked_shop(street)
    for method, path, body in booked.stranding:
        wrong = None if body is None else body | {"on_conflict": "ignore"}
        query = "?on_conflict=ignore" if body is None else ""
        problem = await street.refused(
            method, f"{path}{query}", wrong, by=street.ana, status=422, code="validation_failed"
        )
        assert [error["field"] for error in problem["errors"]] == ["on_conflict"]
    assert street.turnos.asked == []


async def test_what_strands_nobody_is_not_asked(street: Street) -> None:
    booked = await a_booked_shop(street)
    bring_back = street.take_away(ApplyBusiness)
    sold = {"price": {"amount": 1, "currency": "ARS"}, "duration_minutes": 5, "buffer_after_minutes": 9}
    await street.got("PATCH", booked.service_path, sold | {"capacity": 2, "name": "x"}, by=street.ana)
    await street.got("PATCH", booked.member_path, {"name": "Carolina", "active": True}, by=street.ana)
    await street.got("PATCH", booked.shop, {"name": "x", "category": "y"}, by=street.ana)
    await street.a_service(booked.shop)
    await street.a_member(booked.shop)
    bring_back()
    assert await street.version(booked.shop) == 8


@pytest.mark.parametrize("kind", range(5))
async def test_with_turnos_away_what_could_strand_waits(street: Street, kind: int) -> None:
    booked = await a_booked_shop(street)
    method, path, body = [*booked.stranding, ("DELETE", booked.shop, None)][kind]
    before = await street.stage.bus.call(GetBusiness(business_id=UUID(booked.shop[1:])))
    bring_back = street.take_away(ApplyBusiness)
    answer = await street.ask(method, path, body, by=street.ana)
    bring_back()
    assert (answer.status_code, answer.json()["code"]) == (503, "service_unavailable")
    assert int(answer.headers["Retry-After"]) > 0
    assert await street.stage.bus.call(GetBusiness(business_id=UUID(booked.shop[1:]))) == before


async def test_two_changes_at_once_lose_nothing(street: Street) -> None:
    shop = await street.a_shop()
    fields = {
        "name": "Otro",
        "category": "Taller",
        "description": "x",
        "website": "https://a.ar",
        "phone": None,
    }
    answers = await asyncio.gather(
        *(street.ask("PATCH", shop, {name: value}, by=street.ana) for name, value in fields.items())
    )
    assert {answer.status_code for answer in answers} == {200}
    after = await street.got("GET", shop)
    assert {name: after[name] for name in fields} == fields


async def test_a_change_made_while_turnos_was_asked_is_kept(street: Street) -> None:
    """The zone is asked of turnos; meanwhile the name changes: both are there in the end."""
    shop = await street.a_shop()

    async def meanwhile() -> None:
        street.turnos.after_applying = nothing
        await street.got("PATCH", shop, {"name": "Meanwhile"}, by=street.ana)

    async def nothing() -> None:
        """Only the first time."""

    street.turnos.after_applying = meanwhile
    after = await street.got("PATCH", shop, {"timezone": ELSEWHERE}, by=street.ana)
    assert (after["name"], after["timezone"]) == ("Meanwhile", ELSEWHERE)
    first, second = street.turnos.asked
    assert (first.business.name, second.business.name) == ("Barbería Ñandú", "Meanwhile")
    assert second.business.version > first.business.version + 1
    assert await street.version(shop) == second.business.version


async def test_changes_that_need_turnos_all_come_to_be_when_made_at_once(street: Street) -> None:
    shop = await street.a_shop()
    members = [await street.a_member(shop, name=f"Caro {number}") for number in range(3)]
    answers = await asyncio.gather(
        *(street.ask("DELETE", f"{shop}/staff/{one['id']}", by=street.ana) for one in members),
        street.ask("PATCH", shop, {"name": "Otro"}, by=street.ana),
    )
    assert sorted(answer.status_code for answer in answers) == [200, 204, 204, 204]
    assert len((await street.got("GET", f"{shop}/staff"))["items"]) == 1
    assert (await street.got("GET", shop))["name"] == "Otro"


async def test_a_process_killed_after_turnos_agreed_leaves_the_business_as_it_was(street: Street) -> None:
    """What turnos took over is not what business knows: turnos sees that, and another copy goes on."""
    shop = await street.a_shop()
    agreed, never = asyncio.Event(), asyncio.Event()

    async def agreed_and_killed() -> None:
        agreed.set()
        await never.wait()

    street.turnos.after_applying = agreed_and_killed
    asking = asyncio.create_task(street.ask("PATCH", shop, {"timezone": ELSEWHERE}, by=street.ana))
    await agreed.wait()
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    street.turnos.forget()
    never.set()
    known = await street.stage.bus.call(GetBusiness(business_id=UUID(shop[1:])))
    assert (known.version, known.timezone) == (1, "America/Argentina/Buenos_Aires")
    # The version that was asked about is never given to another change.
    async with street.another_copy() as copy:
        headers = street.callers.headers(street.ana)
        answer = await copy.patch(f"/v1/businesses{shop}", json={"name": "Otro"}, headers=headers)
    assert answer.json()["timezone"] == "America/Argentina/Buenos_Aires"
    assert await street.version(shop) == 3


async def test_every_change_is_told_with_a_higher_version(street: Street) -> None:
    shop = await street.a_shop()
    service, member = await street.a_service(shop), await street.a_member(shop)
    await street.got("PATCH", shop, {"name": "Otro"}, by=street.ana)
    await street.got("PATCH", shop, {"name": "Otro"}, by=street.ana)
    await street.got("PATCH", shop, {"timezone": ELSEWHERE}, by=street.ana)
    await street.got("DELETE", f"{shop}/services/{service['id']}", by=street.ana, status=204)
    await street.got("PATCH", f"{shop}/staff/{member['id']}", {"name": "Carolina"}, by=street.ana)
    await street.got("DELETE", shop, by=street.ana, status=204)

    async def told() -> list[int]:
        return [one.version for one in street.turnos.told if str(one.id) == shop[1:]]

    # The name that it had already was no change.
    assert await until(told, lambda versions: len(versions) == 8) == list(range(1, 9))
    last = street.turnos.told[-1]
    assert (last.deleted, last.name, last.timezone) == (True, "Otro", ELSEWHERE)
    assert [one.name for one in last.staff] == ["Ana", "Carolina"]


async def test_a_refused_change_is_not_told(street: Street) -> None:
    booked = await a_booked_shop(street)
    await street.refused("DELETE", booked.shop, by=street.ana, status=409, code="business_has_appointments")
    await street.refused("PATCH", booked.shop, {"name": "x"}, by=street.beto, status=403, code="forbidden")
    await street.got("PATCH", booked.shop, {"name": "Otro"}, by=street.ana)
    known = await street.turnos_knows(booked.shop[1:], version=4)
    assert known.name == "Otro"
    assert all(not one.deleted for one in street.turnos.told)
