"""Words of the turnos tests over HTTP: shops, clients, bookings, and what was told of them."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast
from uuid import UUID

import httpx

from tests.callers import Callers
from tests.stage import Stage, until
from turnosya.contracts.users import GetPeople, GetReach, People, Person, Reaches
from turnosya.runtime.bus import Bus
from turnosya.runtime.ids import new_id
from turnosya.runtime.messages import Event
from turnosya.services.turnos.context import Turnos
from turnosya.services.turnos.service import service as turnos

Json = dict[str, Any]
BUENOS_AIRES = "America/Argentina/Buenos_Aires"
NOBODY = UUID("019a0000-0000-7000-8000-000000000000")


@asynccontextmanager
async def a_town(stage: Stage) -> AsyncGenerator["Town"]:
    """The words of these tests on a stage on which business and turnos play."""
    await everybody_has_an_account(stage.bus)
    heard = await everything_told(stage.bus)
    async with stage.http("turnos") as http, stage.http("business") as business_http:
        town = Town(stage, Callers(stage), http, business_http, heard)
        town.set_clock("2027-06-10T12:00Z")
        yield town


async def everybody_has_an_account(bus: Bus) -> None:
    """Users' answer, without users: whoever is asked for is somebody, but for ``NOBODY``."""

    async def people(request: GetPeople) -> People:
        known = [one for one in request.ids if one != NOBODY]
        return People(
            people=[
                Person(id=one, name="Ana", phone="+5491122334455", email=None, locale="es", roles=[])
                for one in known
            ]
        )

    async def reaches(_: GetReach) -> Reaches:
        return Reaches(items=[])

    await bus.answer(GetPeople, people)
    await bus.answer(GetReach, reaches)


async def everything_told(bus: Bus) -> list[Event]:
    """A list that grows with each event of turnos."""
    heard: list[Event] = []

    async def hear(event: Event) -> None:
        heard.append(event)

    for kind in turnos.tells:
        await bus.hear_every_copy(kind, hear)
    return heard


def weekly(weekdays: str, *spans: str, staff_id: str | None = None) -> list[Json]:
    """Hours such as ``weekly("1-6", "09:00-18:00")``."""
    first, _, last = weekdays.partition("-")
    return [
        {"weekday": weekday, "start": span[:5], "end": span[6:], "staff_id": staff_id}
        for weekday in range(int(first), int(last or first) + 1)
        for span in spans
    ]


@dataclass
class Someone:
    """A person who is signed in."""

    id: UUID
    headers: dict[str, str]


@dataclass
class Shop:
    """A business that is open: who owns it, who works there and what it offers."""

    town: "Town"
    id: str
    owner: Someone
    ana: str
    services: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def cut(self) -> str:
        """The service *Corte*."""
        return self.services["Corte"]

    @property
    def path(self) -> str:
        return f"/v1/turnos/businesses/{self.id}"

    async def offers(self, name: str, minutes: int = 30, **more: object) -> str:
        """One more service; answers its id."""
        body = {"name": name, "duration_minutes": minutes, **more}
        made = await self.owned("POST", "/services", body)
        self.services[name] = made["id"]
        return cast("str", made["id"])

    async def employs(self, name: str, **more: object) -> str:
        """One more member; answers their id."""
        made = await self.owned("POST", "/staff", {"name": name, **more})
        await self.town.copies_are_current(self)
        return cast("str", made["id"])

    async def owned(self, method: str, path: str, body: Json | None = None) -> Json:
        """What the owner does in the business service."""
        answer = await self.ask_business(method, path, body)
        assert answer.is_success, answer.text
        return cast("Json", answer.json() if answer.content else {})

    async def ask_business(self, method: str, path: str, body: Json | None = None) -> httpx.Response:
        """The same, whatever it answers."""
        return await self.town.business.request(
            method, f"/v1/businesses/{self.id}{path}", json=body, headers=self.owner.headers
        )

    async def schedule(self, hours: Sequence[Json], **policy: object) -> httpx.Response:
        """Replaces the schedule."""
        return await self.town.http.put(
            f"{self.path}/schedule", json={"weekly": list(hours), **policy}, headers=self.owner.headers
        )

    async def override(self, date: str, *spans: str, **more: object) -> httpx.Response:
        """Replaces the hours of a date; without spans it is closed."""
        hours = [{"start": span[:5], "end": span[6:]} for span in spans]
        body = {"date": date, "hours": hours, **more}
        return await self.town.http.post(f"{self.path}/overrides", json=body, headers=self.owner.headers)

    async def slots(
        self, first: str, last: str | None = None, *, service: str = "Corte", **query: str
    ) -> list[Json]:
        """What it offers."""
        asked = {"service_id": self.services[service], "from": first, "to": last or first, **query}
        answer = await self.town.http.get(f"{self.path}/slots", params=asked)
        assert answer.status_code == 200, answer.text
        return cast("list[Json]", answer.json()["slots"])

    async def starts(self, first: str, last: str | None = None, **more: str) -> list[str]:
        """The starts it offers, local, as ``HH:MM``."""
        return [slot["starts_at"][11:16] for slot in await self.slots(first, last, **more)]

    async def book(
        self,
        starts_at: str,
        client: Someone | None = None,
        *,
        key: str | None = None,
        **more: Any,  # noqa: ANN401 - any JSON, wrong ones too
    ) -> httpx.Response:
        """A client books; somebody new if nobody is named. A field that is ``...`` is left out."""
        body = {"business_id": self.id, "service_id": self.cut, "starts_at": starts_at, **more}
        sent = {name: value for name, value in body.items() if value is not ...}
        return await self.town.post("appointments", sent, client or self.town.somebody(), key=key)

    async def booked(self, starts_at: str, client: Someone | None = None, **more: Any) -> Json:  # noqa: ANN401
        """A turno that was booked."""
        answer = await self.book(starts_at, client, **more)
        assert answer.status_code == 201, answer.text
        return cast("Json", answer.json())

    async def hold(self, starts_at: str, client: Someone, **more: object) -> httpx.Response:
        """A client holds a time."""
        body = {"business_id": self.id, "service_id": self.cut, "starts_at": starts_at, **more}
        return await self.town.post("holds", body, client)

    async def sets(self, starts_at: str, **more: object) -> httpx.Response:
        """The owner books for somebody."""
        body = {"service_id": self.cut, "starts_at": starts_at, "client": {"name": "Dora"}, **more}
        return await self.town.post(f"businesses/{self.id}/appointments", body, self.owner)


