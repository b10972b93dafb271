"""Admins and blocked people: who says so, and that auth learns of it."""

from uuid import UUID

import pytest

from tests.stage import until
from tests.users.town import OTHER_PHONE, PHONE, Town
from turnosya.contracts.users import GetBlocked, GetPeople, KeepBlocked, RolesChanged
from turnosya.runtime.http import ACCESS_ENDED
from turnosya.runtime.ids import new_id
from turnosya.runtime.messages import NotFound
from turnosya.services.users import admin

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def roles_in_auth(town: Town, user_id: UUID, expected: list[str]) -> None:
    async def look() -> list[str] | None:
        return town.auth.roles.get(user_id)

    await until(look, lambda roles: roles == expected)


async def test_an_admin_makes_another_and_takes_it_back(town: Town) -> None:
    ana, beto = await town.a_person(), await town.a_person(OTHER_PHONE)
    headers = town.callers.headers(ana, admin=True)
    for roles in (["admin"], []):
        answer = await town.http.put(f"/v1/users/{beto}/roles", json={"roles": roles}, headers=headers)
        assert (answer.status_code, answer.json()["roles"]) == (200, roles)
        assert str(beto) in answer.headers[ACCESS_ENDED]
        assert town.auth.roles[beto] == roles


async def test_the_same_roles_end_nothing(town: Town) -> None:
    ana = await town.a_person()
    answer = await town.http.put(
        f"/v1/users/{ana}/roles", json={"roles": []}, headers=town.callers.headers(ana, admin=True)
    )
    assert answer.status_code == 200
    assert ACCESS_ENDED not in answer.headers


@pytest.mark.parametrize(
    ("is_admin", "body", "status"),
    [
        (False, {"roles": ["admin"]}, 403),
        (True, {"roles": ["owner"]}, 422),
        (True, {}, 422),
        (True, {"roles": "admin"}, 422),
    ],
)
async def test_roles_are_given_by_admins_and_known(
    town: Town, body: dict[str, object], status: int, *, is_admin: bool
) -> None:
    ana = await town.a_person()
    headers = town.callers.headers(ana, admin=is_admin)
    answer = await town.http.put(f"/v1/users/{ana}/roles", json=body, headers=headers)
    assert answer.status_code == status
    assert town.auth.roles == {}


async def test_roles_of_nobody_are_not_found(town: Town) -> None:
    headers = town.callers.headers(await town.a_person(), admin=True)
    answer = await town.http.put(f"/v1/users/{new_id()}/roles", json={"roles": []}, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_the_command_line_grants_beside_a_running_service(town: Town) -> None:
    ana = await town.a_person()
    await admin.grant(town.users.db, "011 15-2233-4455")
    await roles_in_auth(town, ana, ["admin"])
    await admin.revoke(town.users.db, PHONE)
    await roles_in_auth(town, ana, [])
    with pytest.raises(NotFound):
        await admin.grant(town.users.db, OTHER_PHONE)
    with pytest.raises(ValueError, match="phone"):
        await admin.grant(town.users.db, "nobody")


async def test_a_grant_that_arrives_late_does_not_undo_a_revocation(town: Town) -> None:
    ana = await town.a_person()
    await admin.grant(town.users.db, PHONE)
    await roles_in_auth(town, ana, ["admin"])
    await admin.revoke(town.users.db, PHONE)
    await roles_in_auth(town, ana, [])
    await town.stage.tell(RolesChanged(user_id=ana, roles=["admin"], key="late"))

    async def heard() -> bool:
        return "late:" in town.auth.keys

    assert await until(heard, bool)
    assert town.auth.roles[ana] == []


async def test_blocked_people_are_kept_with_the_reason(town: Town) -> None:
    ana = await town.a_person()
    bus = town.stage.bus
    for _ in range(2):
        await bus.call(KeepBlocked(user_id=ana, blocked=True, reason="spam", by=new_id(), key="one"))
    assert [(one.user_id, one.reason) for one in (await bus.call(GetBlocked())).items] == [(ana, "spam")]
    assert (await bus.call(GetPeople(ids=[ana]))).people[0].blocked
    await bus.call(KeepBlocked(user_id=ana, blocked=False, by=new_id(), key="two"))
    assert (await bus.call(GetBlocked())).items == []
    with pytest.raises(NotFound):
        await bus.call(KeepBlocked(user_id=new_id(), blocked=True, by=new_id(), key="three"))
