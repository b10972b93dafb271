"""What a business offers on some days."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from turnosya.services.turnos import copies
from turnosya.services.turnos.availability import Limits, Slot, free_starts
from turnosya.services.turnos.fresh import Stale, until_fresh
from turnosya.services.turnos.shops import Shop
from turnosya.services.turnos.store import taken
from turnosya.services.turnos.windows import Window, local_date

if TYPE_CHECKING:
    from turnosya.services.turnos.context import Turnos

# A window that opens on a day can reach almost to the second midnight after it, a buffer a day further, and
# midnight of a zone is up to 14 hours from the midnight of UTC that is taken here.
_ROOM = timedelta(days=3)


@dataclass(frozen=True, slots=True)
class Inquiry:
    """Which slots somebody asks for; the dates are opening days, both included (R7)."""

    business_id: UUID
    service_id: UUID
    first_day: date
    last_day: date
    staff_id: UUID | None = None


async def offered(turnos: Turnos, inquiry: Inquiry) -> tuple[Shop, list[Slot]]:
    """The business and what it offers, earliest first."""
    try:
        return await _look(turnos, inquiry, await copies.recent_shop(turnos, inquiry.business_id))
    except Stale:
        return await until_fresh(lambda: _look_anew(turnos, inquiry))


async def _look_anew(turnos: Turnos, inquiry: Inquiry) -> tuple[Shop, list[Slot]]:
    return await _look(turnos, inquiry, await copies.current_shop(turnos, inquiry.business_id))


async def _look(turnos: Turnos, inquiry: Inquiry, shop: Shop) -> tuple[Shop, list[Slot]]:
    copies.trading(shop)
    shop = await copies.shop_where(
        turnos, shop, lambda shop: shop.knows(inquiry.staff_id, [inquiry.service_id])
    )
    if inquiry.staff_id is not None:
        shop.member(inquiry.staff_id)
    sought = shop.sought((inquiry.service_id,))
    now = turnos.clock.now()
    limits = shop.client_limits(now)
    days = _days(shop, inquiry, limits, now)
    first, last = (days[0], days[-1]) if days else (local_date(shop.calendar.zone, now),) * 2
    async with turnos.db.read() as tx:
        found = await taken.between(
            tx,
            sought,
            business_id=inquiry.business_id,
            staff_ids=[inquiry.staff_id] if inquiry.staff_id else sought.staff_ids,
            span=Window(_midnight(first, now) - _ROOM, _midnight(last, now) + _ROOM + timedelta(days=1)),
            now=now,
        )
    if found is None or found.revisions != shop.revisions:
        raise Stale
    slots = free_starts(
        shop.calendar,
        sought,
        found.taken,
        days=days,
        limits=limits,
        staff_id=inquiry.staff_id,
        loads=found.loads,
    )
    return shop, slots


def _days(shop: Shop, inquiry: Inquiry, limits: Limits, now: datetime) -> Sequence[date]:
    """The asked opening days that can have a start within the limits."""
    today = local_date(shop.calendar.zone, now)
    first = max(inquiry.first_day, today - timedelta(days=1))
    last = min(inquiry.last_day, local_date(shop.calendar.zone, limits.until_at))
    return [first + timedelta(days=shift) for shift in range((last - first).days + 1)]


def _midnight(day: date, now: datetime) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=now.tzinfo)
