"""Which of some businesses are open, or have a time left: for who looks for one, many at once."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from turnosya.contracts.business import Offered
from turnosya.contracts.turnos import FreeOn, GetFreeOn, GetOpenNow, OpenNow
from turnosya.services.turnos.availability import Taken, free_starts
from turnosya.services.turnos.shops import Shop
from turnosya.services.turnos.store import shops, taken
from turnosya.services.turnos.windows import Window

if TYPE_CHECKING:
    from turnosya.services.turnos.context import Turnos

_A_MOMENT = timedelta(seconds=1)
_AT_MOST = 50
# A date begins up to 14 hours before the midnight of UTC, its windows reach almost to the second one after,
# and buffers a day further.
_BEFORE, _AFTER = timedelta(days=2), timedelta(days=4)


async def open_now(turnos: Turnos, request: GetOpenNow) -> OpenNow:
    """Those of the businesses where somebody attends now."""
    now = turnos.clock.now()
    moment = Window(now, now + _A_MOMENT)
    found = await _trading(turnos, request.business_ids)
    return OpenNow(business_ids=[shop.business.id for shop in found if _is_open(shop, moment)])


def _is_open(shop: Shop, moment: Window) -> bool:
    return any(
        shop.calendar.is_open(one.id, moment) for one in shop.business.staff if one.active and not one.deleted
    )


async def free_on(turnos: Turnos, request: GetFreeOn) -> FreeOn:
    """Those of the businesses that offer a start in a window that opens on the date."""
    now = turnos.clock.now()
    found = await _trading(turnos, request.business_ids)
    midnight = datetime(request.day.year, request.day.month, request.day.day, tzinfo=UTC)
    span = Window(midnight - _BEFORE, midnight + _AFTER)
    staff_ids = [one.id for shop in found for one in shop.business.staff if one.active and not one.deleted]
    async with turnos.db.read() as tx:
        busy = await taken.of_members(tx, staff_ids, span, now=now)
    of_member: defaultdict[UUID, list[Taken]] = defaultdict(list)
    for one in busy:
        of_member[one.staff_id].append(one)
    free: list[UUID] = []
    for shop in found:
        if _has_a_start(shop, request.day, of_member, now):
            free.append(shop.business.id)
        # Each is a millisecond or so: others come in between.
        await asyncio.sleep(0)
    return FreeOn(business_ids=free)


def _has_a_start(shop: Shop, day: date, busy: Mapping[UUID, Sequence[Taken]], now: datetime) -> bool:
    limits = shop.client_limits(now)
    for service in _different(shop.business.services):
        sought = shop.sought((service.id,))
        around = [one for member in sought.staff_ids for one in busy.get(member, ())]
        if free_starts(shop.calendar, sought, around, days=[day], limits=limits):
            return True
    return False


def _different(services: Iterable[Offered]) -> Iterable[Offered]:
    """What is offered, the shortest first, once of each that needs the same time of the same people."""
    seen: set[tuple[object, ...]] = set()
    for one in sorted(services, key=lambda one: one.duration_minutes):
        who = None if one.staff_ids is None else frozenset(one.staff_ids)
        shared = one.id if one.capacity > 1 else None
        key = (one.duration_minutes, one.buffer_before_minutes, one.buffer_after_minutes, who, shared)
        if one.active and not one.deleted and key not in seen:
            seen.add(key)
            yield one


async def _trading(turnos: Turnos, ids: Sequence[UUID]) -> list[Shop]:
    """Those that turnos knows and that take clients, as they are now, in the order of the question."""
    async with turnos.db.read() as tx:
        revisions = await shops.revisions_of(tx, ids[:_AT_MOST])
        kept = {one: turnos.window.get(one) for one in revisions}
        known = {one: shop for one, shop in kept.items() if shop and shop.revisions == revisions[one]}
        for shop in await shops.find_many(tx, [one for one in revisions if one not in known]):
            turnos.window.put(shop)
            known[shop.business.id] = shop
    found = [known[one] for one in dict.fromkeys(ids[:_AT_MOST]) if one in known]
    return [shop for shop in found if not shop.is_shut]
