"""Offers as they end: declined, expired, or with the turno that they were for (R17)."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from turnosya.contracts.turnos import ExpireOffer
from turnosya.runtime.database import Transaction
from turnosya.runtime.messages import Nothing, Unavailable
from turnosya.services.turnos import announcing, copies, freeing, rules, telling
from turnosya.services.turnos.closure import Outcome, Proposal, ProposalStatus, Why
from turnosya.services.turnos.shops import Shop
from turnosya.services.turnos.store import closures, seats, waitlist
from turnosya.services.turnos.store import turnos as turno_store
from turnosya.services.turnos.turno import Status, Turno, What
from turnosya.services.turnos.windows import Window

if TYPE_CHECKING:
    from turnosya.services.turnos.context import Turnos

# Whoever has just let an offer go, or let it pass, has a link to choose with, and a while to do so before
# they are offered something else.
CHOOSES_FIRST = timedelta(minutes=15)
# Machines of one installation are kept nearer than this to each other by NTP.
_CLOCKS_APART = timedelta(minutes=1)


async def settle(turnos: Turnos, tx: Transaction, turno: Turno) -> Proposal | None:
    """A turno that needed another time has one, or needs none: its offer ends, and so does its waiting.

    ``turno`` is as it will stand. Answers the offer, whose time is to be freed once the turno is written: it
    may go to that very time. Needs the lock of the member it had before.
    """
    open_offer = await closures.open_for(tx, turno.id)
    if open_offer is not None:
        await closures.end(tx, open_offer, ProposalStatus.WITHDRAWN)
    outcome = Outcome.CANCELLED if turno.status is Status.CANCELLED else Outcome.MOVED
    is_moved = outcome is Outcome.MOVED
    await closures.decide(
        tx,
        turno.id,
        outcome=outcome,
        starts_at=turno.starts_at if is_moved else None,
        staff_id=turno.staff_id if is_moved else None,
        reason=None,
        answered=True,
    )
    await waitlist.remove(tx, turno_id=turno.id)
    await plan_again_later(turnos, tx, turno.id)
    return open_offer


async def plan_again_later(turnos: Turnos, tx: Transaction, turno_id: UUID) -> None:
    """Somebody has answered, or has not: the second round of their closure comes after the last of them.

    Each asks for it anew, and the job looks whether it was the last: two who answer at once do not see each
    other.
    """
    at = turnos.clock.now() + CHOOSES_FIRST
    for closure_id in await closures.with_second_round_to_come(tx, turno_id):
        await tx.publish(announcing.second_round_later(closure_id, at))


async def expire_offer(turnos: Turnos, request: ExpireOffer) -> Nothing:
    """The job of an offer that nobody answered; nothing happens if somebody did."""
    early = await expire(turnos, request.proposal_id)
    if early is not None and timedelta() < early < _CLOCKS_APART:
        # The clock of jobs is a little before ours: it tries again.
        raise Unavailable
    return Nothing()


async def expire(turnos: Turnos, proposal_id: UUID) -> timedelta | None:
    """Ends an offer whose time is over; says how much is left of one that is open."""
    async with turnos.db.read() as tx:
        proposal = await closures.read_proposal(tx, proposal_id)
    if proposal is None or proposal.status is not ProposalStatus.OPEN:
        return None
    if proposal.expires_at > turnos.clock.now():
        return proposal.expires_at - turnos.clock.now()
    shop = await copies.kept_shop(turnos, proposal.business_id)
    async with turnos.db.transaction() as tx:
        await seats.lock(tx, [seats.staff_key(proposal.staff_id)])
        await expire_locked(turnos, tx, shop, proposal_id)
    return None


async def expire_locked(turnos: Turnos, tx: Transaction, shop: Shop, proposal_id: UUID) -> None:
    """The same under the lock of the member whose time is held: by the job, or by whoever books there."""
    proposal = await closures.find_proposal(tx, proposal_id)
    now = turnos.clock.now()
    if proposal is None or proposal.status is not ProposalStatus.OPEN or proposal.expires_at > now:
        return
    await closures.end(tx, proposal, ProposalStatus.EXPIRED)
    turno = await _still_undecided(tx, proposal)
    if turno is not None:
        await _waits_again(turnos, tx, turno, Why.EXPIRED)
        # One whose own time is over too is told that, once.
        if not rules.has_lapsed(turno, now):
            await tx.publish(announcing.expired(turno, shop, links=turnos.answer_links))
    await free(turnos, tx, shop, proposal)


async def decline_locked(turnos: Turnos, tx: Transaction, shop: Shop, proposal: Proposal) -> None:
    """The client would rather have another time; what was held is free, and they may choose."""
    await closures.end(tx, proposal, ProposalStatus.DECLINED)
    turno = await _still_undecided(tx, proposal)
    if turno is not None:
        await _waits_again(turnos, tx, turno, Why.DECLINED)
        await tx.publish(announcing.declined(turno, shop, links=turnos.answer_links))
    await free(turnos, tx, shop, proposal)


async def lapse(turnos: Turnos, tx: Transaction, shop: Shop, turno: Turno) -> None:
    """A turno that needed another time and whose client has chosen none in time: cancelled, both are told."""
    now = turnos.clock.now()
    changed = turno.after(What.EXPIRED, at=now, actor_id=None)
    cancelled = replace(changed, status=Status.CANCELLED, expires_at=None)
    await turno_store.save(tx, cancelled)
    why = await closures.reason_for(tx, turno.id)
    offer = await settle(turnos, tx, cancelled)
    if offer is not None:
        await free(turnos, tx, shop, offer)
    owner_id = shop.business.owner_id
    await tx.publish(telling.cancelled(cancelled, shop, actor_id=owner_id, reason=why))


async def _still_undecided(tx: Transaction, proposal: Proposal) -> Turno | None:
    """The turno that an offer was for, if it still needs another time."""
    if proposal.appointment_id is None:
        return None
    turno = await turno_store.find(tx, proposal.appointment_id)
    return turno if turno is not None and turno.status is Status.PROPOSED else None


async def _waits_again(turnos: Turnos, tx: Transaction, turno: Turno, why: Why) -> None:
    await closures.decide(
        tx, turno.id, outcome=Outcome.WAITING, starts_at=None, staff_id=None, reason=why, answered=True
    )
    await plan_again_later(turnos, tx, turno.id)


async def free(turnos: Turnos, tx: Transaction, shop: Shop, proposal: Proposal) -> None:
    """What an offer held is free, for who waits first."""
    span = Window(proposal.starts_at, proposal.ends_at)
    await freeing.freed(turnos, tx, shop, staff_id=proposal.staff_id, span=span)


def is_late(proposal: Proposal, now: datetime) -> bool:
    """Whether an offer is over, though nobody may have said so yet."""
    return proposal.status is ProposalStatus.OPEN and proposal.expires_at <= now
