"""An admin takes a business off: it is nowhere to be seen, its owner is told why, and it may come back."""

from typing import Any
from uuid import UUID

import pytest

from tests.business.street import ADMIN, Street
from turnosya.contracts.business import GetBusiness
from turnosya.contracts.turnos import ApplyBusiness

pytestmark = pytest.mark.asyncio(loop_scope="module")

WHY = {"reason": "Denuncias de clientes"}


async def is_found(street: Street) -> bool:
    return bool((await street.got("GET", "?q=barberia"))["items"])


async def test_it_is_nowhere_to_be_seen_but_by_its_owner_and_admins(street: Street) -> None:
    shop = await street.a_shop()
    service = await street.a_service(shop)
    member = await street.the_owner(shop)
    paths = [
        shop,
        f"{shop}/services",
        f"{shop}/services/{service['id']}",
        f"{shop}/staff",
        f"{shop}/staff/{member['id']}",
        f"{shop}/ratings",
    ]
    assert await is_found(street)
    shown = await street.got("POST", f"{shop}/suspension", WHY, by=ADMIN)
    assert shown["suspension"]["reason"] == WHY["reason"]
    assert not await is_found(street)
    for path in paths:
        await street.refused("GET", path, status=404, code="not_found")
        await street.refused("GET", path, by=street.beto, status=404, code="not_found")
        await street.got("GET", path, by=street.ana)
        await street.got("GET", path, by=ADMIN)
    [mine] = (await street.got("GET", "/mine", by=street.ana))["items"]
    assert mine["suspension"] == shown["suspension"]
    await street.got("DELETE", f"{shop}/suspension", by=ADMIN, status=204)
    assert await is_found(street)
    for path in paths:
        await street.got("GET", path)
    assert (await street.got("GET", shop))["suspension"] is None


async def test_others_are_told_and_the_owner_goes_on_changing_it(street: Street) -> None:
    shop = await street.a_shop()
    await street.got("POST", f"{shop}/suspension", WHY, by=ADMIN)
    assert (await street.turnos_knows(shop[1:], version=2)).suspended
    assert (await street.got("PATCH", shop, {"name": "Otro"}, by=street.ana))["name"] == "Otro"
    # What one may not see is not there, whatever one wants of it.
    await street.refused("PATCH", shop, {"name": "Mío"}, by=street.beto, status=404, code="not_found")
    new = {"name": "Corte", "duration_minutes": 30}
    await street.refused("POST", f"{shop}/services", new, by=street.beto, status=404, code="not_found")
    street.turnos.visited[street.beto, UUID(shop[1:])] = 1
    await street.refused("PUT", f"{shop}/rating", {"stars": 5}, by=street.beto, status=404, code="not_found")
    await street.got("DELETE", f"{shop}/suspension", by=ADMIN, status=204)
    known = await street.turnos_knows(shop[1:], version=4)
    assert (known.suspended, known.name) == (False, "Otro")


async def test_once_more_changes_the_reason_alone_and_lifting_twice_nothing(street: Street) -> None:
    shop = await street.a_shop()
    first = (await street.got("POST", f"{shop}/suspension", WHY, by=ADMIN))["suspension"]
    again = await street.got("POST", f"{shop}/suspension", WHY, by=ADMIN)
    assert (again["suspension"], await street.version(shop)) == (first, 2)
    other = (await street.got("POST", f"{shop}/suspension", {"reason": "Otra"}, by=ADMIN))["suspension"]
    assert (other["at"], other["reason"]) == (first["at"], "Otra")
    for _ in range(2):
        await street.got("DELETE", f"{shop}/suspension", by=ADMIN, status=204)
    assert await street.version(shop) == 4


async def test_turnos_that_it_would_strand_are_decided_on(street: Street) -> None:
    shop = await street.a_shop()
    member, service = await street.the_owner(shop), await street.a_service(shop)
    turno = street.turnos.a_turno(UUID(shop[1:]), service_id=UUID(service["id"]), staff_id=UUID(member["id"]))
    path = f"{shop}/suspension"
    problem = await street.refused("POST", path, WHY, by=ADMIN, status=409, code="needs_decision")
    assert problem["appointments"] == [turno.model_dump(mode="json")]
    assert not (await street.stage.bus.call(GetBusiness(business_id=UUID(shop[1:])))).suspended
    await street.got("POST", path, WHY | {"on_conflict": "cancel"}, by=ADMIN)
    assert [one.on_conflict for one in street.turnos.asked] == [None, "cancel"]


async def test_with_turnos_away_nothing_is_suspended(street: Street) -> None:
    shop = await street.a_shop()
    bring_back = street.take_away(ApplyBusiness)
    await street.refused("POST", f"{shop}/suspension", WHY, by=ADMIN, status=503, code="service_unavailable")
    bring_back()
    assert (await street.got("GET", shop))["suspension"] is None


async def test_only_admins_may(street: Street) -> None:
    shop = await street.a_shop()
    path = f"{shop}/suspension"
    for method, body in (("POST", WHY), ("DELETE", None)):
        await street.refused(method, path, body, status=401, code="token_missing")
        await street.refused(method, path, body, by=street.ana, status=403, code="forbidden")
        missing = "/01900000-0000-7000-8000-000000000000/suspension"
        await street.refused(method, missing, body, by=ADMIN, status=404, code="not_found")


@pytest.mark.parametrize(
    "body",
    [{}, {"reason": ""}, {"reason": "x", "on_conflict": "ignore"}, {"reason": "x", "y": 1}],
    ids=range(4),
)
async def test_what_is_no_suspension_is_refused(street: Street, body: Any) -> None:  # noqa: ANN401 - any JSON
    shop = await street.a_shop()
    await street.refused("POST", f"{shop}/suspension", body, by=ADMIN, status=422, code="validation_failed")
