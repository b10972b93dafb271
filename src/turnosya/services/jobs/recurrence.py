"""When a recurring job comes next, across clock changes: decisions without input or output."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from turnosya.runtime.field_errors import NOT_VALID, WORDS, wrong_field
from turnosya.runtime.messages import Say, invalid

if TYPE_CHECKING:
    from turnosya.contracts.jobs import Recurrence

_FIELDS = 5
_LONGEST_CRON = 200
_LAST_YEAR = 9999
# The least gap between two clock changes of a zone is weeks; the widest change in use is 24 hours.
_LOOK_BACK = timedelta(hours=25)
# Older runs that were missed are made up for by nobody.
CAUGHT_UP = timedelta(days=7)
_FIVE_FIELDS = Say("debe tener cinco campos", "must have five fields", "deve ter cinco campos")
_NEVER = Say("no llega nunca", "never comes", "nunca chega")


def check(recurrence: Recurrence) -> None:
    """Raises ``Invalid`` for an unknown zone, and for a cron that makes no sense or never comes."""
    if (recurrence.cron is None) == (recurrence.every_s is None):
        raise wrong_field("recurs", "exactly_one", names="cron, every_s")
    if recurrence.timezone not in _zones():
        raise invalid("recurs.timezone", "unknown_zone", WORDS["timezone"])
    if recurrence.cron is None:
        return
    fields = recurrence.cron.split()
    if len(recurrence.cron) > _LONGEST_CRON or len(fields) != _FIELDS or not recurrence.cron.isascii():
        raise invalid("recurs.cron", "bad_cron", _FIVE_FIELDS)
    try:
        found = next_after(recurrence, datetime(2027, 1, 1, tzinfo=UTC))
    except CronSimError:
        raise invalid("recurs.cron", "bad_cron", NOT_VALID) from None
    if found is None:
        raise invalid("recurs.cron", "bad_cron", _NEVER)


def next_after(recurrence: Recurrence, after: datetime) -> datetime | None:
    """The first time strictly after ``after``, as UTC; None when there is none within fifty years.

    An interval counts from ``after``. A cron at fixed hours comes once a local day: where its wall time is
    left out it comes at the change (or, when that is the next day already, a second before it), where it
    comes twice at the first. One with ``*`` for the minute or the hour goes by elapsed time.
    """
    if recurrence.every_s is not None:
        return _within_years(after + timedelta(seconds=recurrence.every_s))
    cron = recurrence.cron or ""
    zone = _zone(recurrence.timezone)
    minute, hour = cron.split()[:2]
    try:
        if minute.startswith("*") or hour.startswith("*"):
            return next(CronSim(cron, after.astimezone(zone))).astimezone(UTC)
        wall_from = after.astimezone(zone).replace(tzinfo=None) - _LOOK_BACK
        for wall in CronSim(cron, wall_from):
            instant = _instant(wall, zone)
            if instant is not None and instant > after:
                return instant
    except (StopIteration, OverflowError):
        return None
    return None


def following(recurrence: Recurrence, *, run_at: datetime, now: datetime) -> datetime | None:
    """The time after that of ``run_at``, which has been dealt with at ``now``."""
    if recurrence.missed == "catch_up":
        return next_after(recurrence, max(run_at, _aligned(recurrence, run_at, now - CAUGHT_UP)))
    return next_after(recurrence, max(run_at, _aligned(recurrence, run_at, now)))


def is_left_out(recurrence: Recurrence, *, run_at: datetime, now: datetime) -> bool:
    """Whether it is too late for this time of a job that is not made up for."""
    return recurrence.missed == "skip" and (now - run_at).total_seconds() > recurrence.grace_s


def planned_anew(recurrence: Recurrence, *, run_at: datetime, now: datetime) -> datetime | None:
    """When a job that waits for ``run_at`` comes after the clock went back to ``now``; None for as it was.

    A step back within one period repeats nothing. One over more than a period would silence the job until
    the old time comes again.
    """
    first = next_after(recurrence, now)
    second = None if first is None else next_after(recurrence, first)
    return first if second is not None and second < run_at else None


def _aligned(recurrence: Recurrence, run_at: datetime, not_before: datetime) -> datetime:
    """``not_before``, or for an interval the last of its beats until then."""
    if recurrence.every_s is None or not_before <= run_at:
        return not_before
    every = timedelta(seconds=recurrence.every_s)
    return run_at + (not_before - run_at) // every * every


def _within_years(instant: datetime) -> datetime | None:
    return instant if instant.year < _LAST_YEAR else None


def _instant(wall: datetime, zone: ZoneInfo) -> datetime | None:
    """None where the whole day is left out."""
    instant = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    shown = instant.astimezone(zone)
    if shown.replace(tzinfo=None) == wall:
        return instant
    # Left out: with the offset from before the change, the wall time lies after it by as much as was cut.
    change = _change_between(instant - _LOOK_BACK, instant, zone)
    for near in (change, change - timedelta(seconds=1)):
        if near.astimezone(zone).date() == wall.date():
            return near
    return None


def _change_between(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """The second at which the offset becomes that of ``after``."""
    offset = after.astimezone(zone).utcoffset()
    while after - before > timedelta(seconds=1):
        middle = before + (after - before) // 2
        middle = middle.replace(microsecond=0)
        if middle <= before:
            break
        if middle.astimezone(zone).utcoffset() == offset:
            after = middle
        else:
            before = middle
    return after


@cache
def _zones() -> frozenset[str]:
    """The pinned ones: what a machine's own folder adds is not the same everywhere."""
    return frozenset(resources.files("tzdata").joinpath("zones").read_text("utf-8").split())


@cache
def _zone(name: str) -> ZoneInfo:
    source = resources.files("tzdata").joinpath("zoneinfo", *name.split("/"))
    with source.open("rb") as stream:
        return ZoneInfo.from_file(stream, key=name)
