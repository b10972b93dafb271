"""The main job from end to end, in every form."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest

from tests.flows.systems import Form
from tests.flows.world import World, when
from turnosya.tour.answers import DevMessage, Turno

pytestmark = pytest.mark.parametrize("form", list(Form), indirect=True, ids=lambda form: form.name.lower())


async def test_a_client_books_moves_and_cancels_and_everyone_is_told(world: World) -> None:
    shop = await world.a_business()
    client = await world.a_client("Emily Farrow", language="en")
    first, other = (await shop.slots())[:2]

    turno = (await client.book(shop, first.starts_at)).promised(201).as_(Turno)
    moved = (await shop.owner.move(turno, other.starts_at)).promised(200).as_(Turno)
    cancelled = (await client.cancel(turno, "I will be away")).promised(200).as_(Turno)

    assert (turno.status, moved.status, cancelled.status) == ("confirmed", "confirmed", "cancelled")
    assert turno.id == moved.id == cancelled.id
    assert [line.what for line in cancelled.history] == ["booked", "moved", "cancelled"]
    await world.system.until_settled()
    to_client, to_owner = await asyncio.gather(world.told(client, turno), world.told(shop.owner, turno))
    for told in (to_client, to_owner):
        assert [message.template for message in told] == [
            "appointment_booked",
            "appointment_moved",
            "appointment_cancelled",
        ]
        assert [when(message) for message in told] == [first.starts_at, other.starts_at, other.starts_at]
    assert _language(to_client) != _language(to_owner), "each is told in their own language"


def _language(messages: Sequence[DevMessage]) -> str:
    return messages[-1].subject


async def test_what_is_taken_is_not_offered_and_what_is_freed_is(world: World) -> None:
    shop = await world.a_business()
    client, rival = await world.a_client(), await world.a_client("Raúl Ibarra")
    slot = await world.a_free_slot(shop)
    turno = (await client.book(shop, slot.starts_at)).promised(201).as_(Turno)

    refused = (await rival.book(shop, slot.starts_at)).promised(409, "slot_taken")
    assert refused.reason == "taken"
    assert slot.starts_at not in {one.starts_at for one in await shop.slots()}

    (await client.cancel(turno)).promised(200)
    assert slot.starts_at in {one.starts_at for one in await shop.slots()}
    again = (await rival.book(shop, slot.starts_at)).promised(201).as_(Turno)
    assert again.id != turno.id
    assert (await client.turno(turno.id)).status == "cancelled", "the cancelled row is kept"


async def test_hours_that_would_strand_a_turno_wait_for_a_decision(world: World) -> None:
    shop = await world.a_business()
    client = await world.a_client()
    turno = await world.a_booked_turno(shop, client, place=-1)
    path = f"/v1/turnos/businesses/{shop.id}/schedule"
    week = [{"weekday": day, "start": "09:00", "end": "10:00"} for day in range(1, 8)]

    refused = (await shop.owner.ask("PUT", path, {"weekly": week})).promised(409, "needs_decision")
    assert [one["id"] for one in refused.answer["appointments"]] == [str(turno.id)]

    kept = await shop.owner.ask("PUT", path, {"weekly": week, "on_conflict": "keep"})
    kept.promised(200)
    assert (await client.turno(turno.id)).status == "confirmed"


async def test_another_zone_is_asked_of_turnos_before_business_changes(world: World) -> None:
    shop = await world.a_business()
    client = await world.a_client()
    turno = await world.a_booked_turno(shop, client)
    path = f"/v1/businesses/{shop.id}"

    refused = await shop.owner.ask("PATCH", path, {"timezone": "America/Montevideo"})
    refused.promised(409, "needs_decision")

    decided = {"timezone": "America/Montevideo", "on_conflict": "cancel"}
    (await shop.owner.ask("PATCH", path, decided)).promised(200)
    assert (await client.turno(turno.id)).status == "cancelled"
    message = await client.told("appointment_cancelled", turno)
    assert when(message) - turno.starts_at == timedelta()
