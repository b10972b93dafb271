"""What becomes of a turno while nobody does anything, in every form."""

from datetime import UTC, datetime, timedelta
from functools import partial
from http import HTTPStatus
from operator import ne
from uuid import UUID

import httpx

from tests.flows.world import World, booking
from tests.stage import until
from turnosya.tour.answers import Turno


async def test_a_series_is_booked_at_once_and_what_is_over_completes_itself(world: World) -> None:
    shop = await world.a_business()
    client = await world.a_client()
    slot = await world.a_free_slot(shop)
    order = {**booking(shop, slot.starts_at), "repeat": {"every_weeks": 1, "count": 3}}
    made = (await client.ask("POST", "/v1/turnos/appointments", order)).promised(201).answer
    first, second, third = (Turno.model_validate(item) for item in made["items"])
    assert second.starts_at - first.starts_at == third.starts_at - second.starts_at == timedelta(weeks=1)
    for side in (client, shop.owner):
        message = await side.told("series_booked")
        assert message.data["appointment_ids"] == [str(one.id) for one in (first, second, third)]

    hours = int((first.ends_at - datetime.now(UTC)) / timedelta(hours=1)) + 2
    async with world.clock_moved(hours=hours):
        # Nobody reads it: the job alone completes it.
        assert await _status_once_changed(world, first.id) == "completed"
        message = await client.told("appointment_completed", first)
        assert message.data["appointment_id"] == str(first.id)
        seen = await client.turno(first.id)
        assert [line.what for line in seen.history] == ["booked", "completed"]
        assert (await client.turno(second.id)).status == "confirmed"


async def test_a_turno_is_reminded_of_and_cancelled_from_the_reminder(world: World) -> None:
    shop, client = await world.a_business(), await world.a_client()
    turno = await world.a_booked_turno(shop, client, place=-1)
    await world.system.until_settled()
    two_hours_before = {"now": (turno.starts_at - timedelta(hours=2)).isoformat()}
    (await world.api.ask("PUT", "/v1/dev/clock", two_hours_before)).promised(200)
    try:
        message = await client.told("appointment_reminder", turno)
        links = message.data["links"]
        async with httpx.AsyncClient() as stranger:
            assert (await stranger.get(links["cancel"])).status_code == HTTPStatus.OK
            assert (await client.turno(turno.id)).status == "confirmed"
            assert (await stranger.post(links["coming"])).status_code == HTTPStatus.OK
            assert (await stranger.post(links["cancel"])).status_code == HTTPStatus.OK
        assert (await client.turno(turno.id)).status == "cancelled"
        await client.told("appointment_cancelled", turno)
    finally:
        (await world.api.ask("DELETE", "/v1/dev/clock")).promised(204)


async def test_a_day_goes_otherwise_and_each_is_told_once(world: World) -> None:
    shop, (one, two) = await world.a_business(), await world.clients(2)
    mine = await world.a_booked_turno(shop, one, place=-2)
    other = await world.a_booked_turno(shop, two, place=-1)
    agenda = f"/v1/turnos/businesses/{shop.id}/agenda"
    swap = {"appointment_ids": [str(mine.id), str(other.id)]}
    swapped = (await shop.owner.ask("POST", f"{agenda}/swap", swap, key="swap")).promised(200).answer
    again = (await shop.owner.ask("POST", f"{agenda}/swap", swap, key="swap")).promised(200).answer
    assert again == swapped
    assert (await one.turno(mine.id)).starts_at == other.starts_at
    shift = {"minutes": 20, "from": mine.starts_at.isoformat(), "force": True}
    shifted = (await shop.owner.ask("POST", f"{agenda}/shift", shift)).promised(200).answer
    assert len(shifted["moved"]) == 2

    await world.system.until_settled()
    for client, turno in ((one, mine), (two, other)):
        told = [message.template for message in await world.told(client, turno)]
        assert told == ["appointment_booked", "appointment_moved", "appointment_moved"]
    found = [message.template for message in await world.api.messages(str(shop.owner.id))]
    assert (found.count("agenda_rearranged"), found.count("appointment_moved")) == (2, 0)


async def _status_once_changed(world: World, turno_id: UUID) -> str:
    async def status() -> str:
        [row] = await world.system.rows("turnos", "SELECT status FROM appointments WHERE id = $1", turno_id)
        return str(row["status"])

    return await until(status, partial(ne, "confirmed"))


async def test_a_calendar_is_read_without_signing_in_and_follows_what_happens(world: World) -> None:
    shop = await world.a_business()
    client = await world.a_client()
    turno = await world.a_booked_turno(shop, client)
    link = (await client.ask("POST", "/v1/turnos/calendar-links", {})).promised(201).answer
    path = link["url"][link["url"].index("/v1/") :]

    calendar = await _read(world, path)
    assert f"UID:{turno.id}@turnosya" in calendar
    assert "SEQUENCE:0" in calendar
    (await client.cancel(turno)).promised(200)
    assert {"SEQUENCE:1", "STATUS:CANCELLED"} <= set((await _read(world, path)).splitlines())

    (await client.ask("DELETE", f"/v1/turnos/calendar-links/{link['id']}")).promised(204)
    (await world.api.ask("GET", path)).promised(404, "not_found")


async def _read(world: World, path: str) -> str:
    async with httpx.AsyncClient(base_url=world.system.url) as http:
        answer = await http.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/calendar; charset=utf-8")
    return answer.text
