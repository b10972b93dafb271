"""When a business is open, as turnos knows it."""

from typing import Annotated
from uuid import UUID

from fastapi import Query

from turnosya.contracts.turnos import GetOpening
from turnosya.runtime.fields import Instant, Resource
from turnosya.runtime.http import MaybeSignedIn, router
from turnosya.services.business import profile
from turnosya.services.business.routes.forms import Here

routes = router("/v1/businesses/{business_id}/opening", tags=["businesses"])


class OpenHoursShown(Resource):
    """Regular hours of a weekday, 1 = Monday; an earlier end is past midnight, `24:00` may be."""

    weekday: int
    start: str
    end: str


class NextTimesShown(Resource):
    """The next starts of a service that can be booked."""

    service_id: UUID
    starts_at: list[Instant]


class OpeningShown(Resource):
    """When somebody attends; `closes_at` while it is open, `opens_at` the next time within two weeks."""

    timezone: str
    open_now: bool
    closes_at: Instant | None
    opens_at: Instant | None
    weekly: list[OpenHoursShown]
    next_times: list[NextTimesShown]


@routes.get("")
async def read(
    here: Here, business_id: UUID, caller: MaybeSignedIn, times: Annotated[int, Query(ge=0, le=10)] = 0
) -> OpeningShown:
    """Whether it is open, its week, and so many of the next free times of each service."""
    await profile.read(here, business_id, caller)
    found = await here.bus.call(GetOpening(business_id=business_id, times=times))
    return OpeningShown.model_validate(found.model_dump())
