"""Ratings: by who was there, one each, and the counts are always those of a recount."""

import asyncio
from random import Random
from typing import Any
from uuid import UUID

import pytest

from tests.business.street import ADMIN, Street
from turnosya.contracts.business import GetHeld
from turnosya.contracts.users import PersonErased
from turnosya.runtime.ids import new_id
from turnosya.services.business import erasure

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def rated(street: Street, shop: str) -> dict[str, Any]:
    shown = await street.got("GET", shop)
    return {**shown["rating"], "distribution": shown["rating_distribution"]}


def was_there(street: Street, shop: str, *people: UUID) -> None:
    for person in people:
        street.turnos.visited[person, UUID(shop[1:])] = 1


async def test_only_who_was_there_rates_once_and_may_change_it(street: Street) -> None:
    shop = await street.a_shop()
    assert await rated(street, shop) == {
        "average": None,
        "count": 0,
        "distribution": {"1": 0, "2": 0, "3": 0, "4": 0, "5": 0},
    }
    good = {"stars": 5, "comment": "Excelente"}
    path = f"{shop}/rating"
    await street.refused("PUT", path, good, by=street.beto, status=403, code="rating_requires_visit")
    await street.refused("PUT", path, good, status=401, code="token_missing")
    was_there(street, shop, street.beto, street.ana)
    await street.refused("PUT", path, good, by=street.ana, status=403, code="forbidden")
    first = await street.got("PUT", path, good, by=street.beto)
    assert (first["stars"], first["comment"], first["reply"]) == (5, "Excelente", None)
    again = await street.got("PUT", path, {"stars": 2}, by=street.beto)
    assert (again["id"], again["stars"], again["comment"]) == (first["id"], 2, None)
    found = await rated(street, shop)
    assert (found["average"], found["count"], found["distribution"]["2"]) == (2.0, 1, 1)
    [listed] = (await street.got("GET", f"{shop}/ratings"))["items"]
    assert listed["id"] == first["id"]
    await street.got("DELETE", path, by=street.beto, status=204)
    assert (await rated(street, shop))["count"] == 0


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"stars": 0},
        {"stars": 6},
        {"stars": "5"},
        {"stars": 4.5},
        {"stars": 5, "comment": ""},
        {"stars": 5, "x": 1},
    ],
    ids=range(7),
)
async def test_what_is_no_rating_is_refused(street: Street, body: object) -> None:
    shop = await street.a_shop()
    was_there(street, shop, street.beto)
    await street.refused("PUT", f"{shop}/rating", body, by=street.beto, status=422, code="validation_failed")


async def test_the_owner_replies_and_an_admin_takes_out(street: Street) -> None:
    shop = await street.a_shop()
    was_there(street, shop, street.beto)
    one = await street.got("PUT", f"{shop}/rating", {"stars": 1, "comment": "Feo"}, by=street.beto)
    path = f"{shop}/ratings/{one['id']}"
    await street.refused("PUT", f"{path}/reply", {"text": "x"}, by=street.beto, status=403, code="forbidden")
    assert (await street.got("PUT", f"{path}/reply", {"text": "Gracias"}, by=street.ana))[
        "reply"
    ] == "Gracias"
    await street.got("DELETE", f"{path}/reply", by=street.ana, status=204)
    await street.refused(
        "POST", f"{path}/removal", {"reason": "x"}, by=street.ana, status=403, code="forbidden"
    )
    headers = street.callers.headers(new_id(), admin=True)
    answer = await street.http.post(
        f"/v1/businesses{path}/removal", json={"reason": "insulto"}, headers=headers
    )
    assert answer.status_code == 204
    assert (await rated(street, shop))["count"] == 0
    assert (await street.got("GET", f"{shop}/ratings"))["items"] == []
    await street.refused("PUT", f"{shop}/rating", {"stars": 5}, by=street.beto, status=409, code="conflict")
    other = await street.a_shop(name="Otra")
    await street.refused(
        "PUT",
        f"{other}/ratings/{one['id']}/reply",
        {"text": "x"},
        by=street.ana,
        status=404,
        code="not_found",
    )


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_after_changes_at_once_the_counts_are_those_of_a_recount(street: Street, seed: int) -> None:
    shop, chance = await street.a_shop(), Random(seed)
    people = [street.beto, *[new_id() for _ in range(3)]]
    was_there(street, shop, *people)
    business_id = UUID(shop[1:])
    first = await street.got("PUT", f"{shop}/rating", {"stars": 1}, by=people[1])

    async def change() -> None:
        what, who = chance.random(), chance.choice(people)
        if what < 0.2:
            await street.got("DELETE", f"{shop}/rating", by=who, status=204)
        elif what < 0.3:
            path = f"{shop}/ratings/{first['id']}/removal"
            answer = await street.ask("POST", path, {"reason": "x"}, by=ADMIN)
            assert answer.status_code in {204, 404}
        else:
            await street.ask("PUT", f"{shop}/rating", {"stars": chance.randint(1, 5)}, by=who)

    await asyncio.gather(*(change() for _ in range(30)))
    async with street.business.db.read() as tx:
        rows = await tx.connection.exec_driver_sql(
            "SELECT stars, count(*) AS times FROM ratings WHERE business_id = $1 AND removed_at IS NULL"
            " GROUP BY stars",
            (business_id,),
        )
        counted = {str(row.stars): row.times for row in rows}
    found = await rated(street, shop)
    assert {stars: count for stars, count in found["distribution"].items() if count} == counted


