"""Who works in a business: added, read, changed and taken away."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from tests.business.street import Street
from turnosya.runtime.ids import new_id

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_member_needs_only_a_name(street: Street) -> None:
    shop = await street.a_shop()
    made = await street.a_member(shop, name="כרו 💇")
    assert made["created_at"].endswith("-03:00")
    assert made == {
        "id": made["id"],
        "name": "כרו 💇",
        "user_id": None,
        "active": True,
        "created_at": made["created_at"],
    }
    assert await street.got("GET", f"{shop}/staff/{made['id']}") == made
    assert (await street.got("GET", f"{shop}/staff"))["items"][1:] == [made]


async def test_a_member_may_have_an_account(street: Street) -> None:
    shop = await street.a_shop()
    made = await street.a_member(shop, user_id=str(street.beto), active=False)
    assert (made["user_id"], made["active"]) == (str(street.beto), False)
    [_, known] = (await street.turnos_knows(shop[1:], version=2)).staff
    assert (known.user_id, known.active) == (street.beto, False)


@pytest.mark.parametrize("method", ["POST", "PATCH"])
async def test_an_account_that_is_none_is_refused(street: Street, method: str) -> None:
    shop = await street.a_shop()
    path = f"{shop}/staff" if method == "POST" else f"{shop}/staff/{(await street.the_owner(shop))['id']}"
    body = {"name": "Caro", "user_id": str(new_id())}
    problem = await street.refused(method, path, body, by=street.ana, status=422, code="validation_failed")
    assert [error["field"] for error in problem["errors"]] == ["user_id"]


async def test_one_account_is_one_member(street: Street) -> None:
    shop, other = await street.a_shop(), await street.a_shop(name="Otro")
    body: dict[str, Any] = {"name": "Beto", "user_id": str(street.beto)}
    first = await street.a_member(shop, **body)
    caro = await street.a_member(shop)
    await street.refused("POST", f"{shop}/staff", body, by=street.ana, status=409, code="conflict")
    await street.refused(
        "PATCH", f"{shop}/staff/{caro['id']}", body, by=street.ana, status=409, code="conflict"
    )
    await street.a_member(other, **body)
    await street.got("DELETE", f"{shop}/staff/{first['id']}", by=street.ana, status=204)
    assert (await street.a_member(shop, **body))["id"] != first["id"]


async def test_of_two_who_add_one_account_at_once_one_does(street: Street) -> None:
    shop = await street.a_shop()
    body = {"name": "Beto", "user_id": str(street.beto)}
    answers = await asyncio.gather(
        *(street.ask("POST", f"{shop}/staff", body, by=street.ana) for _ in range(8))
    )
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 7


async def test_absent_is_kept_and_null_is_cleared(street: Street) -> None:
    shop = await street.a_shop()
    before = await street.a_member(shop, user_id=str(street.beto))
    path = f"{shop}/staff/{before['id']}"
    assert await street.got("PATCH", path, {}, by=street.ana) == before
    after = await street.got("PATCH", path, {"name": "Norberto"}, by=street.ana)
    assert after == before | {"name": "Norberto"}
    after = await street.got("PATCH", path, {"user_id": None, "active": None}, by=street.ana)
    assert after == before | {"name": "Norberto", "user_id": None}
    problem = await street.refused(
        "PATCH", path, {"name": None}, by=street.ana, status=422, code="validation_failed"
    )
    assert [error["field"] for error in problem["errors"]] == ["name"]


async def test_a_member_who_left_is_gone_from_every_service(street: Street) -> None:
    shop = await street.a_shop()
    owner, caro = await street.the_owner(shop), await street.a_member(shop)
    both = await street.a_service(shop, staff_ids=[owner["id"], caro["id"]])
    hers = await street.a_service(shop, staff_ids=[caro["id"]])
    everybodys = await street.a_service(shop)
    path = f"{shop}/staff/{caro['id']}"
    assert (await street.ask("DELETE", path, by=street.ana)).status_code == 204
    for method, body in (("GET", None), ("PATCH", {"name": "x"}), ("DELETE", None)):
        await street.refused(method, path, body, by=street.ana, status=404, code="not_found")
    services = [
        (await street.got("GET", f"{shop}/services/{one['id']}"))["staff_ids"]
        for one in (both, hers, everybodys)
    ]
    # A service that only she did is nobody's now, not everybody's.
    assert services == [[owner["id"]], [], None]
    known = await street.turnos_knows(shop[1:], version=6)
    assert [str(one.id) for one in known.staff if one.deleted] == [caro["id"]]


@pytest.mark.parametrize("staff_id", ["0190a1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b", "none", "%00"])
async def test_what_is_no_member_is_not_found(street: Street, staff_id: str) -> None:
    path = f"{await street.a_shop()}/staff/{staff_id}"
    await street.refused("GET", path, status=404, code="not_found")
    await street.refused("PATCH", path, {}, by=street.ana, status=404, code="not_found")
    await street.refused("DELETE", path, by=street.ana, status=404, code="not_found")


async def test_a_member_is_not_found_under_another_business(street: Street) -> None:
    shop, other = await street.a_shop(), await street.a_shop(name="Otro")
    path = f"{other}/staff/{(await street.the_owner(shop))['id']}"
    await street.refused("GET", path, status=404, code="not_found")
    await street.refused("PATCH", path, {"name": "x"}, by=street.ana, status=404, code="not_found")
    await street.refused("DELETE", path, by=street.ana, status=404, code="not_found")


async def test_only_the_owner_says_who_works_there(street: Street) -> None:
    shop = await street.a_shop()
    beto = await street.a_member(shop, name="Beto", user_id=str(street.beto))
    rows = await street.rows()
    unknown = {"name": "Beto", "user_id": str(new_id())}
    calls = (
        ("POST", f"{shop}/staff", unknown),
        ("PATCH", f"{shop}/staff/{beto['id']}", unknown),
        ("DELETE", f"{shop}/staff/{beto['id']}", None),
    )
    for method, path, body in calls:
        await street.refused(method, path, body, by=street.beto, status=403, code="forbidden")
        await street.refused(method, path, body, status=401, code="token_missing")
        nowhere = path.replace(shop, f"/{new_id()}")
        await street.refused(method, nowhere, body, by=street.ana, status=404, code="not_found")
    assert await street.rows() == rows


async def test_one_key_adds_one_member(street: Street) -> None:
    shop = await street.a_shop()
    answers = await asyncio.gather(
        *(street.ask("POST", f"{shop}/staff", {"name": "Caro"}, by=street.ana, key="one") for _ in range(10))
    )
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert len((await street.got("GET", f"{shop}/staff"))["items"]) == 2


async def test_staff_are_listed_page_by_page(street: Street) -> None:
    shop = await street.a_shop()
    names = ["Ana", *[(await street.a_member(shop, name=f"Caro {number}"))["name"] for number in range(3)]]
    first = await street.got("GET", f"{shop}/staff?limit=3")
    last = await street.got("GET", f"{shop}/staff?limit=3&cursor={first['next_cursor']}")
    assert [one["name"] for one in first["items"] + last["items"]] == names
    assert last["next_cursor"] is None


async def test_a_business_has_two_hundred_members_at_most(street: Street) -> None:
    shop = await street.a_shop()
    async with street.business.db.transaction() as tx:
        await tx.connection.exec_driver_sql(
            "INSERT INTO staff (id, business_id, name, active, created_at, deleted)"
            " SELECT gen_random_uuid(), $1, 'x', true, now(), false FROM generate_series(1, 198)",
            (UUID(shop[1:]),),
        )
    await street.a_member(shop)
    await street.refused("POST", f"{shop}/staff", {"name": "x"}, by=street.ana, status=409, code="conflict")
