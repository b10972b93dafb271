"""The services of a business: added, read, changed and taken away."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from tests.business.street import Street
from turnosya.runtime.ids import new_id

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_service_needs_a_name_and_a_duration(street: Street) -> None:
    shop = await street.a_shop()
    made = await street.a_service(shop)
    assert made.pop("created_at").endswith("-03:00")
    assert made == {
        "id": made["id"],
        "name": "Corte",
        "duration_minutes": 30,
        "price": None,
        "description": None,
        "buffer_before_minutes": 0,
        "buffer_after_minutes": 0,
        "capacity": 1,
        "staff_ids": None,
        "active": True,
    }


async def test_a_service_says_all_that_it_was_given(street: Street) -> None:
    shop = await street.a_shop()
    caro = await street.a_member(shop)
    body: dict[str, Any] = {
        "name": "Yoga 🧘",
        "duration_minutes": 90,
        "price": {"amount": 1500000, "currency": "ARS"},
        "description": "Traé tu colchoneta\nSala 2",
        "buffer_before_minutes": 10,
        "buffer_after_minutes": 5,
        "capacity": 12,
        "staff_ids": [caro["id"]],
        "active": False,
    }
    made = await street.a_service(shop, **body)
    assert made == body | {"id": made["id"], "created_at": made["created_at"]}
    assert await street.got("GET", f"{shop}/services/{made['id']}") == made
    assert (await street.got("GET", f"{shop}/services"))["items"] == [made]


async def test_what_is_sent_as_null_is_as_if_it_was_not_sent(street: Street) -> None:
    shop = await street.a_shop()
    unset = ("price", "description", "buffer_before_minutes", "capacity", "staff_ids", "active")
    made = await street.a_service(shop, **dict.fromkeys(unset))
    assert (made["capacity"], made["active"], made["buffer_before_minutes"]) == (1, True, 0)


async def test_absent_is_kept_and_null_is_cleared(street: Street) -> None:
    shop = await street.a_shop()
    caro = await street.a_member(shop)
    price = {"amount": 0, "currency": "CLP"}
    before = await street.a_service(shop, price=price, staff_ids=[caro["id"]], capacity=4, description="x")
    path = f"{shop}/services/{before['id']}"
    after = await street.got("PATCH", path, {"duration_minutes": 45}, by=street.ana)
    assert after == before | {"duration_minutes": 45}
    cleared = {"price": None, "staff_ids": None, "capacity": None, "description": None}
    after = await street.got("PATCH", path, cleared, by=street.ana)
    assert after == before | {"duration_minutes": 45} | cleared | {"capacity": 1}
    assert await street.got("GET", path) == after


@pytest.mark.parametrize("field", ["name", "duration_minutes"])
async def test_what_must_be_there_cannot_be_cleared(street: Street, field: str) -> None:
    shop = await street.a_shop()
    path = f"{shop}/services/{(await street.a_service(shop))['id']}"
    problem = await street.refused(
        "PATCH", path, {field: None}, by=street.ana, status=422, code="validation_failed"
    )
    assert [error["field"] for error in problem["errors"]] == [field]


async def test_a_member_of_another_business_is_refused_by_their_place(street: Street) -> None:
    shop, other = await street.a_shop(), await street.a_shop(name="Otro")
    owner, stranger = await street.the_owner(shop), await street.the_owner(other)
    gone = await street.a_member(shop)
    await street.got("DELETE", f"{shop}/staff/{gone['id']}", by=street.ana, status=204)
    service = await street.a_service(shop)
    for stray in (stranger["id"], gone["id"], str(new_id())):
        body = {"name": "Color", "duration_minutes": 60, "staff_ids": [owner["id"], stray]}
        for method, path in (("POST", f"{shop}/services"), ("PATCH", f"{shop}/services/{service['id']}")):
            problem = await street.refused(
                method, path, body, by=street.ana, status=422, code="validation_failed"
            )
            assert [error["field"] for error in problem["errors"]] == ["staff_ids.1"]


async def test_a_member_named_twice_is_one(street: Street) -> None:
    shop = await street.a_shop()
    owner = await street.the_owner(shop)
    assert (await street.a_service(shop, staff_ids=[owner["id"]] * 2))["staff_ids"] == [owner["id"]]


async def test_services_are_listed_page_by_page_without_those_that_are_gone(street: Street) -> None:
    shop = await street.a_shop()
    made = [await street.a_service(shop, name=f"Corte {number}") for number in range(4)]
    await street.got("DELETE", f"{shop}/services/{made[1]['id']}", by=street.ana, status=204)
    other = await street.a_shop(name="Otro")
    await street.a_service(other)
    first = await street.got("GET", f"{shop}/services?limit=2")
    last = await street.got("GET", f"{shop}/services?limit=2&cursor={first['next_cursor']}")
    assert first["items"] + last["items"] == [made[0], made[2], made[3]]
    assert last["next_cursor"] is None


async def test_a_service_that_is_gone_is_not_found(street: Street) -> None:
    shop = await street.a_shop()
    path = f"{shop}/services/{(await street.a_service(shop))['id']}"
    assert (await street.ask("DELETE", path, by=street.ana)).status_code == 204
    await street.refused("GET", path, status=404, code="not_found")
    await street.refused("PATCH", path, {"name": "x"}, by=street.ana, status=404, code="not_found")
    await street.refused("DELETE", path, by=street.ana, status=404, code="not_found")


@pytest.mark.parametrize("service_id", ["0190a1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b", "none", "%00", "-1"])
async def test_what_is_no_service_is_not_found(street: Street, service_id: str) -> None:
    path = f"{await street.a_shop()}/services/{service_id}"
    await street.refused("GET", path, status=404, code="not_found")
    await street.refused("PATCH", path, {}, by=street.ana, status=404, code="not_found")
    await street.refused("DELETE", path, by=street.ana, status=404, code="not_found")


async def test_a_service_is_not_found_under_another_business(street: Street) -> None:
    shop, other = await street.a_shop(), await street.a_shop(name="Otro")
    service = await street.a_service(shop)
    path = f"{other}/services/{service['id']}"
    await street.refused("GET", path, status=404, code="not_found")
    await street.refused("PATCH", path, {"name": "x"}, by=street.ana, status=404, code="not_found")
    await street.refused("DELETE", path, by=street.ana, status=404, code="not_found")


async def test_only_the_owner_changes_what_is_offered(street: Street) -> None:
    shop = await street.a_shop()
    await street.a_member(shop, user_id=str(street.beto))
    service = await street.a_service(shop)
    rows = await street.rows()
    body = {"name": "Color", "duration_minutes": 60}
    calls = (
        ("POST", f"{shop}/services", body),
        ("PATCH", f"{shop}/services/{service['id']}", body),
        ("DELETE", f"{shop}/services/{service['id']}", None),
    )
    for method, path, sent in calls:
        # Beto works there with an account: he reads the agenda, he does not run the business.
        await street.refused(method, path, sent, by=street.beto, status=403, code="forbidden")
        await street.refused(method, path, sent, status=401, code="token_missing")
    nowhere = f"/{new_id()}/services"
    await street.refused("POST", nowhere, body, by=street.ana, status=404, code="not_found")
    assert await street.rows() == rows


async def test_one_key_adds_one_service(street: Street) -> None:
    shop = await street.a_shop()
    body = {"name": "Corte", "duration_minutes": 30}
    answers = await asyncio.gather(
        *(street.ask("POST", f"{shop}/services", body, by=street.ana, key="one") for _ in range(10))
    )
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert sum(answer.headers.get("Idempotent-Replayed") == "true" for answer in answers) == 9
    assert len((await street.got("GET", f"{shop}/services"))["items"]) == 1


async def test_a_business_offers_five_hundred_services_at_most(street: Street) -> None:
    shop = await street.a_shop()
    async with street.business.db.transaction() as tx:
        await tx.connection.exec_driver_sql(
            "INSERT INTO services (id, business_id, name, duration_minutes, buffer_before_minutes,"
            " buffer_after_minutes, capacity, active, created_at, deleted)"
            " SELECT gen_random_uuid(), $1, 'x', 30, 0, 0, 1, true, now(), false"
            " FROM generate_series(1, 499)",
            (UUID(shop[1:]),),
        )
    await street.a_service(shop)
    body = {"name": "Una más", "duration_minutes": 30}
    await street.refused("POST", f"{shop}/services", body, by=street.ana, status=409, code="conflict")


async def test_turnos_learns_of_every_service(street: Street) -> None:
    shop = await street.a_shop()
    made = await street.a_service(shop, price={"amount": 5, "currency": "ARS"}, capacity=3)
    [known] = (await street.turnos_knows(shop[1:], version=2)).services
    assert (known.id, known.name, known.capacity, known.active) == (UUID(made["id"]), "Corte", 3, True)
    assert known.price is not None
    assert (known.price.amount, known.price.currency) == (5, "ARS")
    await street.got("PATCH", f"{shop}/services/{made['id']}", {"price": None}, by=street.ana)
    [known] = (await street.turnos_knows(shop[1:], version=3)).services
    assert known.price is None
