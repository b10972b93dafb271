"""How turnos stand at this moment, for other services that speak of them."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from turnosya.contracts.turnos import Card, Cards, GetCards
from turnosya.services.turnos import copies
from turnosya.services.turnos.shops import Shop
from turnosya.services.turnos.store import turnos as turno_store
from turnosya.services.turnos.turno import Turno

if TYPE_CHECKING:
    from turnosya.services.turnos.context import Turnos

_AT_MOST = 50


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