@dataclass
class Town:
    """The two services and whoever calls them."""

    stage: Stage
    callers: Callers
    http: httpx.AsyncClient
    business: httpx.AsyncClient
    heard: list[Event]

    @property
    def turnos(self) -> Turnos:
        return cast("Turnos", self.stage.running["turnos"].context)

    def somebody(self) -> Someone:
        """A person whom nobody knows yet."""
        user_id = new_id()
        return Someone(user_id, self.callers.headers(user_id))

    def set_clock(self, now: str) -> None:
        """The time of booking stands at an instant."""
        self.stage.clock.use(version=self.stage.clock.version + 1, set_to=datetime.fromisoformat(now))

    async def a_shop(
        self,
        hours: Sequence[Json] | None = None,
        *,
        minutes: int = 30,
        zone: str = BUENOS_AIRES,
        service: Mapping[str, object] | None = None,
        **policy: object,
    ) -> Shop:
        """The fixture F0, but for what is said."""
        owner = self.somebody()
        answer = await self.business.post(
            "/v1/businesses", json={"name": "Barbería Ñandú", "timezone": zone}, headers=owner.headers
        )
        assert answer.status_code == 201, answer.text
        shop = Shop(self, answer.json()["id"], owner, "")
        shop.ana = (await shop.owned("GET", "/staff"))["items"][0]["id"]
        await shop.offers("Corte", minutes, **(service or {}))
        done = await shop.schedule(weekly("1-6", "09:00-18:00") if hours is None else hours, **policy)
        assert done.status_code == 200, done.text
        return shop

    async def post(self, path: str, body: object, by: Someone, *, key: str | None = None) -> httpx.Response:
        """A POST to turnos."""
        headers = by.headers | ({"Idempotency-Key": key} if key else {})
        return await self.http.post(f"/v1/turnos/{path}", json=body, headers=headers)

    async def act(
        self, turno: Json, action: str, by: Someone, body: Json | None = None, *, key: str | None = None
    ) -> httpx.Response:
        """An action on a turno."""
        path = f"appointments/{turno['id']}/{action}"
        if body is not None:
            return await self.post(path, body, by, key=key)
        headers = by.headers | ({"Idempotency-Key": key} if key else {})
        return await self.http.post(f"/v1/turnos/{path}", headers=headers)

    async def move(self, turno: Json, by: Someone, starts_at: str, **more: object) -> httpx.Response:
        """A turno goes to another time."""
        return await self.act(turno, "reschedule", by, {"starts_at": starts_at, **more})

    async def read(self, turno: Json, by: Someone) -> Json:
        """A turno as somebody sees it now."""
        answer = await self.http.get(f"/v1/turnos/appointments/{turno['id']}", headers=by.headers)
        assert answer.status_code == 200, answer.text
        return cast("Json", answer.json())

    async def rows(self, query: str, *values: object) -> list[Any]:
        """What is in the database."""
        async with self.stage.running["turnos"].host.db.read() as tx:
            return list(await tx.connection.exec_driver_sql(query, values or None))

    async def copies_are_current(self, shop: "Shop") -> None:
        """Returns when turnos has heard all that business has told of a shop."""
        db = self.stage.running["business"].host.db
        async with db.read() as tx:
            row = await tx.connection.exec_driver_sql(
                "SELECT version FROM businesses WHERE id = $1", (UUID(shop.id),)
            )
            latest = int(row.scalar_one())

        async def known() -> int:
            rows = await self.rows("SELECT version FROM businesses WHERE id = $1", UUID(shop.id))
            return int(rows[0].version)

        await until(known, lambda version: version >= latest)

    async def told(self, turno: Json) -> list[Event]:
        """What was told of a turno, in order, once nothing waits to be told."""

        async def waiting() -> int:
            return int((await self.rows("SELECT count(*) AS n FROM outbox"))[0].n)

        await until(waiting, lambda count: count == 0)
        return [one for one in self.heard if one.aggregate_id().endswith(turno["id"])]

    async def told_names(self, turno: Json) -> list[str]:
        """Only what the events are called."""
        return [type(event).__name__ for event in await self.told(turno)]


def codes(answers: Sequence[httpx.Response]) -> list[str]:
    """What many got, sorted: ``201``, or ``409 slot_taken taken``."""
    found: list[str] = []
    for answer in answers:
        problem: Json = answer.json() if answer.status_code >= 400 else {}
        words: list[str] = [str(answer.status_code), problem.get("code", ""), problem.get("reason", "")]
        found.append(" ".join(word for word in words if word))
    return sorted(found)


def refusal(answer: httpx.Response) -> str:
    """The same for one answer."""
    return codes([answer])[0]


async def all_at_once(*calls: Any) -> list[httpx.Response]:  # noqa: ANN401 - coroutines
    """Everybody calls in the same moment."""
    return list(await asyncio.gather(*calls))
