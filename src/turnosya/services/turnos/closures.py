"""Closing a business for a while: one plan for all whom it affects, offered or carried out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from turnosya.runtime.database import Transaction
from turnosya.runtime.idempotency import Kept, Once
from turnosya.runtime.ids import new_id
from turnosya.runtime.messages import Forbidden, NotFound
from turnosya.services.turnos import copies, grounds
from turnosya.services.turnos.arranging import arrange
from turnosya.services.turnos.closure import Closing
from turnosya.services.turnos.closure_resources import closure_resource
from turnosya.services.turnos.fresh import until_fresh
from turnosya.services.turnos.replanning import Ground
from turnosya.services.turnos.shops import Shop
from turnosya.services.turnos.store import closures as store
from turnosya.services.turnos.store import seats, shops
from turnosya.services.turnos.windows import Window

if TYPE_CHECKING:
    from turnosya.services.turnos.context import Turnos


@dataclass(frozen=True, slots=True)
class Order:
    """What an owner wants closed, and what is to become of the turnos in it; None is the schedule's."""

    business_id: UUID
    owner_id: UUID
    span: Window
    staff_id: UUID | None
    reason: str | None
    reschedule: str | None
    horizon_days: int | None

    def closing(self, shop: Shop, now: datetime) -> Closing:
        """The closure that this order makes."""
        return Closing(
            id=new_id(),
            business_id=self.business_id,
            starts_at=self.span.start_at,
            ends_at=self.span.end_at,
            staff_id=self.staff_id,
            reason=self.reason,
            reschedule=self.reschedule or shop.schedule.reschedule,
            horizon_days=shop.schedule.max_days_ahead if self.horizon_days is None else self.horizon_days,
            closed_by=self.owner_id,
            created_at=now,
        )


async def draft(turnos: Turnos, order: Order) -> dict[str, Any]:
    """What closing would do; nothing is stored and nobody is told."""
    shop = await owned(turnos, order.business_id, order.owner_id, staff_id=order.staff_id)
    now = turnos.clock.now()
    closing = order.closing(shop, now)
    async with turnos.db.read() as tx:
        ground = await grounds.of_closing(tx, shop, closing, now=now)
    plan = await grounds.planned(turnos, closing, ground)
    outcomes = [plan.outcome(turno) for turno in ground.affected]
    return closure_resource(None, replace(closing, plan=plan.note), outcomes, shop.calendar.zone)


async def close(turnos: Turnos, order: Order, once: Once) -> Kept:
    """Closes, and does with whom it affects as the order says; the same order again answers the first.

    Everything is written in one transaction: either nothing has happened, or all offers are held and what is
    to be told is stored with them.
    """
    async with once.queued():
        return await until_fresh(lambda: _try(turnos, order, once))


async def _try(turnos: Turnos, order: Order, once: Once) -> Kept:
    shop = await owned(turnos, order.business_id, order.owner_id, staff_id=order.staff_id)
    now = turnos.clock.now()
    closing = order.closing(shop, now)
    async with turnos.db.read() as tx:
        ground = await grounds.of_closing(tx, shop, closing, now=now)
    plan = await grounds.planned(turnos, closing, ground)
    closing = replace(closing, plan=plan.note)

    async def read(tx: Transaction, current: Shop) -> Ground:
        return await grounds.of_closing(tx, current, closing, now=now)

    async with turnos.db.transaction() as tx:
        await seats.lock(tx, grounds.keys_of(shop, ground), once=once)
        kept = await once.kept(tx)
        if kept is not None:
            return kept
        first = await _same(tx, closing)
        if first is not None:
            return Kept(200, await _shown(tx, shop, first))
        await grounds.check_unchanged(turnos, tx, shop, ground, read=read)
        outcomes = await arrange(turnos, tx, plan)
        await store.add(tx, closing, outcomes)
        await shops.save_schedule(tx, shop.business.id, shop.schedule)
        answer = closure_resource(closing.id, closing, outcomes, shop.calendar.zone)
        await once.keep(tx, 201, answer)
        return Kept(201, answer)


async def show(turnos: Turnos, owner_id: UUID, business_id: UUID, closure_id: UUID) -> dict[str, Any]:
    """A closure with what has become of each turno."""
    shop = await owned(turnos, business_id, owner_id)
    closing = await found(turnos, business_id, closure_id)
    async with turnos.db.read() as tx:
        return await _shown(tx, shop, closing)


async def owned(turnos: Turnos, business_id: UUID, owner_id: UUID, *, staff_id: UUID | None = None) -> Shop:
    """A business for its owner, with the member that is named; Forbidden for everybody else."""
    shop = await copies.current_shop(turnos, business_id)
    if shop.business.owner_id != owner_id:
        raise Forbidden
    shop = await copies.shop_where(turnos, shop, lambda shop: shop.knows(staff_id))
    if staff_id is not None:
        shop.member(staff_id)
    return shop


async def found(turnos: Turnos, business_id: UUID, closure_id: UUID) -> Closing:
    """A closure of a business; NotFound if it has none of this id."""
    async with turnos.db.read() as tx:
        closing = await store.find(tx, closure_id)
    if closing is None or closing.business_id != business_id:
        raise NotFound
    return closing


async def _shown(tx: Transaction, shop: Shop, closing: Closing) -> dict[str, Any]:
    outcomes = await store.affected_by(tx, closing.id)
    return closure_resource(closing.id, closing, outcomes, shop.calendar.zone)


def _ordered(closing: Closing) -> tuple[object, ...]:
    """What of a closure its owner has ordered."""
    span, how = closing.span, (closing.reschedule, closing.horizon_days)
    return span, closing.staff_id, closing.reason, *how


async def _same(tx: Transaction, closing: Closing) -> Closing | None:
    """The closure in force that the same order made before."""
    in_force = await store.in_force(tx, [closing.business_id])
    return next((one for one in in_force if _ordered(one) == _ordered(closing)), None)
