"""Offers as their clients answer them: accept, decline, choose another time (R17)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from uuid import UUID

from turnosya.runtime.database import Transaction
from turnosya.runtime.idempotency import Kept, Once
from turnosya.runtime.messages import NotFound
from turnosya.services.turnos import copies, freeing, moving, offering, offers, rules, telling
from turnosya.services.turnos.closure import Outcome, Proposal, ProposalStatus
from turnosya.services.turnos.closure_resources import proposal_resource
from turnosya.services.turnos.fresh import Stale, until_fresh
from turnosya.services.turnos.moving import Move
from turnosya.services.turnos.offering import Spot
from turnosya.services.turnos.refusals import AppointmentNotActive, ProposalExpired, refused
from turnosya.services.turnos.resources import appointment_resource
from turnosya.services.turnos.shops import Shop
from turnosya.services.turnos.store import closures as store
from turnosya.services.turnos.store import seats, waitlist
from turnosya.services.turnos.store import turnos as turno_store
from turnosya.services.turnos.turno import Status, Turno, What

if TYPE_CHECKING:
    from turnosya.services.turnos.context import Turnos


@dataclass(frozen=True, slots=True)
class Answer:
    """Who answers which offer; ``client_id`` is None for a signed link, which speaks for its client."""

    proposal_id: UUID
    client_id: UUID | None = None
    by_link: bool = False


async def of_client(turnos: Turnos, client_id: UUID, *, after: UUID | None, limit: int) -> list[Proposal]:
    """Offers to a client, the latest first; none of them is open beyond its time."""
    async with turnos.db.read() as tx:
        lapsed = await store.lapsed_for(tx, client_id, now=turnos.clock.now())
    for proposal_id in lapsed:
        await offers.expire(turnos, proposal_id)
    async with turnos.db.read() as tx:
        return await store.proposals_of(tx, client_id, after=after, limit=limit)


async def accept(turnos: Turnos, answer: Answer, once: Once) -> Kept:
    """The turno goes where it was offered to go; again, it is answered as it stands.

    Raises NotFound, ProposalExpired, SlotTaken if the client has something else there by now.
    """
    return await until_fresh(lambda: _accept(turnos, answer, once))


async def decline(turnos: Turnos, answer: Answer, once: Once) -> Kept:
    """What is held becomes free at once, and the client may choose. Raises NotFound, ProposalExpired."""
    return await until_fresh(lambda: _decline(turnos, answer, once))


async def choose(turnos: Turnos, answer: Answer, wanted: Move, once: Once) -> Kept:
    """Another time than the offered one, until the turno is cancelled; answers the turno.

    Raises AppointmentNotActive once the turno has another time, or is no more.
    """
    proposal = await read(turnos, answer)
    if proposal.appointment_id is None:
        raise ProposalExpired
    async with turnos.db.read() as tx:
        turno = await turno_store.find(tx, proposal.appointment_id)
    if turno is None or (turno.status is not Status.PROPOSED and turno.starts_at != wanted.starts_at):
        raise AppointmentNotActive
    return await moving.reschedule(turnos, replace(wanted, turno_id=turno.id), once)


async def read(turnos: Turnos, answer: Answer) -> Proposal:
    """An offer for who may answer it; NotFound for everybody else."""
    async with turnos.db.read() as tx:
        proposal = await store.read_proposal(tx, answer.proposal_id)
    if proposal is None or not (answer.by_link or proposal.client_id == answer.client_id):
        raise NotFound
    if offers.is_late(proposal, turnos.clock.now()):
        await offers.expire(turnos, proposal.id)
        return await read(turnos, answer)
    return proposal


async def _accept(turnos: Turnos, answer: Answer, once: Once) -> Kept:
    proposal = await read(turnos, answer)
    shop = await copies.kept_shop(turnos, proposal.business_id)
    async with turnos.db.read() as tx:
        before = await turno_store.find(tx, proposal.appointment_id or proposal.id)

    async def work(tx: Transaction) -> tuple[int, dict[str, Any]]:
        await seats.lock(tx, _keys(proposal, before))
        turno = await _accepted(turnos, tx, shop, proposal, before=before)
        return 200, appointment_resource(turno, shop.calendar.zone)

    return await once.answer(turnos.db, work)


async def _accepted(
    turnos: Turnos, tx: Transaction, shop: Shop, seen: Proposal, *, before: Turno | None
) -> Turno:
    proposal = await store.find_proposal(tx, seen.id)
    turno = await turno_store.find_locked(tx, seen.appointment_id or seen.id)
    if proposal is None:
        raise NotFound
    if proposal.status is ProposalStatus.ACCEPTED and turno is not None:
        return turno
    if proposal.status is not ProposalStatus.OPEN or turno is None:
        raise ProposalExpired
    if offers.is_late(proposal, turnos.clock.now()) or before is None or before.staff_id != turno.staff_id:
        raise Stale
    if proposal.appointment_id is None:
        return await _book(turnos, tx, shop, proposal, held=turno)
    if turno.status is not Status.PROPOSED or rules.has_lapsed(turno, turnos.clock.now()):
        raise ProposalExpired
    return await _move(turnos, tx, shop, proposal, turno=turno)


async def _move(turnos: Turnos, tx: Transaction, shop: Shop, proposal: Proposal, *, turno: Turno) -> Turno:
    """The turno takes the place of the row that was held for it."""
    held = await turno_store.find_locked(tx, proposal.id)
    if held is None:
        raise ProposalExpired
    await store.end(tx, proposal, ProposalStatus.ACCEPTED)
    actor_id = proposal.client_id or shop.business.owner_id
    changed = turno.after(
        What.MOVED, at=turnos.clock.now(), actor_id=actor_id, reason=f"proposal {proposal.id}"
    )
    spot = Spot(held.staff_id, held.starts_at, held.seat, held.capacity)
    moved = replace(offering.at_spot(changed, spot, shop), status=Status.CONFIRMED, expires_at=None)
    conflict = await turno_store.save(tx, moved)
    if conflict is not None:
        raise refused(conflict)
    await store.decide(
        tx,
        turno.id,
        outcome=Outcome.MOVED,
        starts_at=moved.starts_at,
        staff_id=moved.staff_id,
        reason=None,
        answered=True,
    )
    await waitlist.remove(tx, turno_id=turno.id)
    await offers.plan_again_later(turnos, tx, turno.id)
    for event in telling.moved(moved, shop, before=turno, actor_id=actor_id):
        await tx.publish(event)
    await freeing.freed(turnos, tx, shop, staff_id=turno.staff_id, span=turno.span)
    return moved


async def _book(turnos: Turnos, tx: Transaction, shop: Shop, proposal: Proposal, *, held: Turno) -> Turno:
    """What was held for somebody who waited becomes their turno."""
    await store.accept(tx, proposal)
    actor_id = proposal.client_id or shop.business.owner_id
    changed = held.after(What.BOOKED, at=turnos.clock.now(), actor_id=actor_id)
    booked = replace(changed, status=Status.CONFIRMED, expires_at=None, for_appointment_id=None)
    conflict = await turno_store.save(tx, booked)
    if conflict is not None:
        raise refused(conflict)
    await waitlist.remove(tx, waiting_id=proposal.waiting_id)
    for event in telling.booked(booked, shop, actor_id=actor_id):
        await tx.publish(event)
    return booked


async def _decline(turnos: Turnos, answer: Answer, once: Once) -> Kept:
    seen = await read(turnos, answer)
    shop = await copies.kept_shop(turnos, seen.business_id)

    async def work(tx: Transaction) -> tuple[int, dict[str, Any]]:
        await seats.lock(tx, [seats.staff_key(seen.staff_id)])
        proposal = await store.find_proposal(tx, seen.id)
        if proposal is None:
            raise NotFound
        if proposal.status is ProposalStatus.OPEN:
            if offers.is_late(proposal, turnos.clock.now()):
                raise Stale
            await offers.decline_locked(turnos, tx, shop, proposal)
        elif proposal.status is not ProposalStatus.DECLINED:
            raise ProposalExpired
        declined = replace(proposal, status=ProposalStatus.DECLINED)
        return 200, proposal_resource(declined, shop.calendar.zone)

    return await once.answer(turnos.db, work)


def _keys(proposal: Proposal, turno: Turno | None) -> set[int]:
    keys = {seats.staff_key(proposal.staff_id)}
    if turno is not None:
        keys.add(seats.staff_key(turno.staff_id))
    if proposal.client_id is not None:
        keys.add(seats.client_key(proposal.business_id, proposal.client_id))
    return keys
