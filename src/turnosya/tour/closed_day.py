"""The scene of the closed day: an owner is away, and everybody gets another time with one tap."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast
from urllib.parse import urlsplit
from uuid import uuid4
from zoneinfo import ZoneInfo

from turnosya.tour.answers import DevMessage, Turno
from turnosya.tour.client import Api, NotAsPromised
from turnosya.tour.people import Person, Shop, open_shop, sign_up
from turnosya.tour.screen import Screen

STEPS = 8
_CLIENTS = ("Emily Farrow", "Jonah Whitlock", "Priya Menon")
_BOOKED_DAYS_AHEAD = 3


async def tell(api: Api, screen: Screen, *, keep: bool) -> None:
    """Runs the scene; raises ``NotAsPromised`` at the first thing that differs from it."""
    with screen.step("A barber opens a business, and three clients sign up"):
        owner = await _joined(api, "Marta Quiroga", language="es")
        shop = await open_shop(owner, f"Barbería {secrets.token_hex(2)}")
        clients = await asyncio.gather(*(_joined(api, name, language="en") for name in _CLIENTS))
    scene = _Scene(screen, api, shop)
    turnos = await scene.is_booked(clients)
    closure = await scene.closes(turnos)
    await scene.accepts(clients[0], turnos[0])
    await scene.chooses(clients[1], turnos[1])
    await scene.reopens(closure, clients[2], turnos[2])
    with screen.step("What stays" if keep else "Tidying up"):
        people = [owner, *clients]
        if keep:
            screen.note(f"the business {shop.name!r}: {shop.id}")
            for person in people:
                screen.note(f"{person.name}: phone {person.phone}, password {person.password}")
        else:
            for person in people:
                (await person.ask("POST", "/v1/auth/logout")).promised(204)


async def _joined(api: Api, name: str, *, language: str) -> Person:
    person = await sign_up(api, name, language=language)
    await person.log_in()
    return person


@dataclass(frozen=True, slots=True)
class _Scene:
    screen: Screen
    api: Api
    shop: Shop

    async def is_booked(self, clients: list[Person]) -> list[Turno]:
        """A morning with a turno of each client."""
        with self.screen.step("Each of them books a time on the same morning"):
            slots = await self.shop.slots()
            zone = ZoneInfo(self.shop.timezone)
            days = sorted({slot.starts_at.astimezone(zone).date() for slot in slots})
            day = days[min(_BOOKED_DAYS_AHEAD, len(days) - 1)]
            morning = [slot for slot in slots if slot.starts_at.astimezone(zone).date() == day]
            turnos = [
                (await client.book(self.shop, slot.starts_at)).promised(201).as_(Turno)
                for client, slot in zip(clients, morning, strict=False)
            ]
            self.screen.note(f"{len(turnos)} turnos on {day.isoformat()}")
        return turnos

    async def closes(self, turnos: list[Turno]) -> Mapping[str, Any]:
        """The plan is looked at first, then carried out: the same one."""
        zone = ZoneInfo(self.shop.timezone)
        begins = turnos[0].starts_at.astimezone(zone).replace(hour=0, minute=0)
        span = {"from": begins.isoformat(), "to": (begins + timedelta(days=1)).isoformat()}
        path = f"/v1/turnos/businesses/{self.shop.id}/closures"
        with self.screen.step("The barber will be away that day: what would become of everybody?"):
            draft = await self._owned("POST", path, {**span, "reason": "Viaje", "dry_run": True})
            for one in draft["outcomes"]:
                self.screen.note(f"{one['outcome']}: {one['starts_at']}")
        with self.screen.step("The day is closed: all new times are held, and each client is asked"):
            closure = await self._owned("POST", path, {**span, "reason": "Viaje"})
            if closure["outcomes"] != draft["outcomes"]:
                raise NotAsPromised("the plan that is carried out is not the one that was shown")
        return closure

    async def accepts(self, client: Person, turno: Turno) -> None:
        """One tap; a preview of the link changes nothing."""
        with self.screen.step("One accepts with one tap, without logging in"):
            message = await client.told("appointment_proposed", turno)
            self.screen.message("client", message)
            link = _link(message, "accept")
            (await self.api.ask("GET", link)).promised(200)
            if (await client.turno(turno.id)).status != "proposed":
                raise NotAsPromised("looking at the link has answered it")
            moved = (await self.api.ask("POST", link)).promised(200).as_(Turno)
            again = (await self.api.ask("POST", link)).promised(200).as_(Turno)
            if moved.starts_at == turno.starts_at or again.starts_at != moved.starts_at:
                raise NotAsPromised("accepting does not move the turno once")

    async def chooses(self, client: Person, turno: Turno) -> None:
        """Declines what was offered, and takes something else."""
        with self.screen.step("One declines and chooses another time"):
            asked = await client.told("appointment_proposed", turno)
            (await self.api.ask("POST", _link(asked, "decline"))).promised(200)
            message = await client.told("proposal_declined", turno)
            self.screen.message("client", message)
            link = _link(message, "choose")
            shown = cast("Mapping[str, Any]", (await self.api.ask("GET", link)).promised(200).answer)
            wanted = datetime.fromisoformat(shown["alternatives"][-1]["starts_at"])
            chosen = await self.api.ask("POST", link, {"starts_at": wanted.isoformat()})
            if chosen.promised(200).as_(Turno).starts_at != wanted:
                raise NotAsPromised("the turno is not where its client chose")

    async def reopens(self, closure: Mapping[str, Any], client: Person, turno: Turno) -> None:
        """Who has not answered has their own time again."""
        with self.screen.step("The barber stays after all: who has not answered keeps their time"):
            path = f"/v1/turnos/businesses/{self.shop.id}/closures/{closure['id']}"
            (await self.shop.owner.ask("DELETE", path)).promised(204)
            self.screen.message("client", await client.told("appointment_restored", turno))
            now = await client.turno(turno.id)
            if (now.status, now.starts_at) != ("confirmed", turno.starts_at):
                raise NotAsPromised(f"the turno is {now.status} at {now.starts_at.isoformat()}")
            counts = (await self._owned("GET", path, None))["counts"]
            self.screen.note(
                f"moved {counts['moved']}, kept {counts['kept']}, cancelled {counts['cancelled']}"
            )

    async def _owned(self, method: str, path: str, body: object) -> Mapping[str, Any]:
        done = await self.shop.owner.ask(method, path, body, key=str(uuid4()) if body else None)
        return cast("Mapping[str, Any]", done.promised(201 if method == "POST" else 200).answer)


def _link(message: DevMessage, name: str) -> str:
    """The path of a link, for the address in it may be seen from elsewhere."""
    parts = urlsplit(str(message.data["links"][name]))
    return f"{parts.path}?{parts.query}"
