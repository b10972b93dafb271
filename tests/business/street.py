"""Words of the business tests: owners on a street, their shops, and what turnos is asked."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, cast
from uuid import UUID

import httpx
from fastapi import FastAPI

from tests.callers import Callers
from tests.stage import Stage, until
from turnosya.contracts.business import Business, BusinessChanged, GetBusiness
from turnosya.contracts.turnos import (
    AffectedAppointment,
    ApplyBusiness,
    FreeOn,
    GetFreeOn,
    GetOpening,
    GetOpenNow,
    GetVisits,
    NeedsDecision,
    Opening,
    OpenNow,
    Visits,
)
from turnosya.contracts.users import Person, UserRegistered
from turnosya.runtime.ids import new_id
from turnosya.runtime.memory import MemoryTransport
from turnosya.runtime.messages import Nothing, Rpc
from turnosya.runtime.service import Host, Running, Service
from turnosya.services.business.context import Businesses
from turnosya.services.business.service import service as business
from turnosya.services.users.store import accounts as users_store
from turnosya.services.users.store.accounts import Account

BASE = "/v1/businesses"
ZONE = "America/Argentina/Buenos_Aires"
ADMIN = UUID("01900000-0000-7000-8000-0000000000ad")
"""The one who runs TurnosYa."""


async def _nothing_more() -> None:
    """What turnos does after it applied a change, unless a test says otherwise."""


@dataclass
class TurnosSide:
    """What turnos' contract promises, without turnos: stranded ones are listed, a version applies once."""

    copies: dict[UUID, Business] = field(default_factory=dict[UUID, Business])
    told: list[Business] = field(default_factory=list[Business])
    asked: list[ApplyBusiness] = field(default_factory=list[ApplyBusiness])
    future: dict[UUID, list[tuple[UUID, AffectedAppointment]]] = field(
        default_factory=dict[UUID, list[tuple[UUID, AffectedAppointment]]]
    )
    visited: dict[tuple[UUID, UUID], int] = field(default_factory=dict[tuple[UUID, UUID], int])
    open: set[UUID] = field(default_factory=set[UUID])
    free: dict[date, set[UUID]] = field(default_factory=dict[date, set[UUID]])
    openings: dict[UUID, Opening] = field(default_factory=dict[UUID, Opening])
    sought: list[int] = field(default_factory=list[int])
    """For how many businesses at once it was asked about their hours."""
    after_applying: Callable[[], Awaitable[None]] = _nothing_more

    def forget(self) -> None:
        """As if nothing had ever been booked or changed."""
        for held in (
            *(self.copies, self.told, self.asked, self.future, self.visited),
            *(self.open, self.free, self.sought, self.openings),
        ):
            held.clear()
        self.after_applying = _nothing_more

    def a_turno(self, business_id: UUID, *, service_id: UUID, staff_id: UUID) -> AffectedAppointment:
        """Somebody booked this service with this member."""
        starts_at = datetime(2030, 6, 14, 13, tzinfo=UTC)
        turno = AffectedAppointment(
            id=new_id(),
            starts_at=starts_at,
            ends_at=starts_at + timedelta(minutes=30),
            staff_id=staff_id,
            client_id=new_id(),
            status="confirmed",
        )
        self.future.setdefault(business_id, []).append((service_id, turno))
        return turno

    async def visits(self, request: GetVisits) -> Visits:
        """How often somebody was there."""
        return Visits(completed=self.visited.get((request.client_id, request.business_id), 0))

    async def open_now(self, request: GetOpenNow) -> OpenNow:
        """Those that a test has opened."""
        self.sought.append(len(request.business_ids))
        return OpenNow(business_ids=[one for one in request.business_ids if one in self.open])

    async def free_on(self, request: GetFreeOn) -> FreeOn:
        """Those to which a test has given a time that day."""
        self.sought.append(len(request.business_ids))
        free = self.free.get(request.day, set())
        return FreeOn(business_ids=[one for one in request.business_ids if one in free])

    async def opening(self, request: GetOpening) -> Opening:
        """What a test has said of it, else never open."""
        never = Opening(
            timezone=ZONE, open_now=False, closes_at=None, opens_at=None, weekly=[], next_times=[]
        )
        return self.openings.get(request.business_id, never)

    async def hear(self, event: BusinessChanged) -> None:
        """Keeps the newest version, as turnos does."""
        self.told.append(event.business)
        known = self.copies.get(event.business.id)
        if known is None or known.version < event.business.version:
            self.copies[event.business.id] = event.business

    async def apply(self, request: ApplyBusiness) -> Nothing:
        """Checks and takes over, as the contract of ``ApplyBusiness`` has it."""
        self.asked.append(request)
        wanted = request.business
        stranded = self._stranded(wanted)
        if stranded and request.on_conflict is None:
            raise NeedsDecision(appointments=stranded)
        self.copies[wanted.id] = wanted
        await self.after_applying()
        return Nothing()

    def _stranded(self, wanted: Business) -> list[AffectedAppointment]:
        here = self.future.get(wanted.id, [])
        if wanted.deleted or wanted.suspended or wanted.timezone != self.copies[wanted.id].timezone:
            return [turno for _, turno in here]
        members = {one.id for one in wanted.staff if one.active and not one.deleted}
        offered = {one.id for one in wanted.services if not one.deleted}
        return [turno for service, turno in here if turno.staff_id not in members or service not in offered]


