"""Lists of turnos: one's own or a business's, by start, page by page, and nobody else's ever."""

import pytest

from tests.turnos.town import NOBODY, Json, Someone, Town, weekly

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def listed(town: Town, by: Someone, **query: str) -> list[Json]:
    """All pages of a list."""
    found: list[Json] = []
    while True:
        answer = await town.http.get("/v1/turnos/appointments", params=query, headers=by.headers)
        assert answer.status_code == 200, answer.text
        found += answer.json()["items"]
        if answer.json()["next_cursor"] is None:
            return found
        query["cursor"] = answer.json()["next_cursor"]


async def test_everyone_sees_their_own_by_start(town: Town) -> None:
    shop, other, client = await town.a_shop(), await town.a_shop(), town.somebody()
    late = await shop.booked("2027-06-15T13:00Z", client)
    early = await other.booked("2027-06-14T13:00Z", client)
    anothers = await shop.booked("2027-06-14T13:00Z")
    assert await listed(town, client) == [early, late]
    assert await listed(town, client, business_id=shop.id) == [late]
    assert await listed(town, shop.owner) == []
    of_shop = {"as": "business", "business_id": shop.id}
    assert await listed(town, shop.owner, **of_shop) == [anothers, late]
    assert await listed(town, other.owner, **of_shop | {"business_id": other.id}) == [early]


async def test_pages_hold_every_turno_once_even_at_one_start(town: Town) -> None:
    shop = await town.a_shop(service={"capacity": 10})
    ids = {(await shop.booked("2027-06-14T13:00Z"))["id"] for _ in range(7)}
    found = await listed(town, shop.owner, **{"as": "business", "business_id": shop.id, "limit": "2"})
    assert len(found) == 7
    assert {one["id"] for one in found} == ids


async def test_dates_are_the_business_s_own_and_inclusive(town: Town) -> None:
    shop, client = await town.a_shop(weekly("1-7", "00:00-24:00")), town.somebody()
    midnight = await shop.booked("2027-06-14T03:00Z", client)
    before = await shop.booked("2027-06-14T02:30Z", client)
    assert await listed(town, client, **{"from": "2027-06-14", "to": "2027-06-14"}) == [midnight]
    assert await listed(town, client, to="2027-06-13") == [before]
    assert await listed(town, client, **{"from": "2027-06-13"}) == [before, midnight]


async def test_a_status_is_asked_for(town: Town) -> None:
    shop, client = await town.a_shop(), town.somebody()
    kept, gone = [await shop.booked(f"2027-06-14T{hour}:00Z", client) for hour in (13, 14)]
    await town.act(gone, "cancel", client)
    assert [one["id"] for one in await listed(town, client, status="confirmed")] == [kept["id"]]
    assert [one["id"] for one in await listed(town, client, status="cancelled")] == [gone["id"]]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"as": "admin"}, "as"),
        ({"as": "business"}, "business_id"),
        ({"as": "business", "business_id": "x"}, "business_id"),
        ({"status": "lost"}, "status"),
        ({"from": "2027-13-01"}, "from"),
        ({"to": "10000-01-01"}, "to"),
        ({"from": "2027-06-15", "to": "2027-06-14"}, "to"),
        ({"limit": "0"}, "limit"),
        ({"limit": "101"}, "limit"),
        ({"limit": "1" * 5000}, "limit"),
        ({"cursor": "x"}, "cursor"),
        ({"cursor": "WyJhIl0"}, "cursor"),
        ({"cursor": "WyJhIiwiYiJd"}, "cursor"),
    ],
)
async def test_a_wrong_question_names_its_field(town: Town, query: dict[str, str], field: str) -> None:
    answer = await town.http.get("/v1/turnos/appointments", params=query, headers=town.somebody().headers)
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["field"] == field


async def test_unknown_parameters_are_ignored_and_unknown_businesses_are_not_found(town: Town) -> None:
    someone = town.somebody()
    assert await listed(town, someone, colour="blue") == []
    answer = await town.http.get(
        "/v1/turnos/appointments",
        params={"as": "business", "business_id": str(NOBODY)},
        headers=someone.headers,
    )
    assert answer.status_code == 404
