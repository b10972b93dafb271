"""Changes that would strand turnos: refused with a list of them, or done as the owner decides (R11)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from turnosya.contracts.business import OnConflict
from turnosya.contracts.turnos import AffectedAppointment, NeedsDecision, OffersWanted
from turnosya.runtime.database import Transaction
from turnosya.runtime.ids import new_id
from turnosya.services.turnos import offering, rules, telling
from turnosya.services.turnos.closure import AffectedTurno, Closing, Outcome, ProposalStatus, Why
from turnosya.services.turnos.shops import Shop
from turnosya.services.turnos.store import closures, waitlist
from turnosya.services.turnos.store import turnos as turno_store
from turnosya.services.turnos.turno import Status, Turno, What

if TYPE_CHECKING:
    from turnosya.services.turnos.context import Turnos


@dataclass(frozen=True, slots=True)
class Change:
    """A business before and after what somebody wants to change in it."""

    before: Shop
    after: Shop

    def strands(self, future: list[Turno]) -> list[Turno]:
        """Those of the ``future`` turnos for which there would be no place any more, by start."""
        before, after = self.before.business, self.after.business
        if after.deleted or before.timezone != after.timezone or (after.suspended and not before.suspended):
            return future
        there = {member.id for member in after.staff if member.active and not member.deleted}
        gone = {member.id for member in before.staff if member.active and not member.deleted} - there
        offered = {service.id for service in after.services if not service.deleted}
        dropped = {service.id for service in before.services if not service.deleted} - offered
        stranded = rules.stranded_by_absence(future, staff_ids=gone, service_ids=dropped)
        stranded += [turno for turno in future if self._is_left_alone(turno)]
        stranded += rules.stranded_by_hours(future, before=self.before.calendar, after=self.after.calendar)
        ids = {turno.id for turno in stranded}
        return [turno for turno in future if turno.id in ids]

    def _is_left_alone(self, turno: Turno) -> bool:
        """Whether its member did its service before and does no longer."""
        ids = set(turno.service_ids or [turno.service_id])
        able = [
            shop.members_of([service for service in shop.business.services if service.id in ids])
            for shop in (self.before, self.after)
        ]
        return turno.staff_id in able[0] and turno.staff_id not in able[1]


async def resolve(
    turnos: Turnos, tx: Transaction, change: Change, *, on_conflict: OnConflict | None, actor_id: UUID
) -> None:
    """Does with the stranded turnos what ``on_conflict`` says; raises NeedsDecision if it says nothing.

    Needs the locks of all members of the business, so that no booking goes by the hours of before.
    """
    now = turnos.clock.now()
    future = await turno_store.future_of(tx, change.before.business.id, now=now)
    stranded = change.strands([turno for turno in future if not rules.has_lapsed(turno, now)])
    if on_conflict == "keep":
        return
    if stranded and on_conflict is None:
        raise NeedsDecision(appointments=[affected(turno, change.before) for turno in stranded])
    if on_conflict == "propose" and not change.after.is_shut:
        await _seek_others(tx, change, stranded, actor_id=actor_id, now=now)
    else:
        await _cancel(tx, change, stranded, actor_id=actor_id, now=now)
    await _withdraw_offers(tx, change, now=now)


async def _cancel(
    tx: Transaction, change: Change, stranded: Sequence[Turno], *, actor_id: UUID, now: datetime
) -> None:
    # In the order in which everybody locks rows, so that two who cancel never wait for each other.
    for turno in sorted(stranded, key=lambda turno: turno.id):
        after = turno.after(What.CANCELLED, at=now, actor_id=actor_id)
        cancelled = replace(after, status=Status.CANCELLED, expires_at=None)
        await turno_store.save(tx, cancelled)
        if turno.status is Status.PROPOSED:
            offer = await closures.open_for(tx, turno.id)
            if offer is not None:
                await closures.end(tx, offer, ProposalStatus.WITHDRAWN)
            await closures.decide(tx, turno.id, outcome=Outcome.CANCELLED, starts_at=None, staff_id=None)
            await waitlist.remove(tx, turno_id=turno.id)
        await tx.publish(
            telling.cancelled(
                cancelled,
                change.before,
                actor_id=actor_id,
                reason=None,
                suspended=change.after.business.suspended,
            )
        )


async def _withdraw_offers(tx: Transaction, change: Change, *, now: datetime) -> None:
    """What was offered somewhere where the change leaves no place is offered no more.

    A turno that it was offered for is planned for again; who waits stays in line.
    """
    live = await turno_store.live_from(tx, change.before.business.id, now=now)
    held = [turno for turno in live if turno.status is Status.HELD and turno.for_appointment_id is not None]
    again: set[UUID] = set()
    for lost in change.strands(held):
        offer = await closures.find_proposal(tx, lost.id)
        if offer is None or offer.status is not ProposalStatus.OPEN:
            continue
        await closures.end(tx, offer, ProposalStatus.WITHDRAWN)
        if offer.appointment_id is None:
            continue
        found = await closures.undecided_of(tx, offer.appointment_id)
        if found is not None:
            again.add(found.closure_id)
        await closures.decide(
            tx,
            offer.appointment_id,
            outcome=Outcome.WAITING,
            starts_at=None,
            staff_id=None,
            reason=Why.TO_BE_PLANNED,
        )
    for closure_id in sorted(again):
        await tx.publish(OffersWanted(business_id=change.before.business.id, closure_id=closure_id))


async def _seek_others(
    tx: Transaction, change: Change, stranded: Sequence[Turno], *, actor_id: UUID, now: datetime
) -> None:
    """They stay their clients' until others are offered, which is planned once this change is made.

    The plan takes longer than a transaction may; the event that asks for it is stored with the change.
    """
    seeking = [turno for turno in stranded if turno.status is not Status.PROPOSED]
    if not seeking:
        return
    closing = Closing(
        id=new_id(),
        business_id=change.before.business.id,
        starts_at=min(turno.starts_at for turno in seeking),
        ends_at=max(turno.ends_at for turno in seeking),
        staff_id=None,
        reason=None,
        reschedule="propose",
        horizon_days=change.after.schedule.max_days_ahead,
        closed_by=actor_id,
        created_at=now,
        # It closes no time by itself: what does is the change.
        reopened_at=now,
    )
    for turno in sorted(seeking, key=lambda turno: turno.id):
        changed = turno.after(What.PROPOSED, at=now, actor_id=actor_id)
        until = offering.decided_until(turno.starts_at, now + offering.AT_LEAST)
        await turno_store.save(tx, replace(changed, status=Status.PROPOSED, expires_at=until))
        await tx.publish(telling.lapsing_later(turno.id, until))
    found = [
        AffectedTurno(
            closing.id, turno.id, Outcome.WAITING, reason=Why.TO_BE_PLANNED, status_before=turno.status.value
        )
        for turno in seeking
    ]
    await closures.add(tx, closing, found)
    await tx.publish(OffersWanted(business_id=closing.business_id, closure_id=closing.id))


def affected(turno: Turno, shop: Shop) -> AffectedAppointment:
    """One turno in the list of a refusal, its instants as the business reads them."""
    zone = shop.calendar.zone
    return AffectedAppointment(
        id=turno.id,
        starts_at=turno.starts_at.astimezone(zone),
        ends_at=turno.ends_at.astimezone(zone),
        staff_id=turno.staff_id,
        client_id=turno.client_id,
        status=turno.status,
    )
