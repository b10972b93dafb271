"""Taking a closure back: who has not moved has their own time again, and what is free goes to who waits."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import UUID

from turnosya.runtime.database import Transaction
from turnosya.runtime.messages import Event, NotFound
from turnosya.services.turnos import announcing, closures, copies, freeing, grounds, offers, rules, telling
from turnosya.services.turnos.closure import (
    UNDECIDED,
    AffectedTurno,
    Closing,
    Outcome,
    Proposal,
    ProposalStatus,
    Why,
)
from turnosya.services.turnos.shops import Shop
from turnosya.services.turnos.store import closures as store
from turnosya.services.turnos.store import seats, shops, waitlist
from turnosya.services.turnos.store import turnos as turno_store
from turnosya.services.turnos.turno import Status, Turno, What
from turnosya.services.turnos.windows import Window

if TYPE_CHECKING:
    from turnosya.services.turnos.context import Turnos


async def reopen(turnos: Turnos, owner_id: UUID, business_id: UUID, closure_id: UUID) -> None:
    """Who still waits or was offered another time has their own again and is told, a request as a request.

    Who has moved stays there, and what was cancelled stays so. One whose time another closure has closed too
    goes on with that one. What nobody had in the closed time is offered to the waitlist.
    """
    shop = await closures.owned(turnos, business_id, owner_id)
    await closures.found(turnos, business_id, closure_id)
    async with turnos.db.transaction() as tx:
        await seats.lock(tx, grounds.keys_of(shop))
        closing = await store.find(tx, closure_id)
        if closing is None or closing.reopened_at is not None:
            raise NotFound
        await store.reopen(tx, closure_id, at=turnos.clock.now())
        await shops.save_schedule(tx, business_id, shop.schedule)
        others = await store.in_force(tx, [business_id])
        gone: list[Proposal] = []
        for one in await store.affected_by(tx, closure_id):
            if one.outcome in UNDECIDED:
                gone += await _restored(turnos, tx, shop, one, by=owner_id, others=others)
        # Only when all have theirs again, so that nobody among them is offered what another has left.
        for offer in gone:
            await offers.free(turnos, tx, shop, offer)
        await _free(turnos, tx, closing)


async def _restored(
    turnos: Turnos, tx: Transaction, shop: Shop, one: AffectedTurno, *, by: UUID, others: list[Closing]
) -> list[Proposal]:
    """Gives a turno its own time back; the offer that it needs no longer, if there was one."""
    now = turnos.clock.now()
    turno = await turno_store.find_locked(tx, one.appointment_id)
    if turno is None or turno.status is not Status.PROPOSED:
        return []
    if rules.has_lapsed(turno, now):
        await offers.lapse(turnos, tx, shop, turno)
        return []
    shut = next((other for other in others if grounds.meets(turno, other)), None)
    if shut is not None:
        await store.hand_on(tx, one, to=shut.id)
        return []
    offer = await store.open_for(tx, turno.id)
    if offer is not None:
        await store.end(tx, offer, ProposalStatus.WITHDRAWN)
    await store.decide(tx, turno.id, outcome=Outcome.KEPT, starts_at=None, staff_id=None, reason=Why.REOPENED)
    await waitlist.remove(tx, turno_id=turno.id)
    restored = _as_before(turno, one, by=by, turnos=turnos)
    await turno_store.save(tx, restored)
    for event in _told(restored, shop, by=by):
        await tx.publish(event)
    return [] if offer is None else [offer]


def _as_before(turno: Turno, one: AffectedTurno, *, by: UUID, turnos: Turnos) -> Turno:
    """Confirmed, or a request that the business has as long to confirm as for a new one."""
    now = turnos.clock.now()
    changed = turno.after(What.RESTORED, at=now, actor_id=by)
    if one.status_before != Status.PENDING:
        return replace(changed, status=Status.CONFIRMED, expires_at=None)
    until = rules.pending_until(now=now, starts_at=turno.starts_at)
    return replace(changed, status=Status.PENDING, expires_at=until)


def _told(restored: Turno, shop: Shop, *, by: UUID) -> list[Event]:
    told: list[Event] = [announcing.restored(restored, shop, actor_id=by)]
    if restored.expires_at is not None:
        told.append(telling.lapsing_later(restored.id, restored.expires_at))
    return told


async def _free(turnos: Turnos, tx: Transaction, closing: Closing) -> None:
    """The time that was closed, as far ahead as clients may book."""
    shop = await copies.locked_shop(tx, closing.business_id)
    limits = shop.client_limits(turnos.clock.now())
    span = Window(max(closing.starts_at, limits.now_at), min(closing.ends_at, limits.until_at))
    if span.start_at >= span.end_at:
        return
    members = [member.id for member in shop.business.staff if member.active and not member.deleted]
    for staff_id in sorted(members):
        if closing.staff_id in (None, staff_id):
            await freeing.freed(turnos, tx, shop, staff_id=staff_id, span=span)
