"""What a signed link asks, and doing it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from turnosya.contracts.turnos import Answered, AnswerLink
from turnosya.runtime.idempotency import Kept, Once
from turnosya.runtime.messages import NotFound, ServiceError, Unavailable
from turnosya.services.turnos import actions, agenda, coming, copies, moving, proposals
from turnosya.services.turnos.actions import Action, Deed
from turnosya.services.turnos.availability import Slot, free_starts
from turnosya.services.turnos.closure_resources import proposal_resource
from turnosya.services.turnos.moving import Move
from turnosya.services.turnos.one_tap import Purpose
from turnosya.services.turnos.proposals import Answer
from turnosya.services.turnos.shops import Shop
from turnosya.services.turnos.sought import sought_again
from turnosya.services.turnos.store import taken
from turnosya.services.turnos.turno import Turno
from turnosya.services.turnos.windows import Window, local_date

if TYPE_CHECKING:
    from turnosya.services.turnos.context import Turnos

ABOUT_TURNO = frozenset({Purpose.CHOOSE, Purpose.CANCEL, Purpose.COMING})
# As many as somebody looks through on a phone, of as many days as are likely to have them.
_ALTERNATIVES, _DAYS = 20, 14


@dataclass(frozen=True, slots=True)
class Asked:
    """What a link would do, with local times: to which turno, and to which times it could go."""

    purpose: Purpose
    id: UUID
    business_name: str
    starts_at: datetime
    proposal: dict[str, Any] | None
    alternatives: tuple[Slot, ...]

    def as_json(self) -> dict[str, Any]:
        """The same for a program."""
        return {
            "purpose": self.purpose.value,
            "business_name": self.business_name,
            "starts_at": self.starts_at.isoformat(),
            "proposal": self.proposal,
            "alternatives": [
                {
                    "starts_at": slot.start_at.isoformat(),
                    "ends_at": slot.end_at.isoformat(),
                    "staff_id": str(slot.staff_id),
                }
                for slot in self.alternatives
            ],
        }


async def asked(turnos: Turnos, purpose: Purpose, token: str) -> Asked:
    """What a link asks; LinkNotValid for one that is not ours or over, NotFound if it is about nothing."""
    subject = turnos.answer_links.read(purpose, token, now=turnos.clock.now())
    if purpose in ABOUT_TURNO:
        seen = await agenda.seen_by_link(turnos, subject)
        zone = seen.shop.calendar.zone
        name = seen.shop.business.name
        starts_at = seen.turno.starts_at.astimezone(zone)
        if purpose is not Purpose.CHOOSE:
            return Asked(purpose, subject, name, starts_at, None, ())
        local = [
            slot._replace(start_at=slot.start_at.astimezone(zone), end_at=slot.end_at.astimezone(zone))
            for slot in await _alternatives(turnos, seen.shop, seen.turno)
        ]
        return Asked(purpose, subject, name, starts_at, None, tuple(local))
    proposal = await proposals.read(turnos, Answer(subject, by_link=True))
    shop = await copies.kept_shop(turnos, proposal.business_id)
    zone = shop.calendar.zone
    if proposal.appointment_id is None:
        begins = proposal.starts_at
    else:
        begins = (await agenda.seen_by_link(turnos, proposal.appointment_id)).turno.starts_at
    shown = proposal_resource(proposal, zone)
    return Asked(purpose, subject, shop.business.name, begins.astimezone(zone), shown, ())


async def answer(turnos: Turnos, what: Asked, time: tuple[datetime, UUID | None] | None, once: Once) -> Kept:
    """Does what a link asks; answers the turno, or the declined offer."""
    if what.purpose is Purpose.ACCEPT:
        return await proposals.accept(turnos, Answer(what.id, by_link=True), once)
    if what.purpose is Purpose.DECLINE:
        return await proposals.decline(turnos, Answer(what.id, by_link=True), once)
    seen = await agenda.seen_by_link(turnos, what.id)
    actor_id = seen.turno.client_id or seen.shop.business.owner_id
    if what.purpose is Purpose.CANCEL:
        return await actions.act(turnos, Deed(Action.CANCEL, what.id, actor_id, by_link=True), once)
    if what.purpose is Purpose.COMING:
        return await coming.say(turnos, what.id, actor_id, once)
    if time is None:
        raise NotFound
    return await moving.reschedule(turnos, Move(what.id, actor_id, time[0], time[1], by_link=True), once)


async def answer_by_message(turnos: Turnos, request: AnswerLink) -> Answered:
    """The same for who answered in words instead of opening the link; a refusal is part of the answer."""
    try:
        what = await asked(turnos, Purpose(request.purpose), request.token)
        await answer(turnos, what, None, Once(None, b""))
    except Unavailable:
        raise
    except ServiceError as refusal:
        return Answered(done=False, code=refusal.code)
    return Answered(done=True)


async def _alternatives(turnos: Turnos, shop: Shop, turno: Turno) -> list[Slot]:
    """The next starts to which a client could move a turno."""
    now = turnos.clock.now()
    sought = sought_again(shop, turno)
    staff_id = None if turno.wants_any else turno.staff_id
    first = local_date(shop.calendar.zone, now)
    async with turnos.db.read() as tx:
        found = await taken.between(
            tx,
            sought,
            business_id=shop.business.id,
            staff_ids=sought.staff_ids,
            span=Window(now - timedelta(days=2), now + timedelta(days=_DAYS + 2)),
            now=now,
        )
    slots = free_starts(
        shop.calendar,
        sought,
        found.taken if found else [],
        days=[first + timedelta(days=shift) for shift in range(-1, _DAYS)],
        limits=shop.client_limits(now),
        staff_id=staff_id,
        loads=found.loads if found else None,
    )
    return slots[:_ALTERNATIVES]
