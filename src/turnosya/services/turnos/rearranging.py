"""The business's tools for a day that goes otherwise: shift what is left of it, swap two, hand a day over.

One turno alone is moved by ``moving.reschedule``. Each of these is one transaction under the locks of all
whose time it touches: every turno has its old place or its new one at every moment, and each client is told
once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from turnosya.contracts.business import NOT_OF_BUSINESS
from turnosya.runtime.database import Transaction
from turnosya.runtime.idempotency import Kept, Once
from turnosya.runtime.messages import Forbidden, invalid
from turnosya.services.turnos import copies, freeing, lapsing, rules, telling
from turnosya.services.turnos.availability import Reason
from turnosya.services.turnos.fresh import Stale, unless_kept, until_fresh
from turnosya.services.turnos.rearrangement import (
    MOVABLE,
    Change,
    Goal,
    Obstacle,
    Rearrangement,
    Terms,
    all_or_none,
    of_day,
    placed,
    rest_of_day,
    shifted,
    swapped,
)
from turnosya.services.turnos.rearrangement_resources import rearrangement_resource
from turnosya.services.turnos.refusals import AppointmentNotActive, MovesRefused, RefusedMove, refused
from turnosya.services.turnos.shops import Shop
from turnosya.services.turnos.store import preferences as preference_store
from turnosya.services.turnos.store import seats
from turnosya.services.turnos.store import turnos as turno_store
from turnosya.services.turnos.turno import Status, Turno
from turnosya.services.turnos.windows import Window, instant

if TYPE_CHECKING:
    from turnosya.services.turnos.context import Turnos

# A turno takes a day at the most, and what it may run into as much again.
_ROOM = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class Shift:
    """By how much, from which instant to the end of that working day; None is now. One member, or all."""

    minutes: int
    from_at: datetime | None = None
    staff_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Swap:
    """Which two exchange their places; with ``keeps_staff`` only their times."""

    appointment_ids: tuple[UUID, UUID]
    keeps_staff: bool = False


@dataclass(frozen=True, slots=True)
class HandOver:
    """Whose working day goes to whom, as far as it has not begun."""

    day: date
    staff_id: UUID
    to_staff_id: UUID


@dataclass(frozen=True, slots=True)
class Order:
    """What somebody of the business wants rearranged."""

    business_id: UUID
    actor_id: UUID
    what: Shift | Swap | HandOver
    reason: str | None = None
    force: bool = False
    dry_run: bool = False


async def rearrange(turnos: Turnos, order: Order, once: Once) -> Kept:
    """Does it, or only shows it, and answers what went where and what stays.

    Raises NotFound, Forbidden, Invalid for what is not of the business, AppointmentNotActive, and
    MovesRefused with each turno that cannot go where it is to go: then none has.
    """
    return await unless_kept(turnos.db, once, lambda: until_fresh(lambda: _try(turnos, order, once)))


async def _try(turnos: Turnos, order: Order, once: Once) -> Kept:
    shop = await _run_by(turnos, order)
    now = turnos.clock.now()
    async with turnos.db.read() as tx:
        seen = await _standing(tx, shop, order, now=now)
        if order.dry_run:
            live = [turno for turno in seen if not rules.has_lapsed(turno, now)]
            plan = await _planned(tx, shop, order, live, now=now)
            return Kept(200, rearrangement_resource(plan, shop.calendar.zone, dry_run=True))

    async def work(tx: Transaction) -> tuple[int, dict[str, Any]]:
        await seats.lock(tx, _keys(shop, seen))
        live = await _locked(turnos, tx, shop, order, seen=seen)
        plan = await _planned(tx, shop, order, live, now=now)
        await _carry_out(turnos, tx, shop, order, plan=plan)
        return 200, rearrangement_resource(plan, shop.calendar.zone, dry_run=False)

    return await once.answer(turnos.db, work)


async def _run_by(turnos: Turnos, order: Order) -> Shop:
    """The business, for who runs it, with the members that the order names."""
    shop = await copies.current_shop(turnos, order.business_id)
    what = order.what
    named: dict[str, UUID | None] = {}
    if isinstance(what, Shift):
        named = {"staff_id": what.staff_id}
    elif isinstance(what, HandOver):
        named = {"staff_id": what.staff_id, "to_staff_id": what.to_staff_id}
    shop = await copies.shop_where(
        turnos,
        shop,
        lambda shop: shop.is_run_by(order.actor_id) and all(shop.knows(one) for one in named.values()),
    )
    if not shop.is_run_by(order.actor_id):
        raise Forbidden
    for field, staff_id in named.items():
        if staff_id is not None:
            shop.member(staff_id, field=field)
    return shop


async def _standing(tx: Transaction, shop: Shop, order: Order, *, now: datetime) -> list[Turno]:
    """Whatever takes time around that which is to be rearranged, by id."""
    what, zone = order.what, shop.calendar.zone
    if isinstance(what, Swap):
        pair = await _pair(tx, order, what)
        spans = [turno.span for turno in pair]
        span = Window(min(one.start_at for one in spans), max(one.end_at for one in spans))
    elif isinstance(what, Shift):
        from_at = what.from_at or now
        by = timedelta(minutes=abs(what.minutes))
        span = Window(from_at - by, from_at + _ROOM + by)
    else:
        span = Window(instant(zone, what.day, 0), instant(zone, what.day + _ROOM, 0))
    around = Window(span.start_at - _ROOM, span.end_at + _ROOM)
    return await turno_store.live_around(tx, shop.business.id, around)


async def _pair(tx: Transaction, order: Order, swap: Swap) -> list[Turno]:
    """The two that exchange their places, as they are named."""
    pair: list[Turno] = []
    for place, turno_id in enumerate(swap.appointment_ids):
        turno = await turno_store.find(tx, turno_id)
        if turno is None or turno.business_id != order.business_id or turno.status is Status.HELD:
            raise invalid(f"appointment_ids.{place}", "not_of_business", NOT_OF_BUSINESS)
        pair.append(turno)
    return pair


def _keys(shop: Shop, seen: Sequence[Turno]) -> set[int]:
    """Everybody's time: who could be moved, and whose time they could run into."""
    keys = copies.keys_of(shop.business)
    keys |= {seats.staff_key(turno.staff_id) for turno in seen}
    return keys | {seats.client_key(shop.business.id, one.client_id) for one in seen if one.client_id}


