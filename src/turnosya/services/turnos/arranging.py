"""Carrying a plan out: what is written for each affected turno, and what is told (R17, R18)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from turnosya.runtime.database import Transaction
from turnosya.runtime.ids import new_id
from turnosya.runtime.messages import Event
from turnosya.services.turnos import announcing, offering, telling
from turnosya.services.turnos.closure import (
    AffectedTurno,
    Closing,
    Outcome,
    Proposal,
    ProposalStatus,
    Waiting,
    Why,
)
from turnosya.services.turnos.fresh import Stale
from turnosya.services.turnos.offering import Spot
from turnosya.services.turnos.planning.problem import MOST_AUTOMATIC_MOVES
from turnosya.services.turnos.replanning import Ground
from turnosya.services.turnos.store import closures as store
from turnosya.services.turnos.store import turnos as turno_store
from turnosya.services.turnos.store import waitlist
from turnosya.services.turnos.turno import Status, Turno, What
from turnosya.services.turnos.windows import local_date

if TYPE_CHECKING:
    from turnosya.services.turnos.context import Turnos


@dataclass(frozen=True, slots=True)
class Arrangement:
    """A closure, what it was planned on and where the plan puts each turno; absent are those left out."""

    closing: Closing
    ground: Ground
    spots: Mapping[UUID, Spot]
    note: Mapping[str, Any] | None = None
    """What the plan is worth; None where nobody was to be placed."""
    is_new: bool = True
    """Whether the closure begins with it, or has a plan made once more."""

    def outcome(self, turno: Turno) -> AffectedTurno:
        """What becomes of a turno."""
        found = AffectedTurno(self.closing.id, turno.id, Outcome.WAITING, status_before=turno.status)
        if self.closing.reschedule == "none":
            return replace(found, outcome=Outcome.CANCELLED, reason=self.closing.reason)
        spot = self.spots.get(turno.id)
        if spot is None:
            moves = self.ground.moves.get(turno.id, 0)
            is_fixed = moves >= MOST_AUTOMATIC_MOVES
            return replace(found, reason=Why.MOVED_TWICE if is_fixed else Why.NO_PLACE)
        is_moved = self.closing.reschedule == "automatic"
        outcome = Outcome.MOVED if is_moved else Outcome.PROPOSED
        return replace(found, outcome=outcome, starts_at=spot.starts_at, staff_id=spot.staff_id)


async def arrange(turnos: Turnos, tx: Transaction, plan: Arrangement) -> list[AffectedTurno]:
    """Writes the plan, and what is told of it, under everybody's locks.

    Raises Stale if the database does not take it.
    """
    work = _Arranging(turnos, tx, plan)
    found = [plan.outcome(turno) for turno in plan.ground.affected]
    if plan.is_new:
        found = [replace(one, status_before=await work.let_go(turno)) for turno, one in _pairs(plan, found)]
        await work.let_go_of_waiting()
    for turno, outcome in sorted(_pairs(plan, found), key=lambda both: both[0].id):
        if outcome.outcome is Outcome.CANCELLED:
            await work.cancel(turno)
        elif outcome.outcome is Outcome.MOVED:
            await work.move(turno, plan.spots[turno.id])
        elif outcome.outcome is Outcome.PROPOSED:
            await work.propose(turno, plan.spots[turno.id])
        else:
            await work.leave_waiting(turno)
    for one in plan.ground.waiting:
        if one.id in plan.spots:
            work.offer(one, plan.spots[one.id])
    await work.finish()
    return found


def _pairs(plan: Arrangement, found: Sequence[AffectedTurno]) -> list[tuple[Turno, AffectedTurno]]:
    return list(zip(plan.ground.affected, found, strict=True))


class _Arranging:
    """One plan on its way into the database."""

    def __init__(self, turnos: Turnos, tx: Transaction, plan: Arrangement) -> None:
        self._turnos = turnos
        self._tx = tx
        self._plan = plan
        self._shop = plan.ground.shop
        self._closing = plan.closing
        self._now = plan.ground.now
        self._held: list[Turno] = []
        self._proposals: list[Proposal] = []
        self._events: list[Event] = []

    async def let_go(self, turno: Turno) -> str:
        """An earlier closure's offer, whose time is now closed too, is no longer one.

        Answers what the turno was before any of them.
        """
        earlier = await store.undecided_of(self._tx, turno.id) if turno.status is Status.PROPOSED else None
        if earlier is None:
            return turno.status
        offer = await store.open_for(self._tx, turno.id)
        if offer is not None:
            await store.end(self._tx, offer, ProposalStatus.WITHDRAWN)
        await store.decide(self._tx, turno.id, outcome=Outcome.KEPT, reason=Why.CLOSED_AGAIN)
        await waitlist.remove(self._tx, turno_id=turno.id)
        return earlier.status_before

    async def let_go_of_waiting(self) -> None:
        """What is held for the waitlist in the closed time goes back; they stay in line."""
        for one in self._plan.ground.live:
            if one.status is Status.HELD and one.for_appointment_id is not None and self._is_shut(one):
                offer = await store.find_proposal(self._tx, one.id)
                if offer is not None and offer.appointment_id is None:
                    await store.end(self._tx, offer, ProposalStatus.WITHDRAWN)

    def _is_shut(self, one: Turno) -> bool:
        closing = self._closing
        is_then = one.starts_at < closing.ends_at and closing.starts_at < one.ends_at
        return is_then and closing.staff_id in (None, one.staff_id)

    async def cancel(self, turno: Turno) -> None:
        by, reason = self._closing.closed_by, self._closing.reason
        changed = turno.after(What.CANCELLED, at=self._now, actor_id=by, reason=reason)
        cancelled = replace(changed, status=Status.CANCELLED, expires_at=None)
        await self._save(cancelled)
        self._events.append(telling.cancelled(cancelled, self._shop, actor_id=by, reason=reason))

    async def move(self, turno: Turno, spot: Spot) -> None:
        by, reason = self._closing.closed_by, self._closing.reason
        changed = turno.after(What.MOVED, at=self._now, actor_id=by, reason=reason)
        # What the business moved itself it has confirmed.
        there = replace(offering.at_spot(changed, spot, self._shop), status=Status.CONFIRMED, expires_at=None)
        await self._save(there)
        links = self._turnos.answer_links.to_choose(turno.id, there.starts_at - offering.BEFORE_START)
        self._events += telling.moved(there, self._shop, before=turno, actor_id=by, links=links)

    async def propose(self, turno: Turno, spot: Spot) -> None:
        proposal = offering.proposal_for(turno, spot, proposal_id=new_id(), now=self._now)
        until = offering.decided_until(turno.starts_at, proposal.expires_at)
        proposed = replace(self._proposed(turno), expires_at=until)
        await self._save(proposed)
        self._held.append(offering.held_row(turno, spot, self._shop, proposal))
        self._proposals.append(proposal)
        self._events += announcing.proposed(
            proposed, self._shop, proposal, links=self._turnos.answer_links, reason=self._closing.reason
        )

    async def leave_waiting(self, turno: Turno) -> None:
        until = offering.decided_until(turno.starts_at, self._now + offering.AT_LEAST)
        proposed = replace(self._proposed(turno), expires_at=until)
        if turno.id in self._plan.ground.in_vain:
            await waitlist.add_once(self._tx, self._in_line(turno))
            return
        await self._save(proposed)
        await waitlist.add(self._tx, self._in_line(turno))
        self._events += announcing.unplaced(
            proposed, self._shop, links=self._turnos.answer_links, reason=self._closing.reason
        )

    def offer(self, one: Waiting, spot: Spot) -> None:
        """Something that has become free, to somebody who waited for it."""
        kind = offering.as_sold_now(self._shop, one, spot)
        proposal = offering.proposal_to_waiting(one, kind, spot, now=self._now)
        held = offering.held_row(kind, spot, self._shop, proposal)
        self._held.append(held)
        self._proposals.append(proposal)
        self._events += announcing.offered_to_waiting(
            held, self._shop, proposal, links=self._turnos.answer_links
        )

    async def finish(self) -> None:
        """Holds the offered times, and stores what is told."""
        if await turno_store.add_many(self._tx, self._held) is not None:
            raise Stale
        await store.add_proposals(self._tx, self._proposals)
        for event in self._events:
            await self._tx.publish(event)

    def _proposed(self, turno: Turno) -> Turno:
        if turno.status is Status.PROPOSED:
            return turno
        changed = turno.after(
            What.PROPOSED, at=self._now, actor_id=self._closing.closed_by, reason=self._closing.reason
        )
        return replace(changed, status=Status.PROPOSED)

    def _in_line(self, turno: Turno) -> Waiting:
        zone = self._shop.calendar.zone
        return Waiting(
            id=new_id(),
            business_id=turno.business_id,
            client_id=turno.client_id,
            service_id=turno.service_id,
            staff_id=None if turno.wants_any else turno.staff_id,
            first_on=local_date(zone, self._now),
            last_on=local_date(zone, self._now) + timedelta(days=self._closing.horizon_days),
            appointment_id=turno.id,
            created_at=self._now,
        )

    async def _save(self, turno: Turno) -> None:
        if await turno_store.save(self._tx, turno) is not None:
            raise Stale