async def test_a_reported_rating_waits_for_an_admin_who_lets_it_stand_or_takes_it_out(street: Street) -> None:
    shop = await street.a_shop()
    was_there(street, shop, street.beto)
    one = await street.got("PUT", f"{shop}/rating", {"stars": 1, "comment": "Feo"}, by=street.beto)
    path, why = f"{shop}/ratings/{one['id']}", {"reason": "Insulta"}
    await street.refused("POST", f"{path}/report", why, status=401, code="token_missing")
    await street.refused("POST", f"{path}/report", why, by=street.beto, status=403, code="forbidden")
    await street.refused("POST", f"{path}/report", {}, by=street.ana, status=422, code="validation_failed")
    other = await street.a_shop(name="Otra")
    elsewhere = f"{other}/ratings/{one['id']}"
    await street.refused("POST", f"{elsewhere}/report", why, by=street.ana, status=404, code="not_found")
    await street.refused("DELETE", f"{elsewhere}/reports", by=ADMIN, status=404, code="not_found")
    made = await asyncio.gather(
        *(street.got("POST", f"{path}/report", why, by=street.ana, status=201) for _ in range(3))
    )
    assert len({report["id"] for report in made}) == 1
    for by in (street.ana, street.beto):
        await street.refused("GET", "/rating-reports", by=by, status=403, code="forbidden")
        await street.refused("DELETE", f"{path}/reports", by=by, status=403, code="forbidden")

    async def waiting() -> list[Any]:
        found: list[Any] = (await street.got("GET", "/rating-reports", by=ADMIN))["items"]
        return found

    [report] = await waiting()
    assert (report["reason"], report["reporter_id"]) == ("Insulta", str(street.ana))
    assert (report["rating"]["id"], report["rating"]["comment"]) == (one["id"], "Feo")
    await street.got("DELETE", f"{path}/reports", by=ADMIN, status=204)
    assert await waiting() == []
    # Said again of the same words it stays settled; of others it is looked at again.
    await street.got("POST", f"{path}/report", why, by=street.ana, status=201)
    assert await waiting() == []
    await street.got("PUT", f"{shop}/rating", {"stars": 1, "comment": "Horrible"}, by=street.beto)
    await street.got("POST", f"{path}/report", why, by=street.ana, status=201)
    assert len(await waiting()) == 1
    await street.got("POST", f"{path}/removal", why, by=ADMIN, status=204)
    assert await waiting() == []
    assert (await rated(street, shop))["count"] == 0
    await street.refused("POST", f"{path}/report", why, by=street.ana, status=404, code="not_found")


async def test_a_rating_that_is_taken_back_takes_its_reports_with_it(street: Street) -> None:
    shop = await street.a_shop()
    was_there(street, shop, street.beto)
    one = await street.got("PUT", f"{shop}/rating", {"stars": 1}, by=street.beto)
    why = {"reason": "Falso"}
    await street.got("POST", f"{shop}/ratings/{one['id']}/report", why, by=street.ana, status=201)
    held = await street.stage.bus.call(GetHeld(user_id=street.ana))
    assert [said["reason"] for said in held.records["rating_reports"]] == ["Falso"]
    await street.got("DELETE", f"{shop}/rating", by=street.beto, status=204)
    assert (await street.got("GET", "/rating-reports", by=ADMIN))["items"] == []


async def test_an_erased_person_leaves_the_stars_and_no_words(street: Street) -> None:
    shop = await street.a_shop()
    was_there(street, shop, street.beto)
    await street.got("PUT", f"{shop}/rating", {"stars": 4, "comment": "Lindo"}, by=street.beto)
    await erasure.forget(street.business, PersonErased(user_id=street.beto, key="x"))
    [one] = (await street.got("GET", f"{shop}/ratings"))["items"]
    assert (one["stars"], one["comment"], one["author_name"]) == (4, None, None)
