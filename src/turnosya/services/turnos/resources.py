"""What the API shows: turnos, holds, schedules, overrides; instants with the business's offset (R12)."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from turnosya.contracts.business import Price
from turnosya.runtime.fields import CalendarDate, Resource
from turnosya.services.turnos.explaining import Explanation, MemberAnswer
from turnosya.services.turnos.refusals import RefusedStart
from turnosya.services.turnos.shops import OverrideEntry, Schedule
from turnosya.services.turnos.telling import price_of
from turnosya.services.turnos.turno import Turno

Confirmation = Literal["automatic", "manual"]
Reschedule = Literal["propose", "automatic", "none"]


class HistoryItem(Resource):
    """One thing that happened to an appointment."""

    at: datetime
    actor_id: UUID | None
    what: str
    reason: str | None


class ClientOfAppointment(Resource):
    """Who it is for: an account, or a name and perhaps a number that the business wrote down."""

    user_id: UUID | None
    name: str | None
    phone: str | None


class AppointmentResource(Resource):
    """An appointment."""

    id: UUID
    status: str
    business_id: UUID
    service_id: UUID
    service_ids: list[UUID] | None
    staff_id: UUID
    client_id: UUID | None
    client: ClientOfAppointment
    starts_at: datetime
    ends_at: datetime
    price: Price | None
    note: str | None
    hold_id: UUID | None
    overbook: bool
    expires_at: datetime | None
    created_at: datetime
    series_id: UUID | None
    shifted_by_dst: bool
    history: list[HistoryItem]


class SeriesResource(Resource):
    """What was booked of a series, and the starts that were not to be had."""

    series_id: UUID
    items: list[AppointmentResource]
    refused: list[RefusedStart]


class HoldResource(Resource):
    """A time that is kept while the client decides."""

    id: UUID
    business_id: UUID
    service_id: UUID
    staff_id: UUID
    starts_at: datetime
    ends_at: datetime
    expires_at: datetime
    created_at: datetime


class HoursResource(Resource):
    """Two wall-clock times."""

    start: str
    end: str


class OverrideResource(Resource):
    """What replaces the hours of one date."""

    id: UUID
    date: CalendarDate
    hours: list[HoursResource]
    staff_id: UUID | None
    note: str | None
    created_at: datetime


class WeeklyResource(Resource):
    """Hours of every such weekday."""

    weekday: int
    start: str
    end: str
    staff_id: UUID | None


class ScheduleResource(Resource):
    """The regular hours and the booking policy."""

    weekly: list[WeeklyResource]
    slot_step_minutes: int
    min_notice_minutes: int
    max_days_ahead: int
    cancellation_notice_minutes: int
    observe_holidays: bool
    confirmation: Confirmation
    reschedule: Reschedule


class SlotResource(Resource):
    """A start that is offered."""

    starts_at: datetime
    ends_at: datetime
    staff_id: UUID
    remaining: int


class BusyResource(Resource):
    """What stands in the way of a start; ``busy_from`` and ``busy_to`` are its time with its buffers."""

    appointment_id: UUID
    status: str
    starts_at: datetime
    ends_at: datetime
    busy_from: datetime
    busy_to: datetime


class OpenResource(Resource):
    """Opening hours as instants."""

    starts_at: datetime
    ends_at: datetime


class MemberExplanation(Resource):
    """Whether a member could, by rule R15; their hours around that date and what they do at that time."""

    staff_id: UUID
    name: str
    offered: bool
    reason: str | None
    holiday: bool
    windows: list[OpenResource]
    in_the_way: list[BusyResource]


class ExplanationResource(Resource):
    """Whether a client would get that start now, and why not."""

    starts_at: datetime
    ends_at: datetime
    offered: bool
    reason: str | None
    staff: list[MemberExplanation]


class SlotsResource(Resource):
    """What is offered, with the zone of the business."""

    timezone: str
    slots: list[SlotResource]


def appointment_resource(turno: Turno, zone: ZoneInfo) -> dict[str, Any]:
    """An appointment as JSON values."""
    return AppointmentResource(
        id=turno.id,
        status=turno.status.value,
        business_id=turno.business_id,
        service_id=turno.service_id,
        service_ids=turno.service_ids,
        staff_id=turno.staff_id,
        client_id=turno.client_id,
        client=ClientOfAppointment(user_id=turno.client_id, name=turno.client_name, phone=turno.client_phone),
        starts_at=turno.starts_at.astimezone(zone),
        ends_at=turno.ends_at.astimezone(zone),
        price=price_of(turno),
        note=turno.note,
        hold_id=turno.hold_id,
        overbook=turno.overbooked,
        expires_at=turno.expires_at.astimezone(zone) if turno.expires_at else None,
        created_at=turno.created_at.astimezone(zone),
        series_id=turno.series_id,
        shifted_by_dst=turno.shifted_by_dst,
        history=[_history_item(line, zone) for line in turno.history],
    ).model_dump(mode="json")


def series_resource(
    series_id: UUID, turnos: Sequence[Turno], refused: Sequence[RefusedStart], zone: ZoneInfo
) -> dict[str, Any]:
    """What became of a series, as JSON values."""
    return {
        "series_id": str(series_id),
        "items": [appointment_resource(turno, zone) for turno in turnos],
        "refused": [one.model_dump(mode="json") for one in refused],
    }


def explanation_resource(found: Explanation) -> ExplanationResource:
    """Why a start is offered or is not."""
    zone = found.shop.calendar.zone
    return ExplanationResource(
        starts_at=found.span.start_at.astimezone(zone),
        ends_at=found.span.end_at.astimezone(zone),
        offered=found.reason is None,
        reason=found.reason,
        staff=[_member_explanation(answer, zone) for answer in found.members],
    )


def _member_explanation(answer: MemberAnswer, zone: ZoneInfo) -> MemberExplanation:
    return MemberExplanation(
        staff_id=answer.member.id,
        name=answer.member.name,
        offered=answer.reason is None,
        reason=answer.reason,
        holiday=answer.is_holiday,
        windows=[
            OpenResource(starts_at=window.start_at.astimezone(zone), ends_at=window.end_at.astimezone(zone))
            for window in answer.windows
        ],
        in_the_way=[
            BusyResource(
                appointment_id=seat.id,
                status=seat.status,
                starts_at=seat.taken.start_at.astimezone(zone),
                ends_at=seat.ends_at.astimezone(zone),
                busy_from=seat.taken.busy.start_at.astimezone(zone),
                busy_to=seat.taken.busy.end_at.astimezone(zone),
            )
            for seat in answer.in_the_way
        ],
    )


def hold_resource(turno: Turno, zone: ZoneInfo) -> dict[str, Any]:
    """A hold as JSON values."""
    assert turno.expires_at is not None, "a hold has its end"  # noqa: S101 - the table's own check
    return HoldResource(
        id=turno.id,
        business_id=turno.business_id,
        service_id=turno.service_id,
        staff_id=turno.staff_id,
        starts_at=turno.starts_at.astimezone(zone),
        ends_at=turno.ends_at.astimezone(zone),
        expires_at=turno.expires_at.astimezone(zone),
        created_at=turno.created_at.astimezone(zone),
    ).model_dump(mode="json")


def override_resource(entry: OverrideEntry, zone: ZoneInfo) -> dict[str, Any]:
    """An override as JSON values."""
    return OverrideResource(
        id=entry.id,
        date=entry.date,
        hours=[HoursResource(**span) for span in entry.hours],
        staff_id=entry.staff_id,
        note=entry.note,
        created_at=entry.created_at.astimezone(zone),
    ).model_dump(mode="json")


def schedule_resource(schedule: Schedule) -> ScheduleResource:
    """A schedule as it is shown."""
    values = asdict(schedule)
    del values["revision"]
    return ScheduleResource(**values)


def _history_item(line: dict[str, Any], zone: ZoneInfo) -> HistoryItem:
    at = datetime.fromisoformat(line["at"]).astimezone(zone)
    return HistoryItem(at=at, actor_id=line["actor_id"], what=line["what"], reason=line["reason"])
