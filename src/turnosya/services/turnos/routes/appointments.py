"""Holds and appointments: ``/v1/turnos/holds``, ``/v1/turnos/appointments`` and the business's own."""

from datetime import UTC
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from fastapi import Body, Query, Response
from pydantic import AfterValidator, Field, model_validator

from turnosya.contracts.users import NO_ACCOUNT, GetPeople
from turnosya.runtime import phones
from turnosya.runtime.field_errors import wrong, wrong_field
from turnosya.runtime.fields import CalendarDate, Closed, Flag, Instant, Integer
from turnosya.runtime.http import NoBody, OnceOnly, SignedIn, kept_response, router
from turnosya.runtime.messages import Conflict, Forbidden, NotFound, invalid
from turnosya.runtime.pages import Listed, Paged, after_instant
from turnosya.runtime.problems import refuses
from turnosya.services.turnos import actions, agenda, booking, copies, holds, moving, series, zones
from turnosya.services.turnos.actions import Action, Deed
from turnosya.services.turnos.booking import Client, Order
from turnosya.services.turnos.moving import Move
from turnosya.services.turnos.refusals import (
    OWN_PHONE,
    AppointmentNotActive,
    CancellationWindowClosed,
    HoldExpired,
    SlotTaken,
    SlotUnavailable,
    TooManyHolds,
)
from turnosya.services.turnos.resources import (
    AppointmentResource,
    HoldResource,
    SeriesResource,
    appointment_resource,
)
from turnosya.services.turnos.routes.here import Here, Note, ReasonText
from turnosya.services.turnos.series import Repeat
from turnosya.services.turnos.store.turnos import Wanted
from turnosya.services.turnos.turno import Status

routes = router("/v1/turnos", tags=["turnos"])


class HoldBody(Closed):
    """A time to keep while the client decides."""

    business_id: UUID
    service_id: UUID
    starts_at: Instant
    staff_id: UUID | None = None


class RepeatBody(Closed):
    """The same wall time again: how often, and how many turnos in all."""

    every_weeks: Annotated[Integer, Field(ge=1, le=52)]
    count: Annotated[Integer, Field(ge=1, le=104)]
    allow_partial: Flag = False


class BookingBody(Closed):
    """What a client wants: one service, or several in a row; once, or every so many weeks."""

    business_id: UUID
    service_id: UUID | None = None
    service_ids: Annotated[list[UUID], Field(min_length=1, max_length=10)] | None = None
    starts_at: Instant
    staff_id: UUID | None = None
    note: Note | None = None
    hold_id: UUID | None = None
    repeat: RepeatBody | None = None

    @model_validator(mode="after")
    def _names_services_once(self) -> Self:
        if (self.service_id is None) == (self.service_ids is None):
            raise wrong("exactly_one", names="service_id, service_ids")
        return self

    @property
    def services(self) -> tuple[UUID, ...]:
        """The services in their order."""
        return tuple(self.service_ids or [one for one in (self.service_id,) if one])


class ClientBody(Closed):
    """For whom the business books: an account, or a name and perhaps a number."""

    user_id: UUID | None = None
    name: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    phone: Annotated[str, AfterValidator(phones.canonical)] | None = None

    @model_validator(mode="after")
    def _is_somebody(self) -> Self:
        if (self.user_id is None) == (self.name is None):
            raise wrong("exactly_one", names="user_id, name")
        if self.user_id is not None and self.phone is not None:
            raise wrong("phone", OWN_PHONE)
        return self


class OwnBookingBody(Closed):
    """What a business sets for a client; ``force`` goes outside hours, ``overbook`` over another one."""

    service_id: UUID
    starts_at: Instant
    staff_id: UUID | None = None
    client: ClientBody
    force: Flag = False
    overbook: Flag = False
    reason: ReasonText | None = None
    note: Note | None = None


class CancelBody(Closed):
    """Why, for the other side."""

    reason: ReasonText | None = None


