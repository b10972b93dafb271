"""Taking a business off, and letting it come back: calls of admins."""

from typing import Annotated
from uuid import UUID

from fastapi import Response
from pydantic import AfterValidator, Field

from turnosya.contracts.business import OnConflict
from turnosya.contracts.turnos import NeedsDecision
from turnosya.runtime.fields import Closed
from turnosya.runtime.http import Admin, router
from turnosya.runtime.messages import Conflict, Forbidden
from turnosya.runtime.problems import refuses
from turnosya.services.business import suspension, values
from turnosya.services.business.routes.forms import Here
from turnosya.services.business.routes.profile import BusinessShown, shown

routes = router("/v1/businesses/{business_id}/suspension", tags=["businesses"])

Reason = Annotated[str, Field(max_length=1000), AfterValidator(values.many_lines)]


class NewSuspension(Closed):
    """Why, as its owner is told; ``on_conflict`` says what becomes of the turnos that clients have there.

    ``propose`` has no other time to offer in a business that is taken off: it cancels.
    """

    reason: Reason
    on_conflict: OnConflict | None = None


@routes.post("", responses=refuses(Forbidden, Conflict, NeedsDecision))
async def suspend(here: Here, business_id: UUID, body: NewSuspension, admin: Admin) -> BusinessShown:
    """Take a business off (admin)."""
    state = await suspension.suspend(
        here, business_id, admin.user_id, reason=body.reason, on_conflict=body.on_conflict
    )
    return shown(here, state)


@routes.delete("", status_code=204, response_class=Response, responses=refuses(Forbidden, Conflict))
async def lift(here: Here, business_id: UUID, admin: Admin) -> Response:
    """Let it be found and booked again (admin)."""
    await suspension.lift(here, business_id, admin.user_id)
    return Response(status_code=204)
