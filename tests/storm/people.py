"""Those who use the system during a storm: as apps do, they repeat what got no answer."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import Any
from uuid import UUID, uuid4

import httpx

from tests.flows.world import insist
from tests.storm.ledger import KnownTurno, Ledger, Try
from turnosya.tour.answers import Tokens, Turno
from turnosya.tour.client import Api, Exchange, NotAsPromised, trusted
from turnosya.tour.people import Person, Shop, new_session

PATIENCE_S = 45.0
_PAUSE_S = 0.25
_THINKS_S = 0.25


class GivenUp(Exception):
    """A call was not answered within the patience of a client."""


class StormApi(Api):
    """Goes through any of the gateways; every try is written down."""

    def __init__(self, urls: Sequence[str], ledger: Ledger, chance: random.Random) -> None:
        super().__init__(urls[0])
        self._others = [httpx.AsyncClient(base_url=url, timeout=10, verify=trusted()) for url in urls[1:]]
        self._ways = [self.http, *self._others]
        self._ledger = ledger
        self._chance = chance

    async def ask(self, method: str, path: str, body: object = None, **more: Any) -> Exchange:  # noqa: ANN401 - as of Api.ask
        """The product's answer, after as many tries as it takes; raises ``GivenUp`` after 45 s."""
        kind = _kind(method, path)
        until = monotonic() + PATIENCE_S
        while True:
            self.http = self._chance.choice(self._ways)
            began_s, status = self._ledger.now_s(), None
            try:
                exchange = await super().ask(method, path, body, **more)
            except NotAsPromised as error:
                status = _status_in(str(error))
                # The door says these when what is behind it is away; anything else is a fault of ours.
                if status is not None and status not in {502, 503, 504}:
                    raise
            else:
                status = exchange.status
                return exchange
            finally:
                self._ledger.tries.append(Try(began_s, kind, self._ledger.now_s() - began_s, status))
            if monotonic() > until:
                self._ledger.given_up.append(f"{method} {path}, {self._ledger.now_s():.0f} s, {status}")
                raise GivenUp(f"{method} {path}")
            await asyncio.sleep(_PAUSE_S)

    async def __aexit__(self, *_: object) -> None:
        for way in self._ways:
            await way.aclose()


def _status_in(text: str) -> int | None:
    words = text.partition(" failed with ")[2].split()
    return int(words[0]) if words else None


def _kind(method: str, path: str) -> str:
    for part, kind in _KINDS.items():
        if part in path:
            return kind
    return "book" if (method, path) == ("POST", "/v1/turnos/appointments") else "read"


_KINDS = {
    "/slots": "slots",
    "/reschedule": "move",
    "/cancel": "cancel",
    "/v1/auth/": "log in",
    "/v1/dev/": "messages",
    "/v1/chat": "chat",
}


@dataclass
class Client:
    """One client and all they do, one thing after the other."""

    person: Person
    shops: Sequence[Shop]
    ledger: Ledger
    chance: random.Random
    turnos: list[KnownTurno] = field(default_factory=list[KnownTurno])
    talks: dict[UUID, str] = field(default_factory=dict[UUID, str])

    async def live(self, until_s: float) -> None:
        """Does one thing after the other until the storm is over."""
        wishes: Mapping[Callable[[], Awaitable[None]], int] = {
            self._book: 40,
            self._move: 20,
            self._cancel: 12,
            self._look: 16,
            self._refresh: 8,
            self._log_in_again: 4,
            self._write: 20,
        }
        while self.ledger.now_s() < until_s:
            wish = self.chance.choices(list(wishes), list(wishes.values()))[0]
            with suppress(GivenUp):
                await wish()
            await asyncio.sleep(self.chance.expovariate(1 / _THINKS_S))

    async def _book(self) -> None:
        shop = self.chance.choice(self.shops)
        slots = await shop.slots(reader=self.person)
        # Most want what others want too: the first free times.
        slot = slots[min(int(self.chance.expovariate(1 / 4)), len(slots) - 1)]
        try:
            answer = await self.person.book(shop, slot.starts_at)
        except GivenUp:
            self.ledger.unanswered_bookings.append((self.person.id, slot.starts_at))
            return
        if answer.status == 201:
            turno = answer.as_(Turno)
            known = KnownTurno(turno.id, self.person.id, shop.owner.id, turno.starts_at, ["booked"])
            self.ledger.turnos[turno.id] = known
            self.turnos.append(known)
        elif answer.status != 409:
            answer.promised(201)

    async def _move(self) -> None:
        if known := self._one_of_mine():
            shop = self.chance.choice(self.shops)
            slots = await shop.slots(reader=self.person)
            # To the time it has already is no change, and its history shows none.
            slot = self.chance.choice([one for one in slots if one.starts_at != known.starts_at])
            body = {"starts_at": slot.starts_at.isoformat()}
            await self._change(known, "reschedule", body, "moved")

    async def _cancel(self) -> None:
        if known := self._one_of_mine():
            await self._change(known, "cancel", {}, "cancelled")

    async def _change(self, known: KnownTurno, action: str, body: Mapping[str, str], step: str) -> None:
        path = f"/v1/turnos/appointments/{known.id}/{action}"
        try:
            answer = await self.person.ask("POST", path, body, key=str(uuid4()))
        except GivenUp:
            known.is_unsure = True
            self.turnos.remove(known)
            return
        if answer.status == 200:
            known.starts_at = answer.as_(Turno).starts_at
            known.steps.append(step)
            if step == "cancelled":
                self.turnos.remove(known)
        elif answer.status not in {409, 422}:
            answer.promised(200)

    def _one_of_mine(self) -> KnownTurno | None:
        return self.chance.choice(self.turnos) if self.turnos else None

    async def _look(self) -> None:
        (await self.person.ask("GET", "/v1/users/me")).promised(200)
        params: dict[str, str | int] = {"role": "client", "limit": 20}
        (await self.person.ask("GET", "/v1/turnos/appointments", params=params)).promised(200)

    async def _write(self) -> None:
        shop = self.chance.choice(self.shops)
        if shop.id not in self.talks:
            body = {"business_id": str(shop.id)}
            opened = await self.person.ask("POST", "/v1/chat/conversations", body)
            self.talks[shop.id] = str(opened.answer["id"])
        talk, own_id = self.talks[shop.id], str(uuid4())
        writer = self.chance.choice([self.person, shop.owner])
        said = {"text": "¿Hay lugar?", "client_message_id": own_id}
        answer = await writer.ask("POST", f"/v1/chat/conversations/{talk}/messages", said)
        if answer.status not in {200, 201}:
            answer.promised(201)
        self.ledger.messages[talk, writer.id, own_id] = answer.answer["seq"]

    async def _refresh(self) -> None:
        assert self.person.tokens is not None
        body = {"refresh_token": self.person.tokens.refresh_token}
        answer = await self.person.api.ask("POST", "/v1/auth/refresh", body, key=str(uuid4()))
        self.person.tokens = answer.promised(200).as_(Tokens)

    async def _log_in_again(self) -> None:
        # A code whose answer was lost is used up: one begins again, as a person would.
        self.person.tokens = await insist(lambda: new_session(self.person, "storm"), within_s=PATIENCE_S)
        self.ledger.log_ins[self.person.id] = self.ledger.log_ins.get(self.person.id, 0) + 1
