"""Wall-clock times of one day as instants, and the windows between them (rules R2 and R3)."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo


class Window(NamedTuple):
    """A stretch of real time, half-open, as UTC instants."""

    start_at: datetime
    end_at: datetime


# 62 days with four edges each are 250 entries a business.
@lru_cache(maxsize=65_536)
def instant(zone: ZoneInfo, day: date, minute: int) -> datetime:
    """The UTC instant at which the wall clock shows ``minute``, counted from midnight of ``day``.

    Minutes past 1440 fall on the next day. A time shown twice means its first showing (R2); one that is
    never shown means the first instant after the jump (R3).
    """
    wall_local = datetime.combine(day, time.min) + timedelta(minutes=minute)
    early = wall_local.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if early.astimezone(zone).replace(tzinfo=None) == wall_local:
        return early
    return _jump(zone, wall_local.replace(tzinfo=zone, fold=1).astimezone(UTC), early)


def recurring_start(zone: ZoneInfo, day: date, minute: int) -> tuple[datetime, bool]:
    """The instant of a repeated appointment on ``day``, and whether a clock change has shifted it.

    In a gap it keeps the offset from before the jump, so it lands later by the gap (R3).
    """
    wall_local = datetime.combine(day, time.min) + timedelta(minutes=minute)
    start_at = wall_local.replace(tzinfo=zone, fold=0).astimezone(UTC)
    return start_at, start_at.astimezone(zone).replace(tzinfo=None) != wall_local


def window(zone: ZoneInfo, day: date, start_minute: int, end_minute: int) -> Window | None:
    """The real time between two wall-clock times of ``day``; None where the clock jumps over all of it."""
    start_at = instant(zone, day, start_minute)
    end_at = instant(zone, day, end_minute)
    return Window(start_at, end_at) if start_at < end_at else None


def local_date(zone: ZoneInfo, at: datetime) -> date:
    """The date that the wall clock of ``zone`` shows at an instant."""
    return at.astimezone(zone).date()


def utc_offset_s(zone: ZoneInfo, at: datetime) -> int:
    """How far the wall clock of ``zone`` is ahead of UTC at an instant, in seconds."""
    offset = at.astimezone(zone).utcoffset()
    assert offset is not None, "every zone has an offset"  # noqa: S101 - for the type checker
    return int(offset.total_seconds())


def _jump(zone: ZoneInfo, before: datetime, after: datetime) -> datetime:
    """The first instant of the new offset, where ``before`` still has the old one."""
    old_offset = before.astimezone(zone).utcoffset()
    low, high = int(before.timestamp()), int(after.timestamp())
    while high - low > 1:
        middle = (low + high) // 2
        if datetime.fromtimestamp(middle, zone).utcoffset() == old_offset:
            low = middle
        else:
            high = middle
    return datetime.fromtimestamp(high, UTC)