class MoveBody(Closed):
    """Where to; without a member it stays with its own if it can."""

    starts_at: Instant
    staff_id: UUID | None = None


@routes.post(
    "/holds",
    status_code=201,
    response_model=HoldResource,
    responses=refuses(NotFound, SlotTaken, SlotUnavailable, TooManyHolds),
)
async def hold(here: Here, body: HoldBody, caller: SignedIn, once: OnceOnly) -> Response:
    """Keeps a time for some minutes."""
    order = Order(
        business_id=body.business_id,
        service_ids=(body.service_id,),
        starts_at=body.starts_at.astimezone(UTC),
        client=Client(caller.user_id),
        actor_id=caller.user_id,
        staff_id=body.staff_id,
        is_hold=True,
    )
    return kept_response(await booking.book(here, order, once))


@routes.delete("/holds/{hold_id}", status_code=204)
async def release(here: Here, hold_id: UUID, caller: SignedIn) -> None:
    """Frees one's own hold."""
    await holds.release(here, caller.user_id, hold_id)


@routes.post(
    "/appointments",
    status_code=201,
    response_model=AppointmentResource | SeriesResource,
    response_description="The appointment; with `repeat` the series, and what of it was refused",
    responses=refuses(NotFound, SlotTaken, HoldExpired, SlotUnavailable),
)
async def book(here: Here, body: BookingBody, caller: SignedIn, once: OnceOnly) -> Response:
    """Books a time for oneself, or the same time again and again."""
    order = Order(
        business_id=body.business_id,
        service_ids=body.services,
        starts_at=body.starts_at.astimezone(UTC),
        client=Client(caller.user_id),
        actor_id=caller.user_id,
        staff_id=body.staff_id,
        note=body.note,
        hold_id=body.hold_id,
    )
    if body.repeat is not None:
        repeat = Repeat(**body.repeat.model_dump())
        return kept_response(await series.book(here, order, repeat, once))
    return kept_response(await booking.book(here, order, once))


@routes.post(
    "/businesses/{business_id}/appointments",
    status_code=201,
    response_model=AppointmentResource,
    responses=refuses(Forbidden, SlotTaken, SlotUnavailable),
)
async def set_by_business(
    here: Here, business_id: UUID, body: OwnBookingBody, caller: SignedIn, *, once: OnceOnly
) -> Response:
    """Books a time for a client; the owner's and the staff's."""
    if not await copies.is_run_by(here, business_id, caller.user_id):
        raise Forbidden
    if body.overbook and not (body.reason or "").strip():
        raise wrong_field("reason", "missing")
    client_id = body.client.user_id
    if client_id is not None and not (await here.bus.call(GetPeople(ids=[client_id]))).people:
        raise invalid("client.user_id", "unknown", NO_ACCOUNT)
    order = Order(
        business_id=business_id,
        service_ids=(body.service_id,),
        starts_at=body.starts_at.astimezone(UTC),
        client=Client(client_id, body.client.name, body.client.phone),
        actor_id=caller.user_id,
        staff_id=body.staff_id,
        note=body.note,
        by_business=True,
        force=body.force,
        overbook=body.overbook,
        reason=body.reason,
    )
    return kept_response(await booking.book(here, order, once))


@routes.get("/appointments", responses=refuses(NotFound))
async def list_appointments(
    here: Here,
    caller: SignedIn,
    page: Paged,
    *,
    as_: Annotated[Literal["client", "business"], Query(alias="as")] = "client",
    business_id: UUID | None = None,
    status: Status | None = None,
    first: Annotated[CalendarDate | None, Query(alias="from")] = None,
    last: Annotated[CalendarDate | None, Query(alias="to")] = None,
) -> Listed[dict[str, Any]]:
    """One's own appointments, or those of a business that one runs, by start."""
    if first and last and first > last:
        raise wrong_field("to", "before_from")
    if as_ == "business":
        await _must_run(here, caller.user_id, business_id)
    wanted = Wanted(
        client_id=caller.user_id if as_ == "client" else None,
        business_id=business_id,
        status=status,
        first_on=first,
        last_on=last,
    )
    after = after_instant(page)
    rows = await agenda.listed(here, wanted, after=after, limit=page.read)
    listed = page.of(rows, sort_values=lambda row: (row[0].starts_at.isoformat(), row[0].id))
    items = [appointment_resource(turno, zones.zone(zone)) for turno, zone in listed.items]
    return Listed(items=items, next_cursor=listed.next_cursor)


