"""Moving a turno to another time or member: the old time is free exactly when the new one is held."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from turnosya.runtime.database import Transaction
from turnosya.runtime.idempotency import Kept, Once
from turnosya.services.turnos import agenda, copies, freeing, offers, rules, telling
from turnosya.services.turnos.agenda import Seen
from turnosya.services.turnos.availability import Limits, Place, Reason, Sought, judge, limits_for_owners
from turnosya.services.turnos.fresh import Stale, unless_kept, until_fresh
from turnosya.services.turnos.lapsing import clear_lapsed
from turnosya.services.turnos.refusals import AppointmentNotActive, CancellationWindowClosed, refused
from turnosya.services.turnos.resources import appointment_resource
from turnosya.services.turnos.rules import Verdict
from turnosya.services.turnos.shops import Shop
from turnosya.services.turnos.sought import sought_again
from turnosya.services.turnos.store import seats
from turnosya.services.turnos.store import turnos as turno_store
from turnosya.services.turnos.store.seats import About, Seat
from turnosya.services.turnos.turno import Status, Turno, What, busy_span, session_of
from turnosya.services.turnos.windows import Window, instant, local_date, utc_offset_s

if TYPE_CHECKING:
    from turnosya.services.turnos.context import Turnos


@dataclass(frozen=True, slots=True)
class Move:
    """Where somebody wants a turno to go; without a member it stays with its own if it can."""

    turno_id: UUID
    actor_id: UUID
    starts_at: datetime
    staff_id: UUID | None = None
    by_link: bool = False
    """A signed link speaks for the client, whoever uses it."""


async def reschedule(turnos: Turnos, move: Move, once: Once) -> Kept:
    """Moves it, and answers the turno; it keeps its id, its price and its length.

    Raises NotFound, AppointmentNotActive, CancellationWindowClosed, SlotUnavailable and SlotTaken.
    """
    return await unless_kept(turnos.db, once, lambda: until_fresh(lambda: _try(turnos, move, once)))


async def _try(turnos: Turnos, move: Move, once: Once) -> Kept:
    if move.by_link:
        seen = await agenda.seen_by_link(turnos, move.turno_id)
    else:
        seen = await agenda.seen_by(turnos, move.actor_id, move.turno_id)
    if move.staff_id is not None:
        shop = await copies.shop_where(turnos, seen.shop, lambda shop: shop.knows(move.staff_id))
        shop.member(move.staff_id)
        seen = replace(seen, shop=shop)

    async def work(tx: Transaction) -> tuple[int, dict[str, Any]]:
        moved = await _move(turnos, tx, move, seen)
        return 200, appointment_resource(moved, seen.shop.calendar.zone)

    return await once.answer(turnos.db, work)


async def _move(turnos: Turnos, tx: Transaction, move: Move, seen: Seen) -> Turno:
    shop, old = seen.shop, seen.turno
    now = turnos.clock.now()
    sought = sought_again(shop, old)
    candidates = _candidates(move, old, sought)
    await seats.lock(tx, _keys(old, candidates))
    turno = await agenda.locked(tx, old, now=now)
    _refuse_if_fixed(turno, seen, now)
    if turno.starts_at == move.starts_at and move.staff_id in (None, turno.staff_id):
        return turno
    span = Window(move.starts_at, move.starts_at + sought.duration)
    about = About(old.business_id, candidates, old.client_id, span, _around(shop, sought, move.starts_at))
    look = await seats.look(tx, about, once=Once(None, b""))
    if look is None or look.revisions != shop.revisions:
        raise Stale
    await clear_lapsed(turnos, tx, shop, look.seats)
    live = [seat for seat in look.seats if seat.id != turno.id and not seat.has_lapsed(now)]
    holds = [seat for seat in live if _is_own_hold(seat, turno, move)]
    # What is offered for it elsewhere is let go with the move.
    others = [seat for seat in live if seat not in holds and seat.offered_for != turno.id]
    # As in booking: what a client holds was within the notice when they took it.
    limits = limits_for_owners(now) if seen.by_business or holds else shop.client_limits(now)
    place = _place(_Question(shop, sought, turno, move, others, limits), candidates)
    moved = _at(place, move, _Standing(seen, sought, now), turno)
    if holds:
        await turno_store.forget(tx, [hold.id for hold in holds if hold.offered_for is None])
    offer = await offers.settle(turnos, tx, moved) if turno.status is Status.PROPOSED else None
    await _write(tx, seen, old=turno, moved=moved, actor_id=move.actor_id)
    if offer is not None:
        await offers.free(turnos, tx, shop, offer)
    await freeing.freed(turnos, tx, shop, staff_id=turno.staff_id, span=turno.span)
    return moved


def _is_own_hold(seat: Seat, turno: Turno, move: Move) -> bool:
    """Whether its client has kept that very time for this: then the turno goes there."""
    is_own = seat.status is Status.HELD and seat.client_id is not None and seat.client_id == turno.client_id
    is_own = is_own and seat.offered_for in (None, turno.id)
    is_same_service = (seat.service_id,) == tuple(turno.service_ids or [turno.service_id])
    return is_own and is_same_service and seat.taken.start_at == move.starts_at


def _candidates(move: Move, turno: Turno, sought: Sought) -> tuple[UUID, ...]:
    if move.staff_id is not None:
        return (move.staff_id,)
    if turno.wants_any:
        return tuple(sorted({turno.staff_id, *sought.staff_ids}))
    return (turno.staff_id,)


def _keys(turno: Turno, candidates: Sequence[UUID]) -> set[int]:
    keys = {seats.staff_key(turno.staff_id), *(seats.staff_key(one) for one in candidates)}
    if turno.client_id is not None:
        keys.add(seats.client_key(turno.business_id, turno.client_id))
    return keys


def _refuse_if_fixed(turno: Turno, seen: Seen, now: datetime) -> None:
    # Where the business has closed, it is not the client who is late.
    is_bound = not seen.by_business and turno.status is not Status.PROPOSED
    verdict = rules.may_cancel(turno, now=now, is_client=is_bound)
    if verdict is Verdict.NOT_ACTIVE:
        raise AppointmentNotActive
    if verdict is Verdict.TOO_LATE:
        raise CancellationWindowClosed(
            until=rules.cancellable_until(turno).astimezone(seen.shop.calendar.zone)
        )


def _around(shop: Shop, sought: Sought, start_at: datetime) -> Window:
    busy = busy_span(start_at, sought.duration, sought.buffer_before, sought.buffer_after)
    day = local_date(shop.calendar.zone, start_at)
    day_end = instant(shop.calendar.zone, day + timedelta(days=1), 0)
    return Window(min(busy.start_at, instant(shop.calendar.zone, day, 0)), max(busy.end_at, day_end))


@dataclass(frozen=True, slots=True)
class _Question:
    shop: Shop
    sought: Sought
    turno: Turno
    move: Move
    others: Sequence[Seat]
    limits: Limits

    def judged(self, staff_id: UUID | None) -> Place | Reason:
        found = judge(
            self.shop.calendar,
            self.sought,
            [seat.taken for seat in self.others],
            self.move.starts_at,
            limits=self.limits,
            staff_id=staff_id,
        )
        if isinstance(found, Place) and any(self._is_same_client(seat) for seat in self.others):
            return Reason.CLIENT_BUSY
        return found

    def _is_same_client(self, seat: Seat) -> bool:
        ends_at = self.move.starts_at + self.sought.duration
        is_same = seat.client_id is not None and seat.client_id == self.turno.client_id
        return is_same and seat.taken.start_at < ends_at and self.move.starts_at < seat.ends_at


def _place(question: _Question, candidates: Sequence[UUID]) -> Place:
    """With the wished member, else the present one, else, where any would do, another."""
    found = question.judged(question.move.staff_id or question.turno.staff_id)
    if isinstance(found, Reason) and len(candidates) > 1:
        found = question.judged(None)
    if isinstance(found, Reason):
        raise refused(found)
    return found


@dataclass(frozen=True, slots=True)
class _Standing:
    seen: Seen
    sought: Sought
    now: datetime


def _at(place: Place, move: Move, standing: _Standing, turno: Turno) -> Turno:
    """The turno at its new place."""
    sought, shop = standing.sought, standing.seen.shop
    busy = busy_span(move.starts_at, sought.duration, sought.buffer_before, sought.buffer_after)
    is_request = shop.schedule.confirmation == "manual" and not standing.seen.by_business
    is_request = is_request and turno.status is not Status.PROPOSED
    status = _status_after(turno, is_request=is_request)
    expires_at = rules.pending_until(now=standing.now, starts_at=move.starts_at)
    is_alone = sought.service_id is None
    return replace(
        turno.after(What.MOVED, at=standing.now, actor_id=move.actor_id),
        staff_id=place.staff_id,
        status=status,
        session_id=turno.id if is_alone else session_of(place.staff_id, turno.service_id, move.starts_at),
        seat=1 if is_alone else place.seat,
        capacity=sought.capacity,
        starts_at=move.starts_at,
        ends_at=move.starts_at + sought.duration,
        busy_from=busy.start_at,
        busy_to=busy.end_at,
        starts_on=local_date(shop.calendar.zone, move.starts_at),
        shifted_by_dst=False,
        utc_offset_s=utc_offset_s(shop.calendar.zone, move.starts_at),
        overbooked=False,
        expires_at=expires_at if status is Status.PENDING else None,
    )


def _status_after(turno: Turno, *, is_request: bool) -> Status:
    """A client's move is a request again where the business confirms by hand; the business's own is not."""
    if is_request:
        return Status.PENDING
    return Status.CONFIRMED if turno.status is Status.PROPOSED else turno.status


async def _write(tx: Transaction, seen: Seen, *, old: Turno, moved: Turno, actor_id: UUID) -> None:
    conflict = await turno_store.save(tx, moved)
    if conflict is not None:
        raise refused(conflict)
    if moved.status is Status.PENDING and not seen.by_business:
        events = telling.requested(moved, seen.shop, actor_id=actor_id)
    else:
        events = telling.moved(moved, seen.shop, before=old, actor_id=actor_id)
    for event in events:
        await tx.publish(event)
