"""What is over because nobody acted in time: holds, offers, requests, turnos to be moved (R9, R16, R17)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from turnosya.contracts.turnos import ExpirePending
from turnosya.runtime.database import Transaction
from turnosya.runtime.messages import Nothing, Unavailable
from turnosya.services.turnos import copies, freeing, offers, rules, telling
from turnosya.services.turnos.shops import Shop
from turnosya.services.turnos.store import seats
from turnosya.services.turnos.store import turnos as turno_store
from turnosya.services.turnos.store.seats import Seat
from turnosya.services.turnos.turno import Status, Turno, What

if TYPE_CHECKING:
    from turnosya.services.turnos.context import Turnos

# Machines of one installation are kept nearer than this to each other by NTP.
CLOCKS_APART = timedelta(minutes=1)
_WAITING = (Status.PENDING, Status.PROPOSED)


async def clear_lapsed(turnos: Turnos, tx: Transaction, shop: Shop, found: Sequence[Seat]) -> None:
    """Frees what a look under the locks has found to be over, with the service's clock.

    Constraints cannot know the time, so this comes before what is written in its place.
    """
    now = turnos.clock.now()
    lapsed = {seat.id for seat in found if seat.has_lapsed(now)}
    if lapsed:
        await clear(turnos, tx, shop, lapsed)


async def clear(turnos: Turnos, tx: Transaction, shop: Shop, lapsed: Collection[UUID]) -> None:
    """The same for rows that are known to be over; others stay."""
    now = turnos.clock.now()
    # In the order of their ids: two clients' bookings may find the same rows.
    rows = await turno_store.find_many(tx, lapsed)
    over = [row for row in rows if rules.has_lapsed(row, now)]
    held = [row for row in over if row.status is Status.HELD]
    await turno_store.forget(tx, [row.id for row in held if row.for_appointment_id is None])
    for row in held:
        if row.for_appointment_id is not None:
            await offers.expire_locked(turnos, tx, shop, row.id)
    for row in over:
        await _lapse(turnos, tx, shop, row)


async def expire_pending(turnos: Turnos, request: ExpirePending) -> Nothing:
    """The job of a request that nobody confirmed; nothing happens if somebody did."""
    turno = await expire(turnos, request.appointment_id)
    if turno is not None and turno.status in _WAITING and turno.expires_at is not None:
        early = turno.expires_at - turnos.clock.now()
        if timedelta() < early < CLOCKS_APART:
            # The clock of jobs is a little before ours: it tries again.
            raise Unavailable
    return Nothing()


async def expire(turnos: Turnos, turno_id: UUID) -> Turno | None:
    """Lets a request lapse whose time is over; both sides are told once. Gives the turno as it was found."""
    async with turnos.db.read() as tx:
        turno = await turno_store.find(tx, turno_id)
    if turno is None or not rules.has_lapsed(turno, turnos.clock.now()):
        return turno
    shop = await copies.kept_shop(turnos, turno.business_id)
    async with turnos.db.transaction() as tx:
        await seats.lock(tx, [seats.staff_key(turno.staff_id)])
        now = turnos.clock.now()
        for row in await turno_store.find_many(tx, [turno_id]):
            if rules.has_lapsed(row, now):
                await _lapse(turnos, tx, shop, row)
    return turno


async def _lapse(turnos: Turnos, tx: Transaction, shop: Shop, turno: Turno) -> None:
    if turno.status is Status.PROPOSED:
        await offers.lapse(turnos, tx, shop, turno)
    elif turno.status is Status.PENDING:
        await _lapse_request(turnos, tx, shop, turno)


async def _lapse_request(turnos: Turnos, tx: Transaction, shop: Shop, turno: Turno) -> None:
    changed = turno.after(What.EXPIRED, at=turnos.clock.now(), actor_id=None)
    after = replace(changed, status=Status.CANCELLED, expires_at=None)
    await turno_store.save(tx, after)
    await tx.publish(telling.expired(after, shop))
    await freeing.freed(turnos, tx, shop, staff_id=turno.staff_id, span=turno.span)
