"""Closing a business for a while: one plan for all whom it affects, offered, carried out, or taken back."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from turnosya.contracts.turnos import OffersWanted
from turnosya.runtime.database import Transaction
from turnosya.runtime.idempotency import Kept, Once
from turnosya.runtime.ids import new_id
from turnosya.runtime.messages import Forbidden, NotFound
from turnosya.services.turnos import announcing, copies, freeing, lapsing, rules
from turnosya.services.turnos.arranging import Arrangement, arrange
from turnosya.services.turnos.closure import (
    TO_BE_PLANNED,
    UNDECIDED,
    AffectedTurno,
    Closing,
    Outcome,
    ProposalStatus,
)
from turnosya.services.turnos.closure_resources import closure_resource
from turnosya.services.turnos.fresh import Stale, until_fresh
from turnosya.services.turnos.hours import Closure
from turnosya.services.turnos.replanning import Ground, Replanning
from turnosya.services.turnos.shops import Shop
from turnosya.services.turnos.store import closures as store
from turnosya.services.turnos.store import preferences as preference_store
from turnosya.services.turnos.store import seats, shops, waitlist
from turnosya.services.turnos.store import turnos as turno_store
from turnosya.services.turnos.turno import ACTIVE, Status, Turno, What
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
    shop = await _owned(turnos, order.business_id, order.owner_id, staff_id=order.staff_id)
    now = turnos.clock.now()
    closing = order.closing(shop, now)
    async with turnos.db.read() as tx:
        ground = await _ground(tx, shop, closing, now=now)
    plan = await _planned(turnos, closing, ground)
    found = [plan.outcome(turno) for turno in ground.affected]
    return closure_resource(None, closing, found, shop.calendar.zone)


async def close(turnos: Turnos, order: Order, once: Once) -> Kept:
    """Closes, and does with whom it affects as the order says; the same order again answers the first.

    Everything is written in one transaction: either nothing has happened, or all offers are held and what is
    to be told is stored with them.
    """
    async with once.queued():
        return await until_fresh(lambda: _try(turnos, order, once))


async def _try(turnos: Turnos, order: Order, once: Once) -> Kept:
    shop = await _owned(turnos, order.business_id, order.owner_id, staff_id=order.staff_id)
    now = turnos.clock.now()
    closing = order.closing(shop, now)
    async with turnos.db.read() as tx:
        ground = await _ground(tx, shop, closing, now=now)
    plan = await _planned(turnos, closing, ground)
    keys = _keys(shop, ground.affected)
    async with turnos.db.transaction() as tx:
        await seats.lock(tx, keys, once=once)
        kept = await once.kept(tx)
        if kept is not None:
            return kept
        first = await _same(tx, closing)
        if first is not None:
            return Kept(200, await _shown(tx, shop, first))
        await _check_unchanged(turnos, tx, shop, closing, ground=ground)
        found = await arrange(turnos, tx, plan)
        await store.add(tx, closing, found)
        await shops.save_schedule(tx, shop.business.id, shop.schedule)
        answer = closure_resource(closing.id, closing, found, shop.calendar.zone)
        await once.keep(tx, 201, answer)
        return Kept(201, answer)


async def offer_others(turnos: Turnos, event: OffersWanted) -> None:
    """Plans for turnos that a change has stranded, and offers what it finds; a second time there are none."""
    await until_fresh(lambda: _offer_others(turnos, event))


async def _offer_others(turnos: Turnos, event: OffersWanted) -> None:
    shop = await copies.kept_shop(turnos, event.business_id)
    closing = await _found(turnos, event.business_id, event.closure_id)
    now = turnos.clock.now()
    async with turnos.db.read() as tx:
        ground = await _ground(tx, shop, closing, now=now)
    plan = await _planned(turnos, closing, ground)
    async with turnos.db.transaction() as tx:
        await seats.lock(tx, _keys(shop, ground.affected))
        await _check_unchanged(turnos, tx, shop, closing, ground=ground)
        for one in await arrange(turnos, tx, plan):
            await store.decide(
                tx,
                one.appointment_id,
                outcome=one.outcome,
                starts_at=one.starts_at,
                staff_id=one.staff_id,
                reason=one.reason,
            )


async def show(turnos: Turnos, owner_id: UUID, business_id: UUID, closure_id: UUID) -> dict[str, Any]:
    """A closure with what has become of each turno."""
    shop = await _owned(turnos, business_id, owner_id)
    closing = await _found(turnos, business_id, closure_id)
    async with turnos.db.read() as tx:
        return await _shown(tx, shop, closing)


async def reopen(turnos: Turnos, owner_id: UUID, business_id: UUID, closure_id: UUID) -> None:
    """Takes a closure back: who still waits or was offered another time has their own again, and is told.

    Who has moved stays there, and what was cancelled stays so.
    """
    shop = await _owned(turnos, business_id, owner_id)
    closing = await _found(turnos, business_id, closure_id)
    async with turnos.db.transaction() as tx:
        await seats.lock(tx, _keys(shop, ()))
        shop = await copies.locked_shop(tx, business_id)
        closing = await store.find(tx, closure_id) or closing
        if closing.reopened_at is not None:
            raise NotFound
        now = turnos.clock.now()
        await store.reopen(tx, closure_id, at=now)
        await shops.save_schedule(tx, business_id, shop.schedule)
        for one in await store.affected_by(tx, closure_id):
            if one.outcome in UNDECIDED:
                await _restore(turnos, tx, shop, one, by=owner_id)


async def _restore(turnos: Turnos, tx: Transaction, shop: Shop, one: AffectedTurno, *, by: UUID) -> None:
    now = turnos.clock.now()
    turno = await turno_store.find_locked(tx, one.appointment_id)
    if turno is None or turno.status is not Status.PROPOSED:
        return
    offer = await store.open_for(tx, turno.id)
    if offer is not None:
        await store.end(tx, offer, ProposalStatus.WITHDRAWN)
    await store.decide(tx, turno.id, outcome=Outcome.KEPT, starts_at=None, staff_id=None, reason="reopened")
    await waitlist.remove(tx, turno_id=turno.id)
    restored = replace(
        turno.after(What.RESTORED, at=now, actor_id=by), status=Status.CONFIRMED, expires_at=None
    )
    await turno_store.save(tx, restored)
    await tx.publish(announcing.restored(restored, shop, actor_id=by))
    if offer is not None:
        freed = Window(offer.starts_at, offer.ends_at)
        await freeing.freed(turnos, tx, shop, staff_id=offer.staff_id, span=freed)


async def _owned(turnos: Turnos, business_id: UUID, owner_id: UUID, *, staff_id: UUID | None = None) -> Shop:
    shop = await copies.current_shop(turnos, business_id)
    if shop.business.owner_id != owner_id:
        raise Forbidden
    shop = await copies.shop_where(turnos, shop, lambda shop: shop.knows(staff_id))
    if staff_id is not None:
        shop.member(staff_id)
    return shop


async def _found(turnos: Turnos, business_id: UUID, closure_id: UUID) -> Closing:
    async with turnos.db.read() as tx:
        closing = await store.find(tx, closure_id)
    if closing is None or closing.business_id != business_id:
        raise NotFound
    return closing


async def _shown(tx: Transaction, shop: Shop, closing: Closing) -> dict[str, Any]:
    found = await store.affected_by(tx, closing.id)
    return closure_resource(closing.id, closing, found, shop.calendar.zone)


async def _same(tx: Transaction, closing: Closing) -> Closing | None:
    """The closure in force that the same order made before."""
    return next(
        (
            one
            for one in await store.in_force(tx, closing.business_id)
            if replace(one, id=closing.id, closed_by=closing.closed_by, created_at=closing.created_at)
            == closing
        ),
        None,
    )


def _keys(shop: Shop, affected: Sequence[Turno]) -> set[int]:
    """Everybody's time: no booking goes by the hours of before, and no client is at two places."""
    keys = {seats.staff_key(member.id) for member in shop.business.staff}
    keys |= {seats.staff_key(turno.staff_id) for turno in affected}
    clients = {turno.client_id for turno in affected} - {None}
    keys |= {seats.client_key(shop.business.id, one) for one in clients if one is not None}
    return {seats.business_key(shop.business.id), *keys}


