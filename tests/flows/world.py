"""The words in which flows are told: a business, a client, a booked turno, a crowd."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic
from typing import Any, Self, TypeVar

from tests.flows.systems import System
from tests.said import OVERHEARD
from turnosya.tour.answers import DevMessage, Slot, Turno
from turnosya.tour.client import Api, Exchange, NotAsPromised
from turnosya.tour.people import Person, Shop, open_shop, sign_up

# Hashing passwords is what signing up costs; more at once would only wait.
T = TypeVar("T")
_AT_ONCE = 8
_crowds: dict[str, list[Person]] = {}


class PatientApi(Api):
    """A client that repeats what got no answer or a 503, as an app does, and nothing else."""

    within_s = 25.0

    async def ask(self, method: str, path: str, body: object = None, **more: Any) -> Exchange:  # noqa: ANN401
        until = monotonic() + self.within_s
        while True:
            try:
                exchange = await super().ask(method, path, body, **more)
                OVERHEARD.hear(exchange.body, exchange.answer, {"access_token": more.get("token")})
                return exchange
            except NotAsPromised as error:
                if "failed with 500" in str(error) or monotonic() > until:
                    raise
            await asyncio.sleep(0.1)


@dataclass
class World:
    """One system, and those who use it."""

    system: System
    api: Api
    _crowd: list[Person] = field(default_factory=list[Person])

    @classmethod
    def of(cls, system: System, api: Api) -> Self:
        """The crowd of a system is signed up once, and each test's connections are its own."""
        crowd = _crowds.setdefault(system.url, [])
        for person in crowd:
            person.api = api
        return cls(system, api, crowd)

    async def somebody(self, name: str = "Ana Paz", *, language: str = "es") -> Person:
        """A person with an account and a session."""
        person = await sign_up(self.api, name, language=language)
        await person.log_in("a phone")
        return person

    async def a_client(self, name: str = "Clara Sosa", *, language: str = "es") -> Person:
        return await self.somebody(name, language=language)

    async def a_business(self, name: str = "La Navaja", **more: Any) -> Shop:  # noqa: ANN401 - as of open_shop
        owner = await self.somebody("Olga Ríos")
        return await open_shop(owner, name, **more)

    async def a_free_slot(self, shop: Shop, place: int = 0) -> Slot:
        return (await shop.slots())[place]

    async def a_booked_turno(self, shop: Shop, client: Person, place: int = 0) -> Turno:
        slot = await self.a_free_slot(shop, place)
        return (await client.book(shop, slot.starts_at)).promised(201).as_(Turno)

    async def clients(self, count: int) -> list[Person]:
        """So many different people, the same ones each time."""
        limit = asyncio.Semaphore(_AT_ONCE)

        async def one(number: int) -> Person:
            async with limit:
                return await self.somebody(f"Cliente {number}")

        missing = range(len(self._crowd), count)
        self._crowd += await asyncio.gather(*(one(number) for number in missing))
        return self._crowd[:count]

    async def an_admin(self) -> Person:
        """Somebody made an admin by the command line, with a session that says so."""
        person = await self.somebody("Ada Roldán")
        await self.system.command("admin", "grant", person.phone)
        await self.system.until_settled()
        await person.log_in("a desk")
        return person

    def forget_clients(self) -> None:
        """Those of earlier tests hold tokens of keys that are no longer known."""
        self._crowd.clear()

    @asynccontextmanager
    async def clock_moved(self, *, hours: int) -> AsyncGenerator[None]:
        """The service clock is ahead for as long as the block lasts."""
        moved = await self.api.ask("PUT", "/v1/dev/clock", {"advance_minutes": hours * 60})
        moved.promised(200)
        try:
            yield
        finally:
            (await self.api.ask("DELETE", "/v1/dev/clock")).promised(204)

    async def told(self, person: Person, turno: Turno) -> list[DevMessage]:
        """All that somebody was told about a turno, oldest first."""
        found = await self.api.messages(str(person.id))
        return [one for one in reversed(found) if one.data.get("appointment_id") == str(turno.id)]


async def insist(attempt: Callable[[], Awaitable[T]], *, within_s: float = 25.0) -> T:
    """Begins again what has steps that cannot be repeated by themselves: a code is used once."""
    until = monotonic() + within_s
    while True:
        try:
            return await attempt()
        except NotAsPromised:
            if monotonic() > until:
                raise


def when(message: DevMessage) -> datetime:
    """The time of the turno that a message is about."""
    return datetime.fromisoformat(str(message.data["starts_at"]))


def booking(shop: Shop, starts_at: datetime) -> Mapping[str, str]:
    """The body of a booking."""
    return {
        "business_id": str(shop.id),
        "service_id": str(shop.service.id),
        "starts_at": starts_at.isoformat(),
    }
