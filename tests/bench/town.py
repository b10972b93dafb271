"""Who makes the calls that are measured: people with sessions, and businesses with endless free times."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from uuid import uuid4

from tests.bench.load import request
from turnosya.tour.client import Api
from turnosya.tour.people import Person, Shop, open_shop, sign_up

BUSINESSES, PEOPLE = 8, 32
STEP = timedelta(minutes=5)
# Starts of one connection lie so far from those of the next in the same business.
_APART = timedelta(days=15)
_ALWAYS = {
    "weekly": [{"weekday": day, "start": "00:00", "end": "24:00"} for day in range(1, 8)],
    "slot_step_minutes": 5,
    "max_days_ahead": 1000,
}


@dataclass
class Town:
    """People and businesses of one system."""

    people: list[Person]
    shops: list[Shop]

    def bookings(self, number: int) -> Iterator[bytes]:
        """Endless bookings of one person, each at a time that nobody else books."""
        person, shop = self.people[number], self.shops[number % BUSINESSES]
        begin = datetime.now(UTC).replace(hour=3, minute=0, second=0, microsecond=0) + timedelta(days=2)
        begin += _APART * (number // BUSINESSES + _runs(person))
        for step in count():
            body = {
                "business_id": str(shop.id),
                "service_id": str(shop.service.id),
                "starts_at": (begin + step * STEP).isoformat(),
            }
            yield request(
                "POST",
                "/v1/turnos/appointments",
                token=person.token,
                body=json.dumps(body).encode(),
                key=str(uuid4()),
            )

    def logins(self, number: int) -> Iterator[bytes]:
        """Endless passwords of one person."""
        person = self.people[number]
        body = json.dumps({"phone": person.phone, "password": person.password}).encode()
        while True:
            yield request("POST", "/v1/auth/login", body=body)

    def profiles(self, number: int) -> Iterator[bytes]:
        """Endless readings of one's own profile."""
        while True:
            yield request("GET", "/v1/users/me", token=self.people[number].token)


_used: dict[str, int] = {}


def _runs(person: Person) -> int:
    """Each run of bookings begins after all that earlier runs may have booked."""
    _used[person.phone] = _used.get(person.phone, -4) + 4
    return _used[person.phone]


async def a_town(api: Api, *, people: int = PEOPLE, businesses: int = BUSINESSES) -> Town:
    """Signs everybody up and opens the businesses."""
    town = Town([], [])
    for number in range(people):
        person = await sign_up(api, f"Vecina {number}")
        await person.log_in("bench")
        town.people.append(person)
    for number in range(businesses):
        owner = town.people[number]
        service = {"name": "Corte", "duration_minutes": 5}
        town.shops.append(await open_shop(owner, f"Local {number}", services=(service,), schedule=_ALWAYS))
    return town
