"""A system of the tour's own, on the embedded default, the tour, and a town that is written beside it."""

from uuid import UUID

import httpx
import pytest

from turnosya.app import targeted_beside
from turnosya.demo_data import town
from turnosya.demo_data.filling import fill_town
from turnosya.tour.answers import Turnos
from turnosya.tour.client import Api
from turnosya.tour.command import run_tour
from turnosya.tour.own_system import own_system
from turnosya.tour.people import Person

BUSINESSES, CLIENTS = 4, 30


async def _of_the_town(api: Api, phone: str) -> Person:
    """Somebody of the town, signed in with the password that all of it has."""
    person = Person(api, "somebody", phone, town.PASSWORD, "es", UUID(int=0))
    person.id = (await person.log_in()).user_id
    return person


# A whole system starts, and everything it imports with it: a minute on a machine that does more.
@pytest.mark.timeout(180)
async def test_the_tour_ends_well_and_a_town_is_made_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async with own_system(keep=False) as system, Api(system.url) as api:
        # First: what an address may ask in a second is not used up yet, and nothing waits.
        assert await run_tour(system.url, keep=False) == 0
        monkeypatch.setenv("TURNOSYA_DATA_DIR", str(system.folder))
        async with targeted_beside() as target:
            filled = await fill_town(target, businesses=BUSINESSES, clients=CLIENTS)
            again = await fill_town(target, businesses=BUSINESSES, clients=CLIENTS)
        assert filled.turnos > BUSINESSES * 60
        assert filled.pictures == BUSINESSES * 4
        assert (again.people, again.businesses) == (filled.people, filled.businesses)
        assert (again.turnos, again.pictures) == (0, 0)

        client, owner = (
            await _of_the_town(api, filled.client_phone),
            await _of_the_town(api, filled.owner_phone),
        )
        mine = (await client.ask("GET", "/v1/turnos/appointments", params={"as": "client"})).promised(200)
        assert mine.as_(Turnos).items
        told = await api.messages(str(client.id), token=client.token)
        assert not [one for one in told if "appointment" in one.template]
        shop = (await owner.ask("GET", "/v1/businesses/mine")).promised(200).answer["items"][0]
        gallery = (await owner.ask("GET", f"/v1/businesses/{shop['id']}/gallery")).promised(200).answer
        # In somebody's name more may be asked in a second than from an address.
        headers = {"Authorization": f"Bearer {owner.token}"}
        async with httpx.AsyncClient(base_url=system.url, headers=headers) as http:
            for picture in (shop["profile_image"], shop["portrait_image"], *gallery["items"]):
                seen = await http.get(picture["variants"]["medium"])
                assert (seen.status_code, seen.headers["content-type"]) == (200, "image/webp")
        params = {"as": "business", "business_id": shop["id"], "limit": 100}
        agenda = (await owner.ask("GET", "/v1/turnos/appointments", params=params)).promised(200)
        statuses = {turno.status for turno in agenda.as_(Turnos).items}
        assert statuses >= {"completed", "no_show", "cancelled"}
