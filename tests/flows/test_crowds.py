"""Many at once for the same time: cases 28 to 31 of ``docs/rules.md``, through HTTP."""

import asyncio
from collections import Counter
from uuid import uuid4

from tests.flows.world import World, booking
from turnosya.tour.answers import Slot, Turno
from turnosya.tour.client import Exchange
from turnosya.tour.people import Person, Shop

CROWD = 50


async def _all_book(clients: list[Person], shop: Shop, slot: Slot) -> list[Exchange]:
    return list(await asyncio.gather(*(client.book(shop, slot.starts_at) for client in clients)))


def _outcomes(answers: list[Exchange]) -> Counter[tuple[int, str | None]]:
    return Counter((answer.status, answer.reason) for answer in answers)


async def _rows(world: World, shop: Shop) -> int:
    query = "SELECT count(*) FROM appointments WHERE business_id = $1"
    return int((await world.system.rows("turnos", query, shop.id))[0][0])


async def test_28_fifty_clients_want_one_start_and_one_gets_it(world: World) -> None:
    shop, clients = await world.a_business(), await world.clients(CROWD)
    answers = await _all_book(clients, shop, await world.a_free_slot(shop))

    assert _outcomes(answers) == {(201, None): 1, (409, "taken"): CROWD - 1}
    assert await _rows(world, shop) == 1
    turno = next(answer for answer in answers if answer.status == 201).as_(Turno)
    await world.system.until_settled()
    winner = next(client for client in clients if client.id == turno.client_id)
    for side in (winner, shop.owner):
        assert [message.template for message in await world.told(side, turno)] == ["appointment_booked"]


async def test_29_overlapping_services_of_one_member_are_not_both_booked(world: World) -> None:
    services = ({"name": "Corte", "duration_minutes": 30}, {"name": "Color", "duration_minutes": 90})
    shop = await world.a_business(services=services)
    clients, slot = await world.clients(CROWD), await world.a_free_slot(shop)

    async def book(client: Person, number: int) -> Exchange:
        body = {**booking(shop, slot.starts_at), "service_id": str(shop.services[number % 2].id)}
        return await client.ask("POST", "/v1/turnos/appointments", body)

    answers = await asyncio.gather(*(book(client, number) for number, client in enumerate(clients)))
    assert _outcomes(list(answers)) == {(201, None): 1, (409, "taken"): CROWD - 1}
    assert await _rows(world, shop) == 1


async def test_30_a_class_of_four_takes_four(world: World) -> None:
    shop = await world.a_business(services=({"name": "Clase", "duration_minutes": 60, "capacity": 4},))
    answers = await _all_book(await world.clients(CROWD), shop, await world.a_free_slot(shop))

    assert _outcomes(answers) == {(201, None): 4, (409, "full"): CROWD - 4}
    assert await _rows(world, shop) == 4


async def test_31_one_key_and_body_ten_times_at_once_is_one_turno(world: World) -> None:
    shop, client = await world.a_business(), (await world.clients(1))[0]
    slot, key = await world.a_free_slot(shop), str(uuid4())
    answers = await asyncio.gather(*(client.book(shop, slot.starts_at, key=key) for _ in range(10)))

    assert {answer.promised(201).as_(Turno).id for answer in answers} == {answers[0].as_(Turno).id}
    assert sum("idempotent-replayed" in answer.headers for answer in answers) == 9
    assert await _rows(world, shop) == 1
    other = (await shop.slots())[1]
    reused = await client.book(shop, other.starts_at, key=key)
    reused.promised(422, "idempotency_key_reused")
