"""Time that has become free goes to who waits for it, in order, before anybody else (R17)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from turnosya.runtime.database import Transaction
from turnosya.services.turnos import announcing, copies, offering
from turnosya.services.turnos.availability import Slot, Sought, free_starts
from turnosya.services.turnos.closure import Outcome, Waiting
from turnosya.services.turnos.offering import Spot
from turnosya.services.turnos.shops import Shop
from turnosya.services.turnos.store import closures, seats, taken, waitlist
from turnosya.services.turnos.store import turnos as turno_store
from turnosya.services.turnos.turno import Status, session_of
from turnosya.services.turnos.windows import Window, local_date

if TYPE_CHECKING:
    from turnosya.services.turnos.context import Turnos

_ROOM = timedelta(days=1)


async def freed(turnos: Turnos, tx: Transaction, shop: Shop, *, staff_id: UUID, span: Window) -> None:
    """Offers a time that has just become free to those in line whom it suits, first come first.

    In the transaction that frees it and under the member's lock, so that nobody comes between. What the first
    does not need of it goes to the next.
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
    if shop.business.suspended:
        return
    left = [span]
    for one in line:
        found = await _slot_for(turnos, tx, shop, one, staff_id=staff_id, left=left)
        if found is not None and await _offer(turnos, tx, shop, one, slot=found) and found.remaining == 1:
            left = [rest for piece in left for rest in _without(piece, found)]
        if not left:
            return


def _without(piece: Window, slot: Slot) -> list[Window]:
    """What a slot leaves of a time."""
    before = Window(piece.start_at, min(piece.end_at, slot.start_at))
    after = Window(max(piece.start_at, slot.end_at), piece.end_at)
    return [rest for rest in (before, after) if rest.start_at < rest.end_at]


async def _slot_for(
    turnos: Turnos, tx: Transaction, shop: Shop, one: Waiting, *, staff_id: UUID, left: Sequence[Window]
) -> Slot | None:
    """The first start that needs some of the time that is left and suits who waits."""
    now = turnos.clock.now()
    if not shop.knows(staff_id, [one.service_id]):
        return None
    sought = await _sought(tx, shop, one)
    if staff_id not in sought.staff_ids or not sought.is_active:
        return None
    around = Window(left[0].start_at - _ROOM, left[-1].end_at + _ROOM)
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
        is_of_it = any(slot.start_at < piece.end_at and piece.start_at < slot.end_at for piece in left)
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
    spot = Spot(slot.staff_id, slot.start_at, await _seat(tx, one, slot), capacity=1)
    kind = turno or offering.as_sold_now(shop, one, spot)
    proposal = offering.proposal_to_waiting(one, kind, spot, now=now)
    held = offering.held_row(kind, replace(spot, capacity=kind.capacity), shop, proposal)
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
