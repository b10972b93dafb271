"""When people are reminded and owners get their agenda: wall times, decided with no input or output."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from turnosya.contracts.users import QuietHours

DAYS_OF_WEEK = 7


def reminder_times(
    starts_at: datetime, minutes_before: Iterable[int], *, now: datetime
) -> dict[int, datetime]:
    """When somebody is reminded of a turno; times that are over by ``now`` are left out."""
    times = {minutes: starts_at - timedelta(minutes=minutes) for minutes in minutes_before}
    return {minutes: due_at for minutes, due_at in times.items() if now < due_at < starts_at}


def next_quiet(at: datetime, quiet: QuietHours | None, timezone: str) -> tuple[datetime, datetime] | None:
    """When the next quiet hours that begin after ``at`` begin and end."""
    if quiet is None or quiet.start == quiet.end:
        return None
    begins = next_daily(quiet.start, timezone, now=at)
    return begins, after_quiet(begins, quiet, timezone)


def after_quiet(at: datetime, quiet: QuietHours | None, timezone: str) -> datetime:
    """``at``, or the end of the quiet hours that it lies in, on the wall clock of ``timezone``.

    The hours may lie across midnight; equal ends are no hours at all.
    """
    if quiet is None or quiet.start == quiet.end:
        return at
    zone = ZoneInfo(timezone)
    local = at.astimezone(zone)
    start, end = time.fromisoformat(quiet.start), clock_time(quiet.end)
    begins_on = local.date() if local.time() >= start else local.date() - timedelta(days=1)
    begins = datetime.combine(begins_on, start, zone)
    ends_on = begins_on if end > start else begins_on + timedelta(days=1)
    ends = datetime.combine(ends_on, end, zone)
    return ends.astimezone(at.tzinfo) if begins <= local < ends else at


def clock_time(text: str) -> time:
    """``HH:MM``; ``24:00`` is midnight."""
    return time(0) if text == "24:00" else time.fromisoformat(text)


def next_daily(at_local: str, timezone: str, *, now: datetime) -> datetime:
    """The first instant after ``now`` at which the wall clock of ``timezone`` says ``at_local``."""
    return _next(at_local, timezone, now, lambda _: True)


def next_weekly(at_local: str, weekday: int, timezone: str, *, now: datetime) -> datetime:
    """The same on one weekday (1 is Monday)."""
    return _next(at_local, timezone, now, lambda day: day == weekday)


def _next(at_local: str, timezone: str, now: datetime, fits: Callable[[int], bool]) -> datetime:
    zone = ZoneInfo(timezone)
    today = now.astimezone(zone).date()
    for shift in range(DAYS_OF_WEEK + 2):
        day = today + timedelta(days=shift)
        at = datetime.combine(day, clock_time(at_local), zone).astimezone(now.tzinfo)
        if at > now and fits(day.isoweekday()):
            return at
    raise AssertionError("a week has every weekday")
