"""A business as booking sees it: what business told us, its schedule and its overrides, as one value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Any
from uuid import UUID

from turnosya.contracts.business import NOT_OF_BUSINESS, Business, Member, Offered
from turnosya.runtime.messages import invalid
from turnosya.services.turnos import zones
from turnosya.services.turnos.availability import Limits, Sought, limits_for_clients
from turnosya.services.turnos.hours import Calendar, Closure, Hours, Override, Week, WeeklyHours, parse_hours
from turnosya.services.turnos.public_holidays import country_of_business
from turnosya.services.turnos.refusals import CURRENCIES


@dataclass(frozen=True, slots=True)
class Schedule:
    """The regular hours and the booking policy; the defaults are a new business's."""

    revision: int = 0
    weekly: Sequence[Mapping[str, Any]] = ()
    """``{weekday, start, end, staff_id}``, the times as the owner wrote them."""
    slot_step_minutes: int = 30
    min_notice_minutes: int = 0
    max_days_ahead: int = 90
    cancellation_notice_minutes: int = 0
    observe_holidays: bool = True
    confirmation: str = "automatic"
    reschedule: str = "propose"

    @property
    def week(self) -> Week:
        """The part that the engine needs."""
        weekly = tuple(
            WeeklyHours(
                entry["weekday"],
                parse_hours(entry["start"], entry["end"]),
                UUID(entry["staff_id"]) if entry["staff_id"] else None,
            )
            for entry in self.weekly
        )
        return Week(weekly, self.slot_step_minutes, self.observe_holidays)


@dataclass(frozen=True, slots=True)
class OverrideEntry:
    """One override as stored; ``hours`` are ``{start, end}`` as the owner wrote them."""

    id: UUID
    date: date
    hours: Sequence[Mapping[str, str]]
    staff_id: UUID | None
    note: str | None
    created_at: datetime

    @property
    def override(self) -> Override:
        """The part that the engine needs."""
        return Override(self.date, spans_of(self.hours), self.staff_id)


def spans_of(hours: Sequence[Mapping[str, str]]) -> tuple[Hours, ...]:
    """Hours of an override; raises ValueError for impossible ones."""
    return tuple(parse_hours(span["start"], span["end"]) for span in hours)


@dataclass(frozen=True)
class Shop:
    """Everything about one business that decides what it offers. Immutable; its calendar is kept."""

    business: Business
    business_revision: int
    schedule: Schedule
    overrides: tuple[OverrideEntry, ...] = ()
    closures: tuple[Closure, ...] = ()

    @property
    def revisions(self) -> tuple[int, int]:
        """Changes whenever anything in it does."""
        return self.business_revision, self.schedule.revision

    @cached_property
    def calendar(self) -> Calendar:
        """When it and its members are open."""
        return Calendar(
            zones.zone(self.business.timezone),
            self.schedule.week,
            overrides=[entry.override for entry in self.overrides],
            closures=self.closures,
            country=country_of_business(self.business.country, self.business.timezone),
        )

    @property
    def is_shut(self) -> bool:
        """Whether nobody can book there at all: it is closed for good, or suspended."""
        return self.business.deleted or self.business.suspended

    def with_schedule(self, schedule: Schedule) -> Shop:
        """The same business with another schedule."""
        return replace(self, schedule=schedule)

    def with_overrides(self, overrides: Sequence[OverrideEntry]) -> Shop:
        """The same business with other overrides."""
        return replace(self, overrides=tuple(overrides))

    def with_closures(self, closures: Sequence[Closure]) -> Shop:
        """The same business with other closures."""
        return replace(self, closures=tuple(closures))

    def with_business(self, business: Business) -> Shop:
        """The same schedule in a changed business."""
        return replace(self, business=business)

    def client_limits(self, now_at: datetime) -> Limits:
        """From when until when a client may book (R6)."""
        return limits_for_clients(
            self.calendar,
            now_at=now_at,
            min_notice_minutes=self.schedule.min_notice_minutes,
            max_days_ahead=self.schedule.max_days_ahead,
        )

    def is_run_by(self, user_id: UUID) -> bool:
        """Whether somebody owns it or works in it with an account."""
        return user_id == self.business.owner_id or any(
            member.user_id == user_id
            for member in self.business.staff
            if member.active and not member.deleted
        )

    def knows(self, staff_id: UUID | None, service_ids: Sequence[UUID] = ()) -> bool:
        """Whether it has this member, if one is named, and these services."""
        members = {member.id for member in self.business.staff if not member.deleted}
        services = {service.id for service in self.business.services if not service.deleted}
        return (staff_id is None or staff_id in members) and services.issuperset(service_ids)

    def service(self, service_id: UUID, *, field: str = "service_id") -> Offered:
        """A service of this business; refuses ``field`` if it has no such service."""
        for service in self.business.services:
            if service.id == service_id and not service.deleted:
                return service
        raise invalid(field, "not_of_business", NOT_OF_BUSINESS)

    def member(self, staff_id: UUID, *, field: str = "staff_id") -> Member:
        """A member of this business; refuses ``field`` if it has no such member."""
        for member in self.business.staff:
            if member.id == staff_id and not member.deleted:
                return member
        raise invalid(field, "not_of_business", NOT_OF_BUSINESS)

    def members_of(self, services: Sequence[Offered]) -> tuple[UUID, ...]:
        """Active members who do all of these services, in the order of their ids (R15)."""
        able = {member.id for member in self.business.staff if member.active and not member.deleted}
        for service in services:
            if service.staff_ids is not None:
                able &= set(service.staff_ids)
        return tuple(sorted(able))

    def sought(self, service_ids: Sequence[UUID]) -> Sought:
        """One service, or several in a row as one turno: buffers only at its two ends, and no sharing."""
        services = [
            self.service(one, field="service_id" if len(service_ids) == 1 else f"service_ids.{place}")
            for place, one in enumerate(service_ids)
        ]
        if len({service.price.currency for service in services if service.price}) > 1:
            raise invalid("service_ids", "currencies", CURRENCIES)
        first, last = services[0], services[-1]
        return Sought(
            service_id=first.id if len(services) == 1 else None,
            staff_ids=self.members_of(services),
            duration=timedelta(minutes=sum(service.duration_minutes for service in services)),
            buffer_before=timedelta(minutes=first.buffer_before_minutes),
            buffer_after=timedelta(minutes=last.buffer_after_minutes),
            capacity=first.capacity if len(services) == 1 else 1,
            is_active=all(service.active for service in services),
        )