async def _ground(tx: Transaction, shop: Shop, closing: Closing, *, now: datetime) -> Ground:
    """What the plan depends on, as it is without what is over by ``now``."""
    rows = await turno_store.live_after(tx, shop.business.id, now=now)
    live = [turno for turno in rows if not rules.has_lapsed(turno, now)]
    if closing.reopened_at is not None:
        sought = await store.affected_by(tx, closing.id)
        wanted = {one.appointment_id for one in sought if one.reason == TO_BE_PLANNED}
        affected = [turno for turno in live if turno.id in wanted and turno.status is Status.PROPOSED]
    else:
        shop = shop.with_closures([*shop.closures, Closure(closing.span, closing.staff_id)])
        affected = _affected_by(closing, live, now)
    clients = {turno.client_id for turno in affected} - {None}
    return Ground(
        shop=shop,
        affected=sorted(affected, key=lambda turno: (turno.starts_at, turno.id)),
        live=live,
        preferences=await preference_store.find(tx, [one for one in clients if one is not None]),
        moves=await store.moves_of(tx, [turno.id for turno in affected]),
        horizon_days=closing.horizon_days,
        now=now,
    )


def _affected_by(closing: Closing, live: Sequence[Turno], now: datetime) -> list[Turno]:
    offered = {one.for_appointment_id for one in live if one.status is Status.HELD and _meets(one, closing)}
    return [
        turno
        for turno in live
        if turno.starts_at > now and (_is_affected(turno, closing) or _has_lost_offer(turno, offered))
    ]


