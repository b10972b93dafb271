"""Who was there is asked once, an hour later, how it was."""

from __future__ import annotations

from typing import TYPE_CHECKING

from turnosya.contracts.business import InviteRating, RatingInvited
from turnosya.contracts.jobs import Job, ScheduleRequested
from turnosya.contracts.turnos import AppointmentCompleted, GetVisits
from turnosya.runtime.clock import real_now
from turnosya.runtime.messages import Nothing
from turnosya.services.business import profile
from turnosya.services.business.store import businesses, ratings

if TYPE_CHECKING:
    from turnosya.services.business.context import Businesses

_LATER_S = 3600.0


async def later(here: Businesses, event: AppointmentCompleted) -> None:
    """A client came: the job that invites them, one however often they come meanwhile."""
    turno = event.appointment
    if turno.client_id is None or turno.client_id == turno.owner_id:
        return
    request = InviteRating(business_id=turno.business_id, client_id=turno.client_id, appointment_id=turno.id)
    key = f"business.InviteRating:{turno.business_id}:{turno.client_id}"
    async with here.db.transaction() as tx:
        await tx.publish(ScheduleRequested(job=Job.of(request, key=key, in_s=_LATER_S)))


async def invite(here: Businesses, request: InviteRating) -> Nothing:
    """The job: invites them, unless they have rated it, were invited before, or never came after all."""
    visits = await here.bus.call(GetVisits(client_id=request.client_id, business_id=request.business_id))
    if visits.completed == 0 or await profile.name_of(here, request.client_id) is None:
        return Nothing()
    async with here.db.transaction() as tx:
        state = await businesses.find_profile(tx, request.business_id)
        if state is None or not state.shows_to(None):
            return Nothing()
        if await ratings.of_person(tx, request.business_id, request.client_id) is not None:
            return Nothing()
        if await ratings.note_invitation(tx, request.business_id, request.client_id, at=real_now()):
            invited = RatingInvited(
                business_id=state.id,
                business_name=state.profile.name,
                client_id=request.client_id,
                appointment_id=request.appointment_id,
            )
            await tx.publish(invited)
    return Nothing()