async def _locked(
    turnos: Turnos, tx: Transaction, shop: Shop, order: Order, *, seen: Sequence[Turno]
) -> list[Turno]:
    """The same under the locks, without what is over; Stale if others are there, or other hours."""
    now = turnos.clock.now()
    live = await _standing(tx, shop, order, now=now)
    lapsed = [turno.id for turno in live if rules.has_lapsed(turno, now)]
    if lapsed:
        await lapsing.clear(turnos, tx, shop, lapsed)
        live = await _standing(tx, shop, order, now=now)
    current = await copies.locked_shop(tx, shop.business.id)
    if current.revisions != shop.revisions or not _keys(shop, live) <= _keys(shop, seen):
        raise Stale
    return live


async def _planned(
    tx: Transaction, shop: Shop, order: Order, live: Sequence[Turno], *, now: datetime
) -> Rearrangement:
    what = order.what
    terms = Terms(shop, now, order.actor_id, order.reason, order.force, isinstance(what, Shift))
    if isinstance(what, Shift):
        movable = [turno for turno in live if turno.status in MOVABLE]
        of_members = [turno for turno in movable if what.staff_id in (None, turno.staff_id)]
        rest = rest_of_day(shop.calendar, of_members, what.from_at or now)
        return _all_or_none([shifted(rest, what.minutes)], live, terms)
    if isinstance(what, Swap):
        pair = await _pair(tx, order, what)
        if any(turno.status not in MOVABLE for turno in pair):
            raise AppointmentNotActive
        return _all_or_none(swapped(*pair, keeps_staff=what.keeps_staff), live, terms)
    day = [turno for turno in of_day(shop.calendar, live, what.day) if turno.staff_id == what.staff_id]
    return await _handed_over(tx, what, sorted(day, key=_by_time), live, terms=terms)


def _all_or_none(ways: Sequence[Sequence[Goal]], live: Sequence[Turno], terms: Terms) -> Rearrangement:
    """The first way on which everybody arrives; raises MovesRefused with the obstacles on the first."""
    obstacles: list[Obstacle] = []
    for goals in ways:
        moving = {goal.turno.id for goal in goals}
        standing = [turno for turno in live if turno.id not in moving]
        changes, found = all_or_none(sorted(goals, key=lambda goal: _by_time(goal.turno)), standing, terms)
        if not found:
            return Rearrangement(tuple(changes))
        obstacles = obstacles or found
    raise MovesRefused(reason=obstacles[0].reason, refused=[_refused(one, terms.shop) for one in obstacles])


def _refused(one: Obstacle, shop: Shop) -> RefusedMove:
    starts_at = one.turno.starts_at.astimezone(shop.calendar.zone)
    return RefusedMove(appointment_id=one.turno.id, starts_at=starts_at, reason=one.reason)


async def _handed_over(
    tx: Transaction, what: HandOver, day: Sequence[Turno], live: Sequence[Turno], *, terms: Terms
) -> Rearrangement:
    """Whoever may and can go to the other member goes; the others stay, each with the reason."""
    wants = await preference_store.find(tx, [turno.client_id for turno in day if turno.client_id])
    changes: list[Change] = []
    kept: list[Obstacle] = []
    among = {turno.id: turno for turno in live}
    for turno in day:
        if turno.status is Status.HELD or turno.starts_at < terms.now:
            continue
        said = wants.get(turno.client_id) if turno.client_id else None
        if turno.status not in MOVABLE:
            kept.append(Obstacle(turno, turno.status))
        elif not (turno.wants_any or (said and said.staff == "any")):
            kept.append(Obstacle(turno, "asked_for_member"))
        else:
            found = placed(Goal(turno, what.to_staff_id, turno.starts_at), among.values(), terms)
            if isinstance(found, Reason):
                kept.append(Obstacle(turno, found))
            else:
                changes.append(Change(turno, found))
                among[turno.id] = found
    return Rearrangement(tuple(changes), tuple(kept))


def _by_time(turno: Turno) -> tuple[datetime, UUID]:
    return turno.starts_at, turno.id


async def _carry_out(
    turnos: Turnos, tx: Transaction, shop: Shop, order: Order, *, plan: Rearrangement
) -> None:
    if not plan.changes:
        return
    # They pass each other on the way: the constraints are asked once all have arrived.
    await turno_store.defer_constraints(tx)
    for change in sorted(plan.changes, key=lambda change: change.after.id):
        await turno_store.save(tx, change.after)
    conflict = await turno_store.check_constraints(tx)
    if conflict is not None:
        raise refused(conflict)
    for change in plan.changes:
        for event in telling.moved(
            change.after, shop, before=change.before, actor_id=order.actor_id, together=True
        ):
            await tx.publish(event)
    await tx.publish(telling.rearranged(plan.changes, shop, actor_id=order.actor_id, reason=order.reason))
    for change in plan.changes:
        left = change.before
        await freeing.freed(turnos, tx, shop, staff_id=left.staff_id, span=left.span)