@routes.get("/appointments/{appointment_id}", response_model=AppointmentResource)
async def read_appointment(here: Here, appointment_id: UUID, caller: SignedIn) -> dict[str, Any]:
    """One appointment; its client's and its business's."""
    seen = await agenda.seen_by(here, caller.user_id, appointment_id)
    return appointment_resource(seen.turno, seen.shop.calendar.zone)


@routes.post(
    "/appointments/{appointment_id}/cancel",
    response_model=AppointmentResource,
    responses=refuses(AppointmentNotActive, CancellationWindowClosed),
)
async def cancel(
    here: Here,
    appointment_id: UUID,
    caller: SignedIn,
    once: OnceOnly,
    *,
    body: Annotated[CancelBody | None, Body()] = None,
) -> Response:
    """Cancels it, or declines a request."""
    reason = body.reason if body else None
    deed = Deed(Action.CANCEL, appointment_id, caller.user_id, reason)
    return kept_response(await actions.act(here, deed, once))


@routes.post(
    "/appointments/{appointment_id}/reschedule",
    response_model=AppointmentResource,
    responses=refuses(AppointmentNotActive, CancellationWindowClosed, SlotTaken, SlotUnavailable),
)
async def reschedule(
    here: Here, appointment_id: UUID, body: MoveBody, caller: SignedIn, *, once: OnceOnly
) -> Response:
    """Moves it; at every moment it has the old time or the new one."""
    move = Move(appointment_id, caller.user_id, body.starts_at.astimezone(UTC), body.staff_id)
    return kept_response(await moving.reschedule(here, move, once))


@routes.post(
    "/appointments/{appointment_id}/confirm",
    response_model=AppointmentResource,
    responses=refuses(Forbidden, Conflict, AppointmentNotActive),
)
async def confirm(
    here: Here, appointment_id: UUID, caller: SignedIn, once: OnceOnly, *, _body: NoBody = None
) -> Response:
    """Confirms a request; the business's."""
    deed = Deed(Action.CONFIRM, appointment_id, caller.user_id)
    return kept_response(await actions.act(here, deed, once))


@routes.post(
    "/appointments/{appointment_id}/complete",
    response_model=AppointmentResource,
    responses=refuses(Forbidden, Conflict, AppointmentNotActive),
)
async def complete(
    here: Here, appointment_id: UUID, caller: SignedIn, once: OnceOnly, *, _body: NoBody = None
) -> Response:
    """The client came; the business's, from the start on."""
    deed = Deed(Action.COMPLETE, appointment_id, caller.user_id)
    return kept_response(await actions.act(here, deed, once))


@routes.post(
    "/appointments/{appointment_id}/no-show",
    response_model=AppointmentResource,
    responses=refuses(Forbidden, Conflict, AppointmentNotActive),
)
async def no_show(
    here: Here, appointment_id: UUID, caller: SignedIn, once: OnceOnly, *, _body: NoBody = None
) -> Response:
    """The client did not come; the business's, from the start on."""
    deed = Deed(Action.NO_SHOW, appointment_id, caller.user_id)
    return kept_response(await actions.act(here, deed, once))


async def _must_run(here: Here, user_id: UUID, business_id: UUID | None) -> None:
    if business_id is None:
        raise wrong_field("business_id", "missing")
    if not await copies.is_run_by(here, business_id, user_id):
        raise NotFound
