"""The business's tools for a day that goes otherwise: ``/v1/turnos/businesses/{business_id}/agenda``."""

from datetime import UTC
from typing import Annotated, Self
from uuid import UUID

from fastapi import Response
from pydantic import Field, model_validator

from turnosya.runtime.field_errors import wrong
from turnosya.runtime.fields import CalendarDate, Closed, Flag, Instant, Integer
from turnosya.runtime.http import OnceOnly, SignedIn, kept_response, router
from turnosya.runtime.messages import Forbidden
from turnosya.runtime.problems import refuses
from turnosya.services.turnos import rearranging
from turnosya.services.turnos.rearrangement_resources import RearrangementResource
from turnosya.services.turnos.rearranging import HandOver, Order, Shift, Swap
from turnosya.services.turnos.refusals import MOVES_NOTHING, SAME_MEMBER, AppointmentNotActive, MovesRefused
from turnosya.services.turnos.routes.here import Here, ReasonText

routes = router("/v1/turnos/businesses/{business_id}/agenda", tags=["turnos"])

_MOST_MINUTES = 12 * 60
_MOVED = "What went elsewhere and what stays; with `dry_run` what would, and nothing is stored"


class RearrangeBody(Closed):
    """``force`` goes outside hours; ``dry_run`` only shows what would become of each."""

    reason: ReasonText | None = None
    force: Flag = False
    dry_run: Flag = False


class ShiftBody(RearrangeBody):
    """Later, or with less than 0 earlier; from ``from`` (now) to the end of that working day."""

    minutes: Annotated[Integer, Field(ge=-_MOST_MINUTES, le=_MOST_MINUTES)]
    from_at: Annotated[Instant | None, Field(alias="from")] = None
    staff_id: UUID | None = None

    @model_validator(mode="after")
    def _moves_something(self) -> Self:
        if self.minutes == 0:
            raise wrong("moves_nothing", MOVES_NOTHING)
        return self


class SwapBody(RearrangeBody):
    """Two that exchange time and member; with ``keep_staff`` only the time."""

    appointment_ids: Annotated[list[UUID], Field(min_length=2, max_length=2)]
    keep_staff: Flag = False

    @model_validator(mode="after")
    def _names_two(self) -> Self:
        if len(set(self.appointment_ids)) == 1:
            raise wrong("twice")
        return self


class HandOverBody(RearrangeBody):
    """Whose working day goes to whom."""

    date: CalendarDate
    staff_id: UUID
    to_staff_id: UUID

    @model_validator(mode="after")
    def _names_two(self) -> Self:
        if self.staff_id == self.to_staff_id:
            raise wrong("same_member", SAME_MEMBER)
        return self


@routes.post(
    "/shift",
    response_model=RearrangementResource,
    response_description=_MOVED,
    responses=refuses(Forbidden, MovesRefused),
)
async def shift(
    here: Here, business_id: UUID, body: ShiftBody, caller: SignedIn, *, once: OnceOnly
) -> Response:
    """Moves the rest of a working day by some minutes, all of it or nothing; the owner's and the staff's.

    Begun ones move only if ``from`` says so. One that is offered another time already stays.
    """
    from_at = body.from_at.astimezone(UTC) if body.from_at else None
    what = Shift(body.minutes, from_at, body.staff_id)
    return kept_response(await rearranging.rearrange(here, _order(business_id, caller, body, what), once))


@routes.post(
    "/swap",
    response_model=RearrangementResource,
    response_description=_MOVED,
    responses=refuses(Forbidden, AppointmentNotActive, MovesRefused),
)
async def swap(
    here: Here, business_id: UUID, body: SwapBody, caller: SignedIn, *, once: OnceOnly
) -> Response:
    """Exchanges the places of two appointments, each as long as it was; the owner's and the staff's.

    Two of different lengths that follow each other exchange their order. One alone is moved by
    ``/appointments/{id}/reschedule``.
    """
    what = Swap((body.appointment_ids[0], body.appointment_ids[1]), body.keep_staff)
    return kept_response(await rearranging.rearrange(here, _order(business_id, caller, body, what), once))


@routes.post(
    "/hand-over",
    response_model=RearrangementResource,
    response_description=_MOVED,
    responses=refuses(Forbidden),
)
async def hand_over(
    here: Here, business_id: UUID, body: HandOverBody, caller: SignedIn, *, once: OnceOnly
) -> Response:
    """Gives what has not begun of a member's working day to another, at the same times, lengths and prices.

    Who asked for that very member stays (``asked_for_member``), as does whoever does not fit, each listed
    with the reason of a refused booking. The owner's and the staff's.
    """
    what = HandOver(body.date, body.staff_id, body.to_staff_id)
    return kept_response(await rearranging.rearrange(here, _order(business_id, caller, body, what), once))


def _order(business_id: UUID, caller: SignedIn, body: RearrangeBody, what: Shift | Swap | HandOver) -> Order:
    return Order(business_id, caller.user_id, what, body.reason, body.force, body.dry_run)
