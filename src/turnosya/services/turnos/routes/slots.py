"""What a business offers: ``/v1/turnos/businesses/{business_id}/slots``."""

from datetime import UTC
from typing import Annotated
from uuid import UUID

from fastapi import Query, Response
from starlette.responses import JSONResponse

from turnosya.runtime.field_errors import wrong_field
from turnosya.runtime.fields import CalendarDate, Instant
from turnosya.runtime.http import MaybeSignedIn, SignedIn, router
from turnosya.runtime.messages import Forbidden, Say, invalid
from turnosya.runtime.problems import refuses
from turnosya.services.turnos import explaining, slots
from turnosya.services.turnos.explaining import Doubt
from turnosya.services.turnos.resources import ExplanationResource, SlotsResource, explanation_resource
from turnosya.services.turnos.routes.here import Here
from turnosya.services.turnos.slots import Inquiry

routes = router("/v1/turnos/businesses/{business_id}", tags=["turnos"])
MAX_DAYS = 62
_TOO_LONG = Say(f"como máximo {MAX_DAYS} días", f"at most {MAX_DAYS} days", f"no máximo {MAX_DAYS} dias")


@routes.get("/slots", response_model=SlotsResource)
async def list_slots(
    here: Here,
    business_id: UUID,
    service_id: UUID,
    caller: MaybeSignedIn,
    *,
    first: Annotated[CalendarDate, Query(alias="from")],
    last: Annotated[CalendarDate, Query(alias="to")],
    staff_id: UUID | None = None,
) -> Response:
    """Starts that can be booked, on opening days from ``from`` to ``to``; public."""
    _ = caller
    if first > last:
        raise wrong_field("to", "before_from")
    if (last - first).days >= MAX_DAYS:
        raise invalid("to", "too_long", _TOO_LONG)
    shop, found = await slots.offered(here, Inquiry(business_id, service_id, first, last, staff_id))
    zone = shop.calendar.zone
    # Written by hand: 62 days in steps of five minutes are thousands of rows.
    rows = [
        {
            "starts_at": slot.start_at.astimezone(zone).isoformat(),
            "ends_at": slot.end_at.astimezone(zone).isoformat(),
            "staff_id": str(slot.staff_id),
            "remaining": slot.remaining,
        }
        for slot in found
    ]
    return JSONResponse({"timezone": shop.business.timezone, "slots": rows})


@routes.get("/slots/explain", responses=refuses(Forbidden))
async def explain(
    here: Here,
    business_id: UUID,
    service_id: UUID,
    at: Annotated[Instant, Query()],
    *,
    caller: SignedIn,
    staff_id: UUID | None = None,
) -> ExplanationResource:
    """Why a start is offered or is not; for those who run the business."""
    doubt = Doubt(business_id, service_id, at.astimezone(UTC), caller.user_id, staff_id)
    return explanation_resource(await explaining.explain(here, doubt))