def turnos_service(side: TurnosSide) -> Service[TurnosSide]:
    """Turnos as far as business knows it: on the bus, answering and hearing by the real contracts."""

    @asynccontextmanager
    async def open_side(_host: Host) -> AsyncGenerator[TurnosSide]:
        yield side

    return Service(
        name="turnos",
        open=open_side,
        answers=[
            ApplyBusiness.answered_by(TurnosSide.apply),
            GetVisits.answered_by(TurnosSide.visits),
            GetOpenNow.answered_by(TurnosSide.open_now),
            GetFreeOn.answered_by(TurnosSide.free_on),
            GetOpening.answered_by(TurnosSide.opening),
        ],
        hears=[BusinessChanged.heard_by(TurnosSide.hear, every_copy=True)],
        asks=[GetBusiness],
    )


@dataclass
class Street:
    """The business service with its database, real accounts behind it, and turnos beside it."""

    stage: Stage
    http: httpx.AsyncClient
    callers: Callers
    turnos: TurnosSide
    ana: UUID
    beto: UUID

    @property
    def business(self) -> Businesses:
        """The service under test."""
        context = self.stage.running["business"].context
        assert isinstance(context, Businesses)
        return context

    async def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        by: UUID | None = None,
        key: str | None = None,
        language: str = "en",
    ) -> httpx.Response:
        """One call under ``/v1/businesses``; without ``by`` nobody is signed in."""
        headers = {"Accept-Language": language}
        if by is not None:
            headers |= self.callers.headers(by, admin=by == ADMIN)
        if key is not None:
            headers["Idempotency-Key"] = key
        return await self.http.request(method, BASE + path, json=body, headers=headers)

    async def got(
        self, method: str, path: str, body: object = None, *, by: UUID | None = None, status: int = 200
    ) -> Any:  # noqa: ANN401 - any JSON
        """The same, when it answers as it should; what it says."""
        answer = await self.ask(method, path, body, by=by)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None

    async def refused(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        by: UUID | None = None,
        status: int,
        code: str,
    ) -> Any:  # noqa: ANN401 - any JSON
        """The problem document of a call that is refused just so."""
        answer = await self.ask(method, path, body, by=by)
        assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        return answer.json()

    async def a_shop(self, **fields: object) -> str:
        """Ana's barber shop; its path under ``/v1/businesses``."""
        body = {"name": "Barbería Ñandú", "timezone": ZONE} | fields
        made = await self.got("POST", "", body, by=self.ana, status=201)
        await self.turnos_knows(made["id"], version=1)
        return f"/{made['id']}"

    async def a_service(self, shop: str, **fields: object) -> Any:  # noqa: ANN401 - any JSON
        """A haircut of half an hour there."""
        body = {"name": "Corte", "duration_minutes": 30} | fields
        return await self.got("POST", f"{shop}/services", body, by=self.ana, status=201)

    async def a_member(self, shop: str, **fields: object) -> Any:  # noqa: ANN401 - any JSON
        """Somebody more who cuts hair there."""
        return await self.got("POST", f"{shop}/staff", {"name": "Caro"} | fields, by=self.ana, status=201)

    async def the_owner(self, shop: str) -> Any:  # noqa: ANN401 - any JSON
        """The member who is the owner."""
        return (await self.got("GET", f"{shop}/staff"))["items"][0]

    @asynccontextmanager
    async def another_copy(self) -> AsyncGenerator[httpx.AsyncClient]:
        """A client of a second process, so to say: on the same database, until the stage closes."""
        first = self.stage.running["business"]
        second = await self.stage.put_on(business)
        _web(second).state.tokens = _web(first).state.tokens
        try:
            async with self.stage.http("business") as http:
                yield http
        finally:
            self.stage.running["business"] = first

    def take_away(self, request: type[Rpc[Any]]) -> Callable[[], None]:
        """As if no process answered this request; what it returns brings it back."""
        transport = cast("MemoryTransport", self.stage.transport)
        answers = transport._answers  # pyright: ignore[reportPrivateUsage] - as if its process were gone
        away = answers.pop(request.wire_name)
        return lambda: answers.__setitem__(request.wire_name, away)

    async def turnos_knows(self, business_id: str, *, version: int) -> Business:
        """Turnos' copy, once it is this version or a later one."""

        async def look() -> int:
            known = self.turnos.copies.get(UUID(business_id))
            return 0 if known is None else known.version

        await until(look, lambda seen: seen >= version)
        return self.turnos.copies[UUID(business_id)]

    async def version(self, shop: str) -> int:
        """The version that business itself is at."""
        known = await self.stage.bus.call(GetBusiness(business_id=UUID(shop[1:])))
        return known.version

    async def rows(self) -> int:
        """How many rows there are of all that business keeps, events not yet relayed included."""
        async with self.business.db.read() as tx:
            counted = await tx.connection.exec_driver_sql(
                "SELECT (SELECT coalesce(sum(last_version), 0) FROM businesses)"
                " + (SELECT count(*) FROM services) + (SELECT count(*) FROM staff)"
            )
            return int(counted.scalar_one())


def _web(running: Running[Any]) -> FastAPI:
    app = cast("Any", running.app).app
    assert isinstance(app, FastAPI)
    return app


async def an_account(stage: Stage, name: str, phone: str) -> UUID:
    """Somebody with an account, whose password nobody needs here."""
    now = datetime.now(UTC)
    account = Account(new_id(), phone, name, None, "es", "no password", [], now)
    db = stage.running["users"].host.db
    person = Person(id=account.id, name=name, phone=phone, email=None, locale="es", roles=[])
    async with db.transaction() as tx:
        await users_store.add(tx, account)
        await tx.publish(UserRegistered(person=person))
    return account.id
