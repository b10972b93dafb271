"""Reading turnos: one, or a list of them, by those who may see them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from turnosya.contracts.turnos import GetVisits, Visits
from turnosya.runtime.database import Transaction
from turnosya.runtime.messages import NotFound
from turnosya.services.turnos import completing, copies, lapsing, rules
from turnosya.services.turnos.fresh import Stale
from turnosya.services.turnos.shops import Shop
from turnosya.services.turnos.store import turnos as turno_store
from turnosya.services.turnos.store.turnos import Wanted
from turnosya.services.turnos.turno import Status, Turno

if TYPE_CHECKING:
    from turnosya.services.turnos.context import Turnos


@dataclass(frozen=True, slots=True)
class Seen:
    """A turno, its business, and whether the one who looks runs that business."""

    turno: Turno
    shop: Shop
    by_business: bool


async def seen_by(turnos: Turnos, user_id: UUID, turno_id: UUID) -> Seen:
    """A turno for its client or its business; NotFound for everybody else."""
    async with turnos.db.read() as tx:
        turno = await turno_store.find(tx, turno_id)
    if turno is None or turno.status is Status.HELD:
        raise NotFound
    shop = await copies.kept_shop(turnos, turno.business_id)
    if turno.client_id != user_id:
        shop = await copies.shop_where(turnos, shop, lambda shop: shop.is_run_by(user_id))
    by_business = shop.is_run_by(user_id)
    if not by_business and turno.client_id != user_id:
        raise NotFound
    if not await _time_has_ended(turnos, [turno]):
        return Seen(turno, shop, by_business)
    return await seen_by(turnos, user_id, turno_id)


async def seen_by_link(turnos: Turnos, turno_id: UUID) -> Seen:
    """A turno as its own client sees it, for whoever has a signed link to it."""
    async with turnos.db.read() as tx:
        turno = await turno_store.find(tx, turno_id)
    if turno is None or turno.status is Status.HELD:
        raise NotFound
    if await _time_has_ended(turnos, [turno]):
        return await seen_by_link(turnos, turno_id)
    return Seen(turno, await copies.kept_shop(turnos, turno.business_id), by_business=False)


async def _time_has_ended(turnos: Turnos, found: Sequence[Turno]) -> bool:
    """Lets lapse and completes what nobody has done so to yet; whether there was any of it."""
    now = turnos.clock.now()
    lapsed = [turno.id for turno in found if rules.has_lapsed(turno, now)]
    over = [turno for turno in found if rules.is_over(turno, now)]
    for turno_id in lapsed:
        await lapsing.expire(turnos, turno_id)
    await completing.complete(turnos, over)
    return bool(lapsed or over)


async def locked(tx: Transaction, seen: Turno, *, now: datetime) -> Turno:
    """A turno as it is under the lock of its member; Stale if it has gone to another or is over meanwhile."""
    turno = await turno_store.find_locked(tx, seen.id)
    if turno is None:
        raise NotFound
    if turno.staff_id != seen.staff_id or rules.has_lapsed(turno, now):
        raise Stale
    return turno


async def listed(
    turnos: Turnos, wanted: Wanted, *, after: tuple[datetime, UUID] | None, limit: int
) -> list[tuple[Turno, str]]:
    """Turnos by start, each with the name of its business's zone."""
    rows = await _listed(turnos, wanted, after=after, limit=limit)
    if await _time_has_ended(turnos, [turno for turno, _ in rows]):
        return await _listed(turnos, wanted, after=after, limit=limit)
    return rows


async def _listed(
    turnos: Turnos, wanted: Wanted, *, after: tuple[datetime, UUID] | None, limit: int
) -> list[tuple[Turno, str]]:
    async with turnos.db.read() as tx:
        return await turno_store.listed(tx, wanted, after=after, limit=limit)


async def visits(turnos: Turnos, request: GetVisits) -> Visits:
    """How often a client came to a business."""
    async with turnos.db.read() as tx:
        completed = await turno_store.completed(
            tx,
            client_id=request.client_id,
            business_id=request.business_id,
            over_before=turnos.clock.now() - rules.COMPLETES_AFTER,
        )
    return Visits(completed=completed)
