"""Time that has become free goes to who waits for it, in order, before anybody else (R17)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from turnosya.runtime.database import Transaction
from turnosya.runtime.ids import new_id
from turnosya.services.turnos import announcing, copies
from turnosya.services.turnos.availability import Slot, Sought, free_starts
from turnosya.services.turnos.closure import Outcome, Proposal, ProposalStatus, Waiting
from turnosya.services.turnos.offering import Spot, held_row
from turnosya.services.turnos.shops import Shop
from turnosya.services.turnos.store import closures, seats, taken, waitlist
from turnosya.services.turnos.store import turnos as turno_store
from turnosya.services.turnos.turno import Status, Turno, session_of
from turnosya.services.turnos.windows import Window, local_date, utc_offset_s

if TYPE_CHECKING:
    from turnosya.services.turnos.context import Turnos

HELD_FOR_WAITING = timedelta(minutes=15)
_ROOM = timedelta(days=1)


async def freed(turnos: Turnos, tx: Transaction, shop: Shop, *, staff_id: UUID, span: Window) -> None:
    """Offers a time that has just become free to the first in line whom it suits.

    In the transaction that frees it and under the member's lock, so that nobody comes between.
    """
    now = turnos.clock.now()
    if span.end_at <= now:
        return
    zone = shop.calendar.zone
    days = sorted({local_date(zone, span.start_at), local_date(zone, span.end_at)})
    line = await waitlist.in_line(
        tx, shop.business.id, staff_id=staff_id, days=days, starts=(span.start_at, span.end_at)
    )
    if not line:
        return
    shop = await copies.locked_shop(tx, shop.business.id)
    for one in line:
        found = await _slot_for(turnos, tx, shop, one, staff_id=staff_id, span=span)
        if found is not None and await _offer(turnos, tx, shop, one, slot=found):
            return


async def _slot_for(
    turnos: Turnos, tx: Transaction, shop: Shop, one: Waiting, *, staff_id: UUID, span: Window
) -> Slot | None:
    """The first start that needs some of the freed time and suits who waits."""
    now = turnos.clock.now()
    if not shop.knows(staff_id, [one.service_id]):
        return None
    sought = await _sought(tx, shop, one)
    if staff_id not in sought.staff_ids or not sought.is_active:
        return None
    around = Window(span.start_at - _ROOM, span.end_at + _ROOM)
    found = await taken.between(
        tx, sought, business_id=shop.business.id, staff_ids=[staff_id], span=around, now=now
    )
    zone = shop.calendar.zone
    first, last = local_date(zone, around.start_at), local_date(zone, around.end_at)
    days = [first + timedelta(days=shift) for shift in range((last - first).days + 1)]
    slots = free_starts(
        shop.calendar,
        sought,
        found.taken if found else [],
        days=days,
        limits=shop.client_limits(now),
        staff_id=staff_id,
    )
    for slot in slots:
        is_of_it = slot.start_at < span.end_at and span.start_at < slot.end_at
        if is_of_it and one.first_on <= local_date(zone, slot.start_at) <= one.last_on:
            return slot
    return None


async def _sought(tx: Transaction, shop: Shop, one: Waiting) -> Sought:
    sought = shop.sought((one.service_id,))
    turno = await turno_store.find(tx, one.appointment_id) if one.appointment_id else None
    if turno is None:
        return sought
    # As it was sold (R10).
    return replace(
        sought,
        duration=turno.ends_at - turno.starts_at,
        buffer_before=turno.starts_at - turno.busy_from,
        buffer_after=turno.busy_to - turno.ends_at,
        is_active=True,
    )


async def _offer(turnos: Turnos, tx: Transaction, shop: Shop, one: Waiting, *, slot: Slot) -> bool:
    """Holds a slot for who waits; whether nothing was in the way."""
    now = turnos.clock.now()
    turno = await turno_store.find(tx, one.appointment_id) if one.appointment_id else None
    if turno is not None and turno.status is not Status.PROPOSED:
        return False
    proposal = Proposal(
        id=new_id(),
        business_id=one.business_id,
        appointment_id=one.appointment_id,
        waiting_id=one.id,
        client_id=one.client_id,
        staff_id=slot.staff_id,
        starts_at=slot.start_at,
        ends_at=slot.end_at,
        expires_at=now + HELD_FOR_WAITING,
        status=ProposalStatus.OPEN,
        created_at=now,
    )
    kind = turno or _as_sold_now(shop, one, slot)
    spot = Spot(slot.staff_id, slot.start_at, await _seat(tx, one, slot), kind.capacity)
    held = held_row(kind, spot, shop, proposal)
    async with tx.connection.begin_nested() as attempt:
        if await turno_store.add_many(tx, [held]) is not None:
            await attempt.rollback()
            return False
    await closures.add_proposals(tx, [proposal])
    if turno is not None:
        await closures.decide(
            tx,
            turno.id,
            outcome=Outcome.PROPOSED,
            starts_at=proposal.starts_at,
            staff_id=proposal.staff_id,
            reason=None,
        )
    for event in announcing.offered_to_waiting(held, shop, proposal, links=turnos.answer_links):
        await tx.publish(event)
    return True


async def _seat(tx: Transaction, one: Waiting, slot: Slot) -> int:
    """The lowest seat that is free in the session."""
    given = await seats.seats_of(tx, session_of(slot.staff_id, one.service_id, slot.start_at))
    return next(seat for seat in range(1, len(given) + 2) if seat not in given)


def _as_sold_now(shop: Shop, one: Waiting, slot: Slot) -> Turno:
    """What somebody who waits would book, at today's price and rules."""
    service = shop.service(one.service_id)
    before = timedelta(minutes=service.buffer_before_minutes)
    after = timedelta(minutes=service.buffer_after_minutes)
    return Turno(
        id=one.id,
        business_id=one.business_id,
        client_id=one.client_id,
        client_name=None,
        client_phone=None,
        service_id=one.service_id,
        service_ids=None,
        staff_id=slot.staff_id,
        wants_any=one.staff_id is None,
        status=Status.HELD,
        session_id=one.id,
        seat=1,
        capacity=service.capacity,
        starts_at=slot.start_at,
        ends_at=slot.end_at,
        busy_from=slot.start_at - before,
        busy_to=slot.end_at + after,
        starts_on=local_date(shop.calendar.zone, slot.start_at),
        utc_offset_s=utc_offset_s(shop.calendar.zone, slot.start_at),
        overbooked=False,
        price_amount=service.price.amount if service.price else None,
        price_currency=service.price.currency if service.price else None,
        cancellation_notice_minutes=shop.schedule.cancellation_notice_minutes,
        note=None,
        expires_at=None,
        for_appointment_id=one.id,
        hold_id=None,
        created_at=slot.start_at,
    )