def _is_affected(turno: Turno, closing: Closing) -> bool:
    """Turnos in the closed time, but for those that need another time already."""
    is_open = turno.status in ACTIVE and turno.status is not Status.PROPOSED
    return is_open and _meets(turno, closing)


def _has_lost_offer(turno: Turno, offered: Collection[UUID | None]) -> bool:
    """Whether what an earlier closure offered for it lies in this one."""
    return turno.status is Status.PROPOSED and turno.id in offered


def _meets(turno: Turno, closing: Closing) -> bool:
    meets = turno.starts_at < closing.ends_at and closing.starts_at < turno.ends_at
    return meets and closing.staff_id in (None, turno.staff_id)


async def _planned(turnos: Turnos, closing: Closing, ground: Ground) -> Arrangement:
    if closing.reschedule == "none":
        return Arrangement(closing, ground, {})
    # Worked out beside the loop: months of several members' hours are much to look through.
    replanning = await asyncio.to_thread(Replanning, ground)
    plan = await turnos.planner.plan(replanning.problem)
    return Arrangement(closing, ground, replanning.spots(plan))


async def _check_unchanged(
    turnos: Turnos, tx: Transaction, shop: Shop, closing: Closing, *, ground: Ground
) -> None:
    """Clears what is over; Stale if the plan would be another now that everybody's time is locked."""
    rows = await turno_store.live_after(tx, shop.business.id, now=ground.now)
    lapsed = [turno.id for turno in rows if rules.has_lapsed(turno, ground.now)]
    if lapsed:
        await lapsing.clear(turnos, tx, shop, lapsed)
    current = await copies.locked_shop(tx, shop.business.id)
    if current.revisions != shop.revisions:
        raise Stale
    again = await _ground(tx, current, closing, now=ground.now)
    same = (again.affected, again.preferences, again.moves) == (
        ground.affected,
        ground.preferences,
        ground.moves,
    )
    if not same or _takers(again.live) != _takers(ground.live):
        raise Stale


def _takers(live: Sequence[Turno]) -> set[tuple[UUID, int]]:
    return {(turno.id, turno.version) for turno in live}
