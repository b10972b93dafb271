"""Closing for a while: ``/v1/turnos/businesses/{business_id}/closures``."""

from datetime import UTC
from typing import Annotated, Self
from uuid import UUID

from fastapi import Response
from pydantic import Field, model_validator

from turnosya.runtime.field_errors import wrong
from turnosya.runtime.fields import Closed, Flag, Instant, Integer
from turnosya.runtime.http import OnceOnly, SignedIn, kept_response, router
from turnosya.runtime.idempotency import Kept
from turnosya.runtime.messages import Forbidden
from turnosya.runtime.problems import refuses
from turnosya.services.turnos import closures, reopening
from turnosya.services.turnos.closure_resources import ClosureResource
from turnosya.services.turnos.closures import Order
from turnosya.services.turnos.resources import Reschedule
from turnosya.services.turnos.routes.here import Here, ReasonText
from turnosya.services.turnos.windows import Window

routes = router("/v1/turnos/businesses/{business_id}/closures", tags=["turnos"])


class ClosureBody(Closed):
    """From when until when, for one member or all, and what becomes of the appointments in it."""

    from_at: Annotated[Instant, Field(alias="from")]
    to_at: Annotated[Instant, Field(alias="to")]
    staff_id: UUID | None = None
    reason: ReasonText | None = None
    reschedule: Reschedule | None = None
    horizon_days: Annotated[Integer, Field(ge=0, le=366)] | None = None
    dry_run: Flag = False

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Self:
        if self.to_at <= self.from_at:
            raise wrong("before_from")
        return self


@routes.post(
    "",
    status_code=201,
    response_model=ClosureResource,
    response_description="The closure and what becomes of everybody affected; with `dry_run` a draft, whose"
    " `id` is null: nothing is stored and nobody is told",
    responses={
        200: {"description": "The same one is open already", "model": ClosureResource},
        **refuses(Forbidden),
    },
)
async def close(
    here: Here, business_id: UUID, body: ClosureBody, caller: SignedIn, *, once: OnceOnly
) -> Response:
    """Closes, with one plan for everybody affected; ``dry_run`` only shows it. The owner's."""
    order = Order(
        business_id=business_id,
        owner_id=caller.user_id,
        span=Window(body.from_at.astimezone(UTC), body.to_at.astimezone(UTC)),
        staff_id=body.staff_id,
        reason=body.reason,
        reschedule=body.reschedule,
        horizon_days=body.horizon_days,
    )
    if body.dry_run:
        return kept_response(Kept(201, await closures.draft(here, order)))
    return kept_response(await closures.close(here, order, once))


@routes.get("/{closure_id}", response_model=ClosureResource, responses=refuses(Forbidden))
async def read_closure(here: Here, business_id: UUID, closure_id: UUID, caller: SignedIn) -> Response:
    """A closure and what has become of each appointment; the owner's."""
    return kept_response(Kept(200, await closures.show(here, caller.user_id, business_id, closure_id)))


@routes.delete("/{closure_id}", status_code=204, responses=refuses(Forbidden))
async def reopen(here: Here, business_id: UUID, closure_id: UUID, caller: SignedIn) -> None:
    """Opens again: who has moved stays moved, who still waits has their own back. The owner's."""
    await reopening.reopen(here, caller.user_id, business_id, closure_id)
