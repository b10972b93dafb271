"""What is done with one turno: cancel, confirm, complete, no-show."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, Any
from uuid import UUID

from turnosya.runtime.database import Transaction
from turnosya.runtime.idempotency import Kept, Once
from turnosya.runtime.messages import Conflict, Event, Forbidden
from turnosya.services.turnos import agenda, freeing, offers, rules, telling
from turnosya.services.turnos.agenda import Seen
from turnosya.services.turnos.fresh import until_fresh
from turnosya.services.turnos.refusals import AppointmentNotActive, CancellationWindowClosed
from turnosya.services.turnos.resources import appointment_resource
from turnosya.services.turnos.rules import Verdict
from turnosya.services.turnos.store import seats
from turnosya.services.turnos.store import turnos as turno_store
from turnosya.services.turnos.turno import Status, Turno, What

if TYPE_CHECKING:
    from turnosya.services.turnos.context import Turnos


class Action(Enum):
    """What can be done with a turno where it stands."""

    CANCEL = "cancel"
    CONFIRM = "confirm"
    COMPLETE = "complete"
    NO_SHOW = "no-show"


_OUTCOME = {
    Action.CANCEL: Status.CANCELLED,
    Action.CONFIRM: Status.CONFIRMED,
    Action.COMPLETE: Status.COMPLETED,
    Action.NO_SHOW: Status.NO_SHOW,
}
_WHAT = {
    Action.CANCEL: What.CANCELLED,
    Action.CONFIRM: What.CONFIRMED,
    Action.COMPLETE: What.COMPLETED,
    Action.NO_SHOW: What.NO_SHOW,
}


@dataclass(frozen=True, slots=True)
class Deed:
    """An action on one turno by somebody."""

    action: Action
    turno_id: UUID
    actor_id: UUID
    reason: str | None = None
    by_link: bool = False
    """By whoever holds a signed link to the turno, as its client."""


async def act(turnos: Turnos, deed: Deed, once: Once) -> Kept:
    """Does it, and answers the turno.

    Raises NotFound, Forbidden, AppointmentNotActive, CancellationWindowClosed and, too early, Conflict.
    """
    return await until_fresh(lambda: _try(turnos, deed, once))


async def _try(turnos: Turnos, deed: Deed, once: Once) -> Kept:
    if deed.by_link:
        seen = await agenda.seen_by_link(turnos, deed.turno_id)
    else:
        seen = await agenda.seen_by(turnos, deed.actor_id, deed.turno_id)
    if not seen.by_business and deed.action is not Action.CANCEL:
        raise Forbidden

    async def work(tx: Transaction) -> tuple[int, dict[str, Any]]:
        await seats.lock(tx, [seats.staff_key(seen.turno.staff_id)])
        turno = await agenda.locked(tx, seen.turno, now=turnos.clock.now())
        done = await _carry_out(turnos, tx, deed, replace(seen, turno=turno))
        return 200, appointment_resource(done, seen.shop.calendar.zone)

    return await once.answer(turnos.db, work)


async def _carry_out(turnos: Turnos, tx: Transaction, deed: Deed, seen: Seen) -> Turno:
    turno, now = seen.turno, turnos.clock.now()
    verdict = _verdict(turnos, deed, seen)
    if verdict is Verdict.DONE_ALREADY:
        return turno
    if verdict is Verdict.NOT_ACTIVE:
        raise AppointmentNotActive
    if verdict is Verdict.TOO_LATE:
        raise CancellationWindowClosed(
            until=rules.cancellable_until(turno).astimezone(seen.shop.calendar.zone)
        )
    if verdict is Verdict.TOO_EARLY:
        raise Conflict
    declined = deed.action is Action.CANCEL and seen.by_business and turno.status is Status.PENDING
    what = What.DECLINED if declined else _WHAT[deed.action]
    changed = turno.after(what, at=now, actor_id=deed.actor_id, reason=deed.reason)
    done = replace(changed, status=_OUTCOME[deed.action], expires_at=None)
    await turno_store.save(tx, done)
    offer = await offers.settle(turnos, tx, done) if turno.status is Status.PROPOSED else None
    if offer is not None:
        await offers.free(turnos, tx, seen.shop, offer)
    await tx.publish(_event(deed, done, seen))
    if done.status is Status.CANCELLED:
        await freeing.freed(turnos, tx, seen.shop, staff_id=turno.staff_id, span=turno.span)
    return done


def _verdict(turnos: Turnos, deed: Deed, seen: Seen) -> Verdict:
    now = turnos.clock.now()
    if deed.action is Action.CANCEL:
        # Where the business has closed, it is not the client who is late.
        is_bound = not seen.by_business and seen.turno.status is not Status.PROPOSED
        return rules.may_cancel(seen.turno, now=now, is_client=is_bound)
    if deed.action is Action.CONFIRM:
        return rules.may_confirm(seen.turno)
    return rules.may_close(seen.turno, _OUTCOME[deed.action], now=now)


def _event(deed: Deed, turno: Turno, seen: Seen) -> Event:
    if deed.action is Action.CANCEL:
        return telling.cancelled(turno, seen.shop, actor_id=deed.actor_id, reason=deed.reason)
    if deed.action is Action.CONFIRM:
        return telling.confirmed(turno, seen.shop, actor_id=deed.actor_id)
    return telling.closed(turno, seen.shop, actor_id=deed.actor_id)
