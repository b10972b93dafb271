"""How things stand at this moment, for other services: who is open, what has become of a turno."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID
from zoneinfo import ZoneInfo

from turnosya.contracts.turnos import Card, Cards, GetCards, GetOpenNow, OpenNow
from turnosya.runtime.messages import NotFound
from turnosya.services.turnos import copies
from turnosya.services.turnos.shops import Shop
from turnosya.services.turnos.store import turnos as turno_store
from turnosya.services.turnos.turno import Turno
from turnosya.services.turnos.windows import Window

if TYPE_CHECKING:
    from turnosya.services.turnos.context import Turnos

_A_MOMENT = timedelta(seconds=1)
_AT_MOST = 50


async def open_now(turnos: Turnos, request: GetOpenNow) -> OpenNow:
    """Those of the businesses where somebody attends now."""
    found = [one for one in request.business_ids[:_AT_MOST] if await _is_open(turnos, one)]
    return OpenNow(business_ids=found)


async def _is_open(turnos: Turnos, business_id: UUID) -> bool:
    try:
        shop = await copies.recent_shop(turnos, business_id)
    except NotFound:
        return False
    if shop.is_shut:
        return False
    now = turnos.clock.now()
    moment = Window(now, now + _A_MOMENT)
    return any(
        shop.calendar.is_open(one.id, moment) for one in shop.business.staff if one.active and not one.deleted
    )


async def cards(turnos: Turnos, request: GetCards) -> Cards:
    """Turnos of one client with one business, as they are."""
    async with turnos.db.read() as tx:
        found = await turno_store.find_many(tx, request.appointment_ids[:_AT_MOST])
    theirs = [
        one for one in found if one.business_id == request.business_id and one.client_id == request.client_id
    ]
    if not theirs:
        return Cards(cards=[])
    shop = await copies.recent_shop(turnos, request.business_id)
    return Cards(cards=[_card(shop, one) for one in theirs])


def _card(shop: Shop, turno: Turno) -> Card:
    zone = ZoneInfo(shop.business.timezone)
    return Card(
        appointment_id=turno.id,
        status=turno.status,
        service_name=next((one.name for one in shop.business.services if one.id == turno.service_id), ""),
        staff_name=next((one.name for one in shop.business.staff if one.id == turno.staff_id), ""),
        starts_at=turno.starts_at.astimezone(zone),
        ends_at=turno.ends_at.astimezone(zone),
    )
