"""A closed day from end to end, in every form: planned, held, answered with one tap, given back."""

import asyncio
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from tests.flows.world import World
from tests.stage import until
from turnosya.tour.answers import DevMessage, Turno
from turnosya.tour.people import Person, Shop


async def closes_the_day_of(turno: Turno, shop: Shop, **more: object) -> dict[str, Any]:
    """The owner closes the whole local day of a turno."""
    zone = ZoneInfo(shop.timezone)
    begins = turno.starts_at.astimezone(zone).replace(hour=0, minute=0)
    span = {"from": begins.isoformat(), "to": (begins + timedelta(days=1)).isoformat()}
    path = f"/v1/turnos/businesses/{shop.id}/closures"
    made = await shop.owner.ask("POST", path, {**span, "reason": "Capacitación", **more})
    answer: dict[str, Any] = made.promised(201).answer
    return answer


async def proposal_of(client: Person) -> dict[str, Any]:
    found = (await client.ask("GET", "/v1/turnos/proposals")).promised(200)
    proposal: dict[str, Any] = found.answer["items"][0]
    return proposal


def path_of(message: DevMessage, link: str) -> str:
    parts = urlsplit(str(message.data["links"][link]))
    return f"{parts.path}?{parts.query}"


async def test_a_closed_day_arranges_itself(world: World) -> None:
    shop = await world.a_business()
    clients = await asyncio.gather(*(world.a_client(f"Vecina {number}") for number in range(4)))
    turnos = [await world.a_booked_turno(shop, client, place=-1) for client in clients]
    assert len({turno.starts_at.date() for turno in turnos}) == 1
    one, two, three, four = clients

    draft = await closes_the_day_of(turnos[0], shop, dry_run=True)
    assert (draft["id"], draft["affected"]) == (None, 4)
    closure = await closes_the_day_of(turnos[0], shop)
    assert closure["outcomes"] == draft["outcomes"]

    # One accepts with one tap, after a preview; one in the app; one declines and chooses.
    message = await one.told("appointment_proposed", turnos[0])
    accept = path_of(message, "accept")
    (await world.api.ask("GET", accept)).promised(200)
    assert (await one.turno(turnos[0].id)).status == "proposed"
    moved = (await world.api.ask("POST", accept)).promised(200).as_(Turno)
    assert moved.id == turnos[0].id
    offered = await proposal_of(two)
    accepted = await two.ask("POST", f"/v1/turnos/proposals/{offered['id']}/accept", {})
    assert accepted.promised(200).as_(Turno).starts_at == datetime.fromisoformat(offered["starts_at"])
    (
        await world.api.ask("POST", path_of(await three.told("appointment_proposed", turnos[2]), "decline"))
    ).promised(200)
    choose = path_of(await three.told("proposal_declined", turnos[2]), "choose")
    times = (await world.api.ask("GET", choose)).promised(200).answer["alternatives"]
    chosen = await world.api.ask("POST", choose, {"starts_at": times[0]["starts_at"]})
    assert chosen.promised(200).as_(Turno).status == "confirmed"

    # The day opens again for the one who has not answered.
    path = f"/v1/turnos/businesses/{shop.id}/closures/{closure['id']}"
    (await shop.owner.ask("DELETE", path)).promised(204)
    assert (await four.turno(turnos[3].id)).status == "confirmed"
    assert (await four.turno(turnos[3].id)).starts_at == turnos[3].starts_at

    await world.system.until_settled()
    told = [
        [one.template for one in await world.told(who, of)] for who, of in zip(clients, turnos, strict=True)
    ]
    assert told == [
        ["appointment_booked", "appointment_proposed", "appointment_moved"],
        ["appointment_booked", "appointment_proposed", "appointment_moved"],
        ["appointment_booked", "appointment_proposed", "proposal_declined", "appointment_moved"],
        ["appointment_booked", "appointment_proposed", "appointment_restored"],
    ]
    shown = (await shop.owner.ask("GET", path)).promised(200).answer
    assert shown["counts"] == {"proposed": 0, "waiting": 0, "moved": 3, "cancelled": 0, "kept": 1}


async def test_an_offer_that_nobody_answers_ends_by_itself(world: World) -> None:
    shop = await world.a_business()
    client = await world.a_client()
    turno = await world.a_booked_turno(shop, client, place=-1)
    await closes_the_day_of(turno, shop)
    async with world.clock_moved(hours=13):
        message = await client.told("proposal_expired", turno)
        assert (await client.turno(turno.id)).status == "proposed"
        assert (await proposal_of(client))["status"] == "expired"
        assert message.data["links"]["choose"]
        # Some time to choose, then they are planned for once more.
        (await world.api.ask("PUT", "/v1/dev/clock", {"advance_minutes": 20})).promised(200)
        await until(partial(proposal_of, client), lambda found: found["status"] == "open")
    async with world.clock_moved(hours=24 * 16):
        await client.told("appointment_cancelled", turno)
        await shop.owner.told("appointment_cancelled", turno)
