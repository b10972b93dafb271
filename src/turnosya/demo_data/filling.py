"""Writes the town through the services' own commands, beside a running system or without one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from turnosya.app import SERVICES, Target, database_of, storing_bus
from turnosya.contracts.business import Business
from turnosya.contracts.files import FileFacts
from turnosya.demo_data import drawing, town
from turnosya.demo_data.drawing import Look
from turnosya.demo_data.town import Establishment, Resident
from turnosya.runtime.clock import Clock
from turnosya.runtime.identity import TokenVerifier
from turnosya.runtime.ids import new_id
from turnosya.runtime.service import Host
from turnosya.runtime.settings import load
from turnosya.services.business import demo as business_demo
from turnosya.services.business.context import Businesses
from turnosya.services.business.pictures_state import Place
from turnosya.services.files import demo as files_demo
from turnosya.services.files.context import Files
from turnosya.services.turnos import demo as turnos_demo
from turnosya.services.turnos.context import Turnos
from turnosya.services.users import demo as users_demo
from turnosya.services.users.context import Users
from turnosya.services.users.registration import NewPerson

C = TypeVar("C")
_DAYS_BACK, _DAYS_AHEAD = 20, 10
_PICTURES: Sequence[tuple[Place, Callable[[Look], bytes], str | None]] = (
    ("profile_image", drawing.profile_image, None),
    ("portrait_image", drawing.portrait_image, None),
    ("gallery", drawing.front, "El frente"),
    ("gallery", drawing.inside, "Adentro"),
)


@dataclass(frozen=True, slots=True)
class Filled:
    """What is there now; ``turnos`` only those made this time."""

    people: int
    businesses: int
    turnos: int
    pictures: int
    """Those only that were drawn this time."""
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
        files = await _opened(target, "files", Files, stack)
        turnos = pictures = 0
        for place, owner_id in zip(places, owner_ids, strict=True):
            business, added = await _open(here, agendas, place, _Folk(owner_id, client_ids))
            turnos += added
            pictures += await _decorate(here, files, place, business)
    return Filled(
        people=len(client_ids) + len(owner_ids),
        businesses=len(places),
        turnos=turnos,
        pictures=pictures,
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


async def _open(here: Businesses, agendas: Turnos, place: Establishment, folk: _Folk) -> tuple[Business, int]:
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
    return business, await turnos_demo.fill_agenda(agendas, business, month, town.chance(place.profile.name))


async def _decorate(here: Businesses, files: Files, place: Establishment, business: Business) -> int:
    """Draws what a business shows, unless it shows something; how many pictures."""
    if await business_demo.shows_pictures(here, business.id):
        return 0
    look = drawing.look_of(business.name, place.trade.category, town.chance(business.name))
    images: list[tuple[Place, FileFacts, str | None]] = []
    for where, draw, caption in _PICTURES:
        jpeg = await asyncio.to_thread(draw, look)
        images.append(
            (where, await files_demo.add_image(files, business.owner_id, business.id, jpeg), caption)
        )
    await business_demo.hang(here, business.id, images)
    return len(images)


def _today(place: Establishment) -> date:
    return datetime.now(ZoneInfo(place.profile.timezone)).date()
