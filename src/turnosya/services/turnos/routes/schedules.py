"""When a business is open: ``/v1/turnos/businesses/{business_id}/schedule`` and ``/overrides``."""

from datetime import date
from typing import Annotated, Any, Self
from uuid import UUID

from fastapi import Response
from pydantic import Field, model_validator

from turnosya.contracts.turnos import NeedsDecision
from turnosya.runtime.field_errors import wrong_field
from turnosya.runtime.fields import CalendarDate, Closed, Flag, Integer
from turnosya.runtime.http import MaybeSignedIn, OnceOnly, SignedIn, kept_response, router
from turnosya.runtime.messages import Forbidden
from turnosya.runtime.pages import Listed, Paged, bad_cursor
from turnosya.runtime.problems import refuses
from turnosya.services.turnos import copies, schedules
from turnosya.services.turnos.hours import parse_hours
from turnosya.services.turnos.resources import (
    Confirmation,
    OverrideResource,
    Reschedule,
    ScheduleResource,
    override_resource,
    schedule_resource,
)
from turnosya.services.turnos.routes.here import Here, Note, OnConflict
from turnosya.services.turnos.schedules import NewOverride, Owner
from turnosya.services.turnos.shops import Schedule, Shop
from turnosya.services.turnos.store import shops

routes = router("/v1/turnos/businesses/{business_id}", tags=["turnos"])
YEAR_MINUTES = 366 * 24 * 60
CURSOR_VALUES = 2


class HoursBody(Closed):
    """Two wall-clock times; an end before the start is on the next day, ``24:00`` ends the day."""

    start: str
    end: str

    @model_validator(mode="after")
    def _are_hours(self) -> Self:
        parse_hours(self.start, self.end)
        return self


class WeeklyBody(HoursBody):
    """Hours of a weekday (1 = Monday), of one member if one is named."""

    weekday: Annotated[Integer, Field(ge=1, le=7)]
    staff_id: UUID | None = None


class ScheduleBody(Closed):
    """A whole week; of the rest, what is absent stays."""

    weekly: Annotated[list[WeeklyBody], Field(max_length=500)]
    slot_step_minutes: Annotated[Integer, Field(ge=1, le=1440)] = 30
    min_notice_minutes: Annotated[Integer, Field(ge=0, le=YEAR_MINUTES)] = 0
    max_days_ahead: Annotated[Integer, Field(ge=0, le=1100)] = 90
    cancellation_notice_minutes: Annotated[Integer, Field(ge=0, le=YEAR_MINUTES)] = 0
    observe_holidays: Flag = True
    confirmation: Confirmation = "automatic"
    reschedule: Reschedule = "propose"
    on_conflict: OnConflict | None = None

    def applied_to(self, shop: Shop) -> Schedule:
        """The schedule that the business has then; refuses members it does not have."""
        for place, entry in enumerate(self.weekly):
            if entry.staff_id is not None:
                shop.member(entry.staff_id, field=f"weekly.{place}.staff_id")
        sent = self.model_dump(mode="json", include=self.model_fields_set - {"on_conflict"})
        kept = schedule_resource(shop.schedule).model_dump(mode="json")
        return Schedule(revision=shop.schedule.revision, **{**kept, **sent})


class OverrideBody(Closed):
    """What replaces the hours of a date; an empty list closes it."""

    date: CalendarDate
    hours: Annotated[list[HoursBody], Field(max_length=50)]
    staff_id: UUID | None = None
    note: Note | None = None
    on_conflict: OnConflict | None = None


@routes.get("/schedule")
async def read_schedule(here: Here, business_id: UUID, caller: MaybeSignedIn) -> ScheduleResource:
    """The regular hours and the booking policy; public."""
    shop = await copies.current_shop(here, business_id)
    return schedule_resource(copies.shown_to(shop, caller.user_id if caller else None).schedule)


@routes.put("/schedule", responses=refuses(Forbidden, NeedsDecision))
async def replace_schedule(
    here: Here, business_id: UUID, body: ScheduleBody, caller: SignedIn
) -> ScheduleResource:
    """Replaces the week, and of the policy what is sent; the owner's."""
    owner = Owner(caller.user_id, business_id, body.on_conflict)
    named = {entry.staff_id for entry in body.weekly if entry.staff_id}
    return schedule_resource(await schedules.replace_schedule(here, owner, body.applied_to, staff_ids=named))


@routes.post(
    "/overrides",
    status_code=201,
    response_model=OverrideResource,
    responses=refuses(Forbidden, NeedsDecision),
)
async def add_override(
    here: Here, business_id: UUID, body: OverrideBody, caller: SignedIn, *, once: OnceOnly
) -> Response:
    """Replaces the hours of one date; the owner's."""
    owner = Owner(caller.user_id, business_id, body.on_conflict)
    hours = [span.model_dump() for span in body.hours]
    new = NewOverride(body.date, hours, body.staff_id, body.note)
    return kept_response(await schedules.add_override(here, owner, new, once))


@routes.get("/overrides")
async def list_overrides(
    here: Here, business_id: UUID, page: Paged, caller: MaybeSignedIn
) -> Listed[dict[str, Any]]:
    """Overrides by date; public."""
    shop = copies.shown_to(await copies.current_shop(here, business_id), caller.user_id if caller else None)
    bad_cursor(page, CURSOR_VALUES)
    after = None if page.after is None else _position(page.after)
    async with here.db.read() as tx:
        entries = await shops.list_overrides(tx, business_id, after=after, limit=page.read)
    listed = page.of(entries, sort_values=lambda entry: (entry.date, entry.id))
    zone = shop.calendar.zone
    return Listed(
        items=[override_resource(entry, zone) for entry in listed.items], next_cursor=listed.next_cursor
    )


@routes.delete("/overrides/{override_id}", status_code=204, responses=refuses(Forbidden, NeedsDecision))
async def remove_override(
    here: Here,
    business_id: UUID,
    override_id: UUID,
    caller: SignedIn,
    *,
    on_conflict: OnConflict | None = None,
) -> None:
    """Brings the regular hours of a date back; the owner's."""
    owner = Owner(caller.user_id, business_id, on_conflict)
    await schedules.remove_override(here, owner, override_id)


def _position(after: tuple[str, ...]) -> tuple[date, UUID]:
    try:
        return date.fromisoformat(after[0]), UUID(after[1])
    except ValueError:
        raise wrong_field("cursor", "cursor") from None
