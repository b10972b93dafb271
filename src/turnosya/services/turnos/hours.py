"""Opening hours: which windows a member has on a day (rules R4, R7 and R8)."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from turnosya.runtime.field_errors import wrong
from turnosya.runtime.messages import Say
from turnosya.services.turnos import public_holidays
from turnosya.services.turnos.windows import Window, local_date, window

MINUTES_A_DAY = 24 * 60
_WALL_TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])|24:00", re.ASCII)

_ONLY_AN_END = Say("24:00 solo puede ser un final", "24:00 can only be an end", "24:00 só pode ser um fim")
_NO_LENGTH = Say(
    "no puede terminar cuando empieza", "cannot end when it starts", "não pode terminar quando começa"
)
_NO_TIME = Say("las horas son HH:MM", "a time of day is HH:MM", "os horários são HH:MM")


class Hours(NamedTuple):
    """Two wall-clock times of one day in minutes; an end past 1440 lies on the next day (R7)."""

    start_minute: int
    end_minute: int


@dataclass(frozen=True, slots=True)
class WeeklyHours:
    """Hours of every ``weekday`` (1 = Monday … 7 = Sunday), of one member or of the whole business."""

    weekday: int
    hours: Hours
    staff_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Override:
    """What replaces the hours of one date; none at all closes it."""

    date: date
    hours: tuple[Hours, ...]
    staff_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Closure:
    """An interval in which the business, or one member, is closed whatever its hours say."""

    span: Window
    staff_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Week:
    """The regular part of a schedule."""

    weekly: tuple[WeeklyHours, ...] = ()
    slot_step_minutes: int = 30
    observe_holidays: bool = True


@dataclass(frozen=True, slots=True)
class Day:
    """The windows of one member that open on one date, and whether a holiday is why there are none."""

    windows: tuple[Window, ...]
    is_holiday: bool


class Calendar:
    """When a business and each of its members is open. Immutable; what it works out, it keeps."""

    def __init__(
        self,
        zone: ZoneInfo,
        week: Week,
        *,
        overrides: Iterable[Override] = (),
        closures: Iterable[Closure] = (),
        country: str | None = None,
    ) -> None:
        self.zone = zone
        self.week = week
        self.country = country if week.observe_holidays else None
        self._weekly: defaultdict[tuple[UUID | None, int], list[Hours]] = defaultdict(list)
        for entry in week.weekly:
            self._weekly[entry.staff_id, entry.weekday].append(entry.hours)
        self._with_own_week = {entry.staff_id for entry in week.weekly if entry.staff_id}
        self._overrides: defaultdict[tuple[UUID | None, date], list[tuple[Hours, ...]]] = defaultdict(list)
        for override in overrides:
            self._overrides[override.staff_id, override.date].append(override.hours)
        self._closures = tuple(closures)
        self._days: dict[tuple[UUID | None, date], Day] = {}

    def day(self, staff_id: UUID, date_local: date) -> Day:
        """The member's windows that open on a date, sorted and united within the date (R4)."""
        has_own = staff_id in self._with_own_week or (staff_id, date_local) in self._overrides
        key = (staff_id if has_own else None, date_local)
        found = self._days.get(key)
        if found is None:
            found = self._days[key] = self._work_out(*key)
        return found

    def days_around(self, staff_id: UUID, at: datetime) -> list[Day]:
        """The dates whose windows can contain an instant: its own, and the two beside it (R7)."""
        middle = local_date(self.zone, at)
        return [self.day(staff_id, middle + timedelta(days=shift)) for shift in (-1, 0, 1)]

    def closures_of(self, staff_id: UUID) -> list[Window]:
        """Closures that concern a member, in no order."""
        return [closure.span for closure in self._closures if closure.staff_id in (None, staff_id)]

    def is_open(self, staff_id: UUID, span: Window) -> bool:
        """Whether one of the member's windows contains all of ``span`` and no closure touches it."""
        inside = any(
            opened.start_at <= span.start_at and span.end_at <= opened.end_at
            for day in self.days_around(staff_id, span.start_at)
            for opened in day.windows
        )
        return inside and not any(
            shut.start_at < span.end_at and span.start_at < shut.end_at for shut in self.closures_of(staff_id)
        )

    def is_shut_for_holiday(self, staff_id: UUID, span: Window) -> bool:
        """Whether a holiday is what closes the member at that time.

        It does on the holiday itself, and after its midnight where the hours of that day would go on.
        """
        before, same, _ = self.days_around(staff_id, span.start_at)
        if same.is_holiday:
            return True
        if not before.is_holiday:
            return False
        yesterday = local_date(self.zone, span.start_at) - timedelta(days=1)
        would_be = self._windows(self._regular(staff_id, yesterday), yesterday)
        return any(w.start_at <= span.start_at and span.end_at <= w.end_at for w in would_be)

    def _work_out(self, staff_id: UUID | None, date_local: date) -> Day:
        general = self._overrides.get((None, date_local), [])
        own = self._overrides.get((staff_id, date_local), []) if staff_id else []
        is_opened = any(general) or (any(own) and all(own))
        if not is_opened and public_holidays.is_holiday(self.country, date_local):
            return Day((), is_holiday=True)
        if not all(general) or not all(own):
            return Day((), is_holiday=False)
        if own or (general and staff_id not in self._with_own_week):
            hours: Sequence[Hours] = [hours for override in own or general for hours in override]
        else:
            hours = self._regular(staff_id, date_local)
        return Day(self._windows(hours, date_local), is_holiday=False)

    def _regular(self, staff_id: UUID | None, date_local: date) -> Sequence[Hours]:
        whose = staff_id if staff_id in self._with_own_week else None
        return self._weekly.get((whose, date_local.isoweekday()), ())

    def _windows(self, hours: Sequence[Hours], date_local: date) -> tuple[Window, ...]:
        found = (window(self.zone, date_local, start, end) for start, end in united(hours))
        return tuple(one for one in found if one is not None)


def parse_hours(start: str, end: str) -> Hours:
    """Hours from two ``HH:MM``; an earlier end is on the next day, ``24:00`` is allowed as an end (R7).

    Raises ValueError for what is no time of day, and for an end equal to the start.
    """
    start_minute, end_minute = _minute(start), _minute(end)
    if start_minute == MINUTES_A_DAY:
        raise wrong("hours", _ONLY_AN_END)
    if start_minute == end_minute:
        raise wrong("hours", _NO_LENGTH)
    return Hours(
        start_minute,
        end_minute if end_minute > start_minute else end_minute + MINUTES_A_DAY,
    )


def united(hours: Sequence[Hours]) -> list[Hours]:
    """The same time in as few hours as possible: those that overlap or touch become one (R4)."""
    merged: list[Hours] = []
    for start, end in sorted(hours):
        if merged and start <= merged[-1].end_minute:
            merged[-1] = Hours(merged[-1].start_minute, max(end, merged[-1].end_minute))
        else:
            merged.append(Hours(start, end))
    return merged


def _minute(wall: str) -> int:
    if not _WALL_TIME.fullmatch(wall):
        raise wrong("hours", _NO_TIME)
    return int(wall[:2]) * 60 + int(wall[3:])
