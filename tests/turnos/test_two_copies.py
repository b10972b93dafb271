"""Two processes of turnos on one database: what one knows and does binds the other."""

from collections import Counter
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any, cast

import httpx
import pytest
import pytest_asyncio

from tests.servers import Servers
from tests.stage import a_stage
from tests.turnos.town import Shop, Town, a_town, all_at_once, codes, refusal, weekly
from turnosya.services.business.service import service as business
from turnosya.services.turnos.service import service as turnos

pytestmark = pytest.mark.asyncio(loop_scope="module")
MONDAY_TEN = "2027-06-14T13:00Z"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def towns(servers: Servers) -> AsyncGenerator[tuple[Town, Town]]:
    """The same town through each of two copies."""
    async with a_stage(servers, [business, turnos]) as stage, a_town(stage) as first:
        one = stage.running["turnos"]
        other = await stage.put_on(turnos)
        app, other_app = cast("Any", one.app), cast("Any", other.app)
        other_app.app.state.tokens = app.app.state.tokens
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(other_app), base_url="http://test"
        ) as http:
            yield first, replace(first, http=http)
        await one.stop(5)


def through(shop: Shop, town: Town) -> Shop:
    return replace(shop, town=town)


async def test_one_slot_wanted_through_both_is_given_once(towns: tuple[Town, Town]) -> None:
    shop = await towns[0].a_shop()
    calls = [through(shop, towns[i % 2]).book(MONDAY_TEN) for i in range(50)]
    assert Counter(codes(await all_at_once(*calls))) == {"201": 1, "409 slot_taken taken": 49}


async def test_one_key_through_both_is_one_turno(towns: tuple[Town, Town]) -> None:
    shop, client = await towns[0].a_shop(), towns[0].somebody()
    calls = [through(shop, towns[i % 2]).book(MONDAY_TEN, client, key="k") for i in range(10)]
    answers = await all_at_once(*calls)
    assert [answer.status_code for answer in answers] == [201] * 10
    assert all(answer.json() == answers[0].json() for answer in answers)


async def test_new_hours_bind_the_other_at_once(towns: tuple[Town, Town]) -> None:
    shop = await towns[0].a_shop()
    other = through(shop, towns[1])
    assert len(await other.starts("2027-06-14")) == 18
    assert (await shop.schedule(weekly("1-6", "09:00-10:00"))).status_code == 200
    assert refusal(await other.book(MONDAY_TEN)) == "422 slot_unavailable closed"
    assert len(await other.starts("2027-06-14")) == 2
    assert (await shop.override("2027-06-14")).status_code == 201
    assert await other.starts("2027-06-14") == []


async def test_hours_that_shrink_while_many_book_strand_nobody_unasked(towns: tuple[Town, Town]) -> None:
    shop = await towns[0].a_shop()
    starts = [f"2027-06-{day}T{hour}:00Z" for day in (14, 15, 16) for hour in range(12, 21)]
    calls = [through(shop, towns[i % 2]).book(start) for i, start in enumerate(starts)]
    calls.insert(9, shop.schedule(weekly("1-6", "09:00-10:00")))
    answers = await all_at_once(*calls)
    changed = answers.pop(9)
    outside = [a for a in answers if a.status_code == 201 and a.json()["starts_at"][11:16] > "09:30"]
    if changed.status_code == 200:
        assert outside == []
    else:
        listed = {one["id"] for one in changed.json()["appointments"]}
        assert listed
        assert listed <= {a.json()["id"] for a in outside}
