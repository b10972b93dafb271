"""Writes the town through the services' own commands, beside a running system or without one."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from turnosya.app import SERVICES, Target, database_of, storing_bus
from turnosya.demo_data import town
from turnosya.demo_data.town import Establishment, Resident
from turnosya.runtime.clock import Clock
from turnosya.runtime.identity import TokenVerifier
from turnosya.runtime.ids import new_id
from turnosya.runtime.service import Host
from turnosya.runtime.settings import load
from turnosya.services.business import demo as business_demo
from turnosya.services.business.context import Businesses
from turnosya.services.turnos import demo as turnos_demo
from turnosya.services.turnos.context import Turnos
from turnosya.services.users import demo as users_demo
from turnosya.services.users.context import Users
from turnosya.services.users.registration import NewPerson

C = TypeVar("C")
_DAYS_BACK, _DAYS_AHEAD = 20, 10


@dataclass(frozen=True, slots=True)
class Filled:
    """What is there now; ``turnos`` only those made this time."""

    people: int
    businesses: int
    turnos: int
    owner_phone: str
    client_phone: str


async def fill_town(
    target: Target, *, businesses: int = town.BUSINESSES, clients: int = town.CLIENTS
) -> Filled:
    """Makes what is missing of the town; a second run makes nothing."""
    residents, places = town.residents(clients), town.establishments(businesses)
    async with AsyncExitStack() as stack:
        users = await _opened(target, "users", Users, stack)
        client_ids = await _people(users, residents)
        owner_ids = await _people(users, [place.owner for place in places])
        here = await _opened(target, "business", Businesses, stack)
        agendas = await _opened(target, "turnos", Turnos, stack)
        turnos = 0
        for place, owner_id in zip(places, owner_ids, strict=True):
            turnos += await _open(here, agendas, place, _Folk(owner_id, client_ids))
    return Filled(
        people=len(client_ids) + len(owner_ids),
        businesses=len(places),
        turnos=turnos,
        owner_phone=places[0].owner.phone,
        client_phone=residents[0].phone,
    )


async def _opened(target: Target, name: str, kind: type[C], stack: AsyncExitStack) -> C:
    """The context of a service without the service: its stores, and nobody else to talk to."""
    service, bus = SERVICES[name], storing_bus(target)
    db = await stack.enter_async_context(database_of(target, name))
    settings = load(service.settings, target.defaults)
    tokens = TokenVerifier(_no_keys)
    host = Host(settings, target.process, target.env, bus, Clock(), tokens, new_id(), {}, db, None)
    context: Any = await stack.enter_async_context(service.open(host))
    assert isinstance(context, kind)  # noqa: S101 - what that service opens
    return context


async def _no_keys() -> Sequence[dict[str, str]]:
    return ()


async def _people(users: Users, residents: Sequence[Resident]) -> list[UUID]:
    people = [
        NewPerson(phone=one.phone, name=one.name, password=town.PASSWORD, email=None, locale=one.locale)
        for one in residents
    ]
    return await users_demo.add_people(users, people)


@dataclass(frozen=True, slots=True)
class _Folk:
    owner_id: UUID
    client_ids: Sequence[UUID]


async def _open(here: Businesses, agendas: Turnos, place: Establishment, folk: _Folk) -> int:
    business = await business_demo.open_business(
        here,
        folk.owner_id,
        place.owner.name,
        place.profile,
        offers=place.offers,
        staff_names=place.staff_names,
    )
    today = _today(place)
    month = turnos_demo.Month(
        weekly=place.weekly,
        clients=folk.client_ids,
        first_on=today - timedelta(days=_DAYS_BACK),
        last_on=today + timedelta(days=_DAYS_AHEAD),
        turnos_a_day=place.trade.turnos_a_day,
    )
    return await turnos_demo.fill_agenda(agendas, business, month, town.chance(place.profile.name))


def _today(place: Establishment) -> date:
    return datetime.now(ZoneInfo(place.profile.timezone)).date()
