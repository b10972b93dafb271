"""Words of the tests of closed days: the fixture F1, and what its people are told and answer."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, cast

import httpx

from tests.turnos.town import Json, Shop, Someone, Town
from turnosya.contracts.jobs import ScheduleRequested
from turnosya.runtime.messages import Event

MONDAY = "2027-06-14"
F1 = {"a": "09:00", "b": "09:30", "c": "10:00", "d": "11:00", "e": "15:00", "f": "17:00"}


@dataclass
class Day:
    """A shop with turnos on a Monday, each of a client of its own."""

    shop: Shop
    turnos: dict[str, Json] = field(default_factory=dict[str, Json])
    clients: dict[str, Someone] = field(default_factory=dict[str, Someone])

    @property
    def town(self) -> Town:
        return self.shop.town

    async def books(self, name: str, start: str, *, service: str = "Corte", day: str = MONDAY) -> Json:
        self.clients[name] = self.town.somebody()
        booked = await self.shop.booked(
            f"{day}T{start}-03:00", self.clients[name], service_id=self.shop.services[service]
        )
        self.turnos[name] = booked
        return booked

    async def closes(
        self, start: str = "00:00", end: str = "24:00", *, key: str | None = None, **more: object
    ) -> httpx.Response:
        to = f"{MONDAY}T{end}-03:00" if end != "24:00" else "2027-06-15T00:00-03:00"
        body = {"from": f"{MONDAY}T{start}-03:00", "to": to, "reason": "Capacitación", **more}
        return await self.town.post(f"businesses/{self.shop.id}/closures", body, self.shop.owner, key=key)

    async def closed(self, *span: str, **more: Any) -> Json:  # noqa: ANN401
        answer = await self.closes(*span, **more)
        assert answer.status_code == 201, answer.text
        return cast("Json", answer.json())

    async def closed_on(self, date: str) -> Json:
        """Another whole day is closed too."""
        start = datetime.fromisoformat(f"{date}T00:00-03:00")
        body = {"from": start.isoformat(), "to": (start + timedelta(days=1)).isoformat()}
        answer = await self.town.post(f"businesses/{self.shop.id}/closures", body, self.shop.owner)
        assert answer.status_code == 201, answer.text
        return cast("Json", answer.json())

    async def reads(self, closure: Json) -> Json:
        answer = await self.town.http.get(
            f"{self.shop.path}/closures/{closure['id']}", headers=self.shop.owner.headers
        )
        assert answer.status_code == 200, answer.text
        return cast("Json", answer.json())

    async def reopens(self, closure: Json) -> httpx.Response:
        return await self.town.http.delete(
            f"{self.shop.path}/closures/{closure['id']}", headers=self.shop.owner.headers
        )

    async def proposals(self, name: str) -> list[Json]:
        answer = await self.town.http.get("/v1/turnos/proposals", headers=self.clients[name].headers)
        assert answer.status_code == 200, answer.text
        return cast("list[Json]", answer.json()["items"])

    async def proposal(self, name: str) -> Json:
        return (await self.proposals(name))[0]

    async def answers(
        self, name: str, how: str, body: Json | None = None, *, key: str | None = None
    ) -> httpx.Response:
        path = f"proposals/{(await self.proposal(name))['id']}/{how}"
        return (
            await self.town.post(path, body or {}, self.clients[name], key=key)
            if body
            else await self._post(path, name, key)
        )

    async def _post(self, path: str, name: str, key: str | None) -> httpx.Response:
        headers = self.clients[name].headers | ({"Idempotency-Key": key} if key else {})
        return await self.town.http.post(f"/v1/turnos/{path}", headers=headers)

    async def turno(self, name: str) -> Json:
        return await self.town.read(self.turnos[name], self.clients[name])

    async def told(self, name: str) -> list[Event]:
        told = await self.town.told(self.turnos[name])
        return [one for one in told if not isinstance(one, ScheduleRequested)]

    async def told_names(self, name: str) -> list[str]:
        return [type(event).__name__ for event in await self.told(name)]

    async def no_overlap(self) -> bool:
        rows = await self.town.rows(
            """
            SELECT count(*) AS n FROM appointments a JOIN appointments b
              ON a.staff_id = b.staff_id AND a.id < b.id AND a.session_id <> b.session_id
             AND tstzrange(a.busy_from, a.busy_to) && tstzrange(b.busy_from, b.busy_to)
            WHERE a.status IN ('held', 'pending', 'confirmed', 'proposed') AND NOT a.overbooked
              AND b.status IN ('held', 'pending', 'confirmed', 'proposed') AND NOT b.overbooked
            """
        )
        return int(rows[0].n) == 0


async def a_day(town: Town, **policy: object) -> Day:
    """F1: the day before at noon, six turnos on Monday."""
    shop = await town.a_shop(**policy)  # type: ignore[arg-type]
    await shop.offers("Color", 60)
    await town.copies_are_current(shop)
    day = Day(shop)
    for name, start in F1.items():
        await day.books(name, start, service="Color" if name == "c" else "Corte")
    town.set_clock("2027-06-13T15:00Z")
    return day


def outcomes(closure: Json) -> list[str]:
    """What became of each, in the order of their times."""
    return [one["outcome"] for one in closure["outcomes"]]
