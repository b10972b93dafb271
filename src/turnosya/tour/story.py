"""The story of the tour: two people, one business, one turno."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from turnosya.tour.answers import Slot, Turno
from turnosya.tour.client import Api, NotAsPromised
from turnosya.tour.people import Person, Shop, open_shop, sign_up
from turnosya.tour.screen import Screen

STEPS = 11
_OWNERS = ("Marta Quiroga", "Inés Balcarce", "Rubén Ledesma", "Oscar Montivero")
_CLIENTS = ("Emily Farrow", "Jonah Whitlock", "Priya Menon", "Carl Lindqvist")
_SHOPS = ("Barbería El Peine", "Peluquería La Siesta", "Estudio Corte Fino", "Salón Doña Marta")
_OK_STATES = ("ok", "degraded")


async def tell(api: Api, screen: Screen, *, keep: bool) -> None:
    """Runs the whole story; raises ``NotAsPromised`` at the first thing that differs from it."""
    await _health(api, screen)
    owner, client = await _people(api, screen)
    scene = _Scene(screen, await _business(screen, owner), client)
    turno, other = await scene.books()
    await scene.cancels(await scene.is_moved(turno, other))
    with screen.step("What stays" if keep else "Tidying up"):
        if keep:
            scene.leave()
        else:
            await scene.tidy_up()


async def _health(api: Api, screen: Screen) -> None:
    with screen.step("The system says how it is"):
        found = (await api.ask("GET", "/v1/checks/health")).promised(200)
        status = cast("Mapping[str, object]", found.answer).get("status")
        if status not in _OK_STATES:
            raise NotAsPromised(f"the system says that it is {status!r}")


async def _people(api: Api, screen: Screen) -> tuple[Person, Person]:
    with screen.step("A barber signs up with a phone, in Spanish"):
        owner = await sign_up(api, secrets.choice(_OWNERS), language="es")
        _show_code(screen, owner, "barber")
    with screen.step("A client signs up with a phone, in English"):
        client = await sign_up(api, secrets.choice(_CLIENTS), language="en")
        _show_code(screen, client, "client")
    with screen.step("Both log in: password, then a code"):
        for person, reader in ((owner, "barber"), (client, "client")):
            await person.log_in()
            _show_code(screen, person, reader)
            me = (await person.ask("GET", "/v1/users/me")).promised(200)
            if cast("Mapping[str, object]", me.answer).get("name") != person.name:
                raise NotAsPromised(f"{me.call} does not answer the name that was given at sign-up")
    return owner, client


def _show_code(screen: Screen, person: Person, reader: str) -> None:
    if person.newest_code is not None:
        screen.message(reader, person.newest_code)


async def _business(screen: Screen, owner: Person) -> Shop:
    with screen.step("The barber opens a business with services and weekly hours"):
        return await open_shop(
            owner,
            secrets.choice(_SHOPS),
            services=(
                {"name": "Corte", "duration_minutes": 30, "price": {"amount": 1500000, "currency": "ARS"}},
                {"name": "Corte y barba", "duration_minutes": 60, "buffer_after_minutes": 10},
            ),
            schedule={"slot_step_minutes": 30},
        )


@dataclass(frozen=True, slots=True)
class _Scene:
    """An open shop, a client, and what passes between them."""

    screen: Screen
    shop: Shop
    client: Person

    async def books(self) -> tuple[Turno, Slot]:
        """The turno, and another time that was free."""
        with self.screen.step("Anybody sees the free times"):
            slots = await self.shop.slots()
            if len(slots) < 2:  # noqa: PLR2004 - one to book, one to move to
                raise NotAsPromised(
                    "a business that opens every day offers fewer than two times in two weeks"
                )
            first, other = slots[0], slots[1]
            self.screen.note(f"the first two: {first.starts_at.isoformat()}, {other.starts_at.isoformat()}")
        with self.screen.step("The client books one, and both sides are told"):
            turno = (await self.client.book(self.shop, first.starts_at)).promised(201).as_(Turno)
            if turno.status != "confirmed" or turno.starts_at != first.starts_at:
                raise NotAsPromised(f"the turno is {turno.status} at {turno.starts_at.isoformat()}")
            await self._both_told(turno, "appointment_booked")
        with self.screen.step("Nobody else gets that time"):
            refused = (await self.shop.owner.book(self.shop, first.starts_at)).promised(409, "slot_taken")
            if refused.reason != "taken":
                raise NotAsPromised(f"the refusal gives the reason {refused.reason}, not 'taken'")
            await self._expect(turno, offered=False)
        return turno, other

    async def is_moved(self, turno: Turno, to: Slot) -> Turno:
        """The same turno at another time."""
        with self.screen.step("The barber moves it, and both sides are told"):
            moved = (await self.shop.owner.move(turno, to.starts_at)).promised(200).as_(Turno)
            if moved.id != turno.id or moved.starts_at != to.starts_at:
                raise NotAsPromised("a moved turno keeps its id and has the new time, and this one does not")
            await self._both_told(moved, "appointment_moved")
            await self._expect(turno, offered=True)
            await self._expect(moved, offered=False)
        return moved

    async def cancels(self, turno: Turno) -> None:
        """Frees its time; a second time it is refused."""
        with self.screen.step("The client cancels, and both sides are told"):
            cancelled = (await self.client.cancel(turno, "I will be out of town")).promised(200).as_(Turno)
            if cancelled.status != "cancelled":
                raise NotAsPromised(f"the turno is {cancelled.status} after it was cancelled")
            await self._both_told(cancelled, "appointment_cancelled")
            await self._expect(turno, offered=True)
            (await self.client.cancel(turno)).promised(409, "appointment_not_active")

    async def _both_told(self, turno: Turno, template: str) -> None:
        to_client, to_owner = await asyncio.gather(
            self.client.told(template, turno, starts_at=turno.starts_at),
            self.shop.owner.told(template, turno, starts_at=turno.starts_at),
        )
        self.screen.message("client", to_client)
        self.screen.message("barber", to_owner)

    async def _expect(self, turno: Turno, *, offered: bool) -> None:
        listed = any(slot.starts_at == turno.starts_at for slot in await self.shop.slots(reader=self.client))
        if listed != offered:
            state = "still taken" if offered else "still offered"
            raise NotAsPromised(f"{turno.starts_at.isoformat()} is {state}")

    def leave(self) -> None:
        """Says how to be one of them."""
        self.screen.note(f"the business {self.shop.name!r}: {self.shop.id}")
        for person in (self.shop.owner, self.client):
            self.screen.note(f"{person.name}: phone {person.phone}, password {person.password}")

    async def tidy_up(self) -> None:
        """Takes away what can be taken away."""
        (await self.shop.owner.ask("DELETE", f"/v1/businesses/{self.shop.id}")).promised(204)
        left: list[str] = []
        for person in (self.shop.owner, self.client):
            erased = await person.ask("DELETE", "/v1/users/me", {"password": person.password})
            if erased.status != 204:  # noqa: PLR2004 - not every version can erase people
                left.append(person.phone)
                (await person.ask("POST", "/v1/auth/logout")).promised(204)
        if left:
            self.screen.note(f"this version cannot erase {' and '.join(left)}: they stay, logged out")
