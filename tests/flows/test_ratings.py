"""A client comes, is asked an hour later how it was, and says so."""

from tests.flows.world import World


async def test_who_was_there_is_asked_how_it_was_and_says_so(world: World) -> None:
    shop, client = await world.a_business(), await world.a_client()
    turno = await world.a_booked_turno(shop, client)
    path = f"/v1/businesses/{shop.id}/rating"
    refused = await client.ask("PUT", path, {"stars": 5})
    assert (refused.status, refused.answer["code"]) == (403, "rating_requires_visit")
    moved = await world.api.ask("PUT", "/v1/dev/clock", {"now": turno.ends_at.isoformat()})
    moved.promised(200)
    try:
        (await shop.owner.ask("POST", f"/v1/turnos/appointments/{turno.id}/complete", {})).promised(200)
        await world.system.until_settled()
        assert "rating_invited" not in [one.template for one in await world.told(client, turno)]
        (await world.api.ask("PUT", "/v1/dev/clock", {"advance_minutes": 61})).promised(200)
        await client.told("rating_invited", turno)
        (await client.ask("PUT", path, {"stars": 5})).promised(200)
    finally:
        (await world.api.ask("DELETE", "/v1/dev/clock")).promised(204)
    shown = (await world.api.ask("GET", f"/v1/businesses/{shop.id}")).promised(200).answer
    assert shown["rating"] == {"average": 5.0, "count": 1}
