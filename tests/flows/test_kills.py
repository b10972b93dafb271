"""A process dies in the middle of the flow and is started again: nothing acknowledged is lost or doubled."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field

import pytest

from tests.flows.systems import Form
from tests.flows.world import World, insist
from turnosya.tour.answers import Slot, Turno
from turnosya.tour.people import Person, Shop, open_shop, sign_up

pytestmark = pytest.mark.parametrize("form", [Form.SPLIT], indirect=True, ids=["split"])
NEIGHBOURS = 5


class Middle:
    """Comes when the second one begins a step: then the first one is in it, and the others are to come."""

    def __init__(self, step: str) -> None:
        self.is_here = asyncio.Event()
        self._step = step
        self._begun: Counter[str] = Counter()

    def passes(self, step: str) -> None:
        self._begun[step] += 1
        if (step, self._begun[step]) == (self._step, 2):
            self.is_here.set()


@dataclass
class Life:
    """What one person does in a town where a process dies, and what they were told about it."""

    world: World
    shop: Shop
    number: int
    middle: Middle
    first: Slot
    other: Slot
    person: Person = field(init=False)
    own_shop: Shop = field(init=False)
    turno: Turno = field(init=False)

    async def is_lived(self) -> None:
        self.middle.passes("signing up")
        person = self.person = await sign_up(self.world.api, f"Vecino {self.number}")
        self.middle.passes("logging in")
        await insist(lambda: person.log_in("a phone"))
        self.middle.passes("opening a business")
        self.own_shop = await open_shop(person, f"Negocio {self.number}")
        self.middle.passes("booking")
        booked = await person.book(self.shop, self.first.starts_at)
        self.turno = booked.promised(201).as_(Turno)
        self.middle.passes("moving")
        (await self.shop.owner.move(self.turno, self.other.starts_at)).promised(200)
        self.turno = (await person.cancel(self.turno)).promised(200).as_(Turno)

    async def is_as_acknowledged(self) -> None:
        person, world = self.person, self.world
        (await person.ask("GET", "/v1/users/me")).promised(200)
        accounts = await world.system.rows("users", "SELECT id FROM people WHERE phone = $1", person.phone)
        assert [row["id"] for row in accounts] == [person.id]
        mine = (await person.ask("GET", "/v1/businesses/mine")).promised(200).answer["items"]
        assert [one["id"] for one in mine] == [str(self.own_shop.id)]
        offers = await person.ask("GET", f"/v1/businesses/{self.own_shop.id}/services")
        assert len(offers.promised(200).answer["items"]) == 1
        query = "SELECT id FROM appointments WHERE client_id = $1"
        rows = await world.system.rows("turnos", query, person.id)
        assert [row["id"] for row in rows] == [self.turno.id]
        turno = await person.turno(self.turno.id)
        assert [line.what for line in turno.history] == ["booked", "moved", "cancelled"]
        for side in (person, self.shop.owner):
            told = [message.template for message in await world.told(side, turno)]
            assert told == ["appointment_booked", "appointment_moved", "appointment_cancelled"]
        welcomes = [one.template for one in await world.api.messages(str(person.id))]
        assert welcomes.count("user_registered") == 1


@pytest.mark.parametrize(
    ("service", "step"),
    [
        ("users", "signing up"),
        ("auth", "logging in"),
        ("business", "opening a business"),
        ("turnos", "booking"),
        ("notification", "moving"),
        ("gateway", "booking"),
    ],
)
async def test_a_process_is_killed_in_the_middle(world: World, service: str, step: str) -> None:
    middle, shop = Middle(step), await world.a_business()
    # Seen before anybody books: a list seen later has other places at the same numbers.
    slots = await shop.slots()
    lives = [
        Life(world, shop, number, middle, slots[2 * number], slots[2 * number + 1])
        for number in range(NEIGHBOURS)
    ]
    lived = asyncio.gather(*(life.is_lived() for life in lives))

    await middle.is_here.wait()
    await world.system.kill(service)
    await world.system.start_again(service)
    await lived

    await world.system.until_settled()
    for life in lives:
        await life.is_as_acknowledged()


async def test_jobs_is_killed_before_and_while_requests_lapse(world: World) -> None:
    shop = await world.a_business(schedule={"confirmation": "manual"})
    clients, slots = await world.clients(NEIGHBOURS), await shop.slots()
    asked = [
        asyncio.create_task(client.book(shop, slot.starts_at))
        for client, slot in zip(clients, slots[-NEIGHBOURS:], strict=True)
    ]
    await asked[0]
    await world.system.kill("jobs")
    turnos = [(await one).promised(201).as_(Turno) for one in asked]
    assert {turno.status for turno in turnos} == {"pending"}
    await world.system.start_again("jobs")
    await world.system.until_settled()

    async with world.clock_moved(hours=25):
        await world.system.kill("jobs")
        await world.system.start_again("jobs")
        for client, turno in zip(clients, turnos, strict=True):
            await client.told("appointment_expired", turno)
        await world.system.until_settled()

    for client, turno in zip(clients, turnos, strict=True):
        lapsed = await client.turno(turno.id)
        assert lapsed.status == "cancelled"
        assert [line.what for line in lapsed.history] == ["requested", "expired"]
        for side in (client, shop.owner):
            told = [message.template for message in await world.told(side, turno)]
            assert told == ["appointment_requested", "appointment_expired"]
