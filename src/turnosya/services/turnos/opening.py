"""When a business is open and what it offers next, in short: for a page about it."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from turnosya.contracts.turnos import GetOpening, NextTimes, OpenHours, Opening
from turnosya.services.turnos import copies
from turnosya.services.turnos.availability import Taken, free_starts
from turnosya.services.turnos.hours import MINUTES_A_DAY, Hours, parse_hours, united
from turnosya.services.turnos.shops import Shop
from turnosya.services.turnos.store import taken
from turnosya.services.turnos.windows import Window, local_date

if TYPE_CHECKING:
    from turnosya.services.turnos.context import Turnos

_DAY = timedelta(days=1)
_DAYS = 15
# Most find their next times in the first days; the rest is looked at only if they do not.
_STRETCHES = (2, 7, _DAYS)
_TIMES_AT_MOST, _SERVICES_AT_MOST = 10, 50
_ROOM = timedelta(days=3)


async def opening(turnos: Turnos, request: GetOpening) -> Opening:
    """Whether somebody attends now, until when or from when, the week, and the next starts."""
    shop = copies.trading(await copies.current_shop(turnos, request.business_id))
    now, zone = turnos.clock.now(), shop.calendar.zone
    spans = open_spans(shop, now)
    current = next((one for one in spans if one.start_at <= now < one.end_at), None)
    later = next((one for one in spans if one.start_at > now), None)
    times = min(request.times, _TIMES_AT_MOST)
    return Opening(
        timezone=shop.business.timezone,
        open_now=current is not None,
        closes_at=None if current is None else current.end_at.astimezone(zone),
        opens_at=None if later is None else later.start_at.astimezone(zone),
        weekly=weekly_hours(shop),
        next_times=await _next_times(turnos, shop, times, now) if times > 0 else [],
    )


def open_spans(shop: Shop, now: datetime) -> list[Window]:
    """When somebody attends, from yesterday's windows on for two weeks, by time; what touches is one."""
    calendar, today = shop.calendar, local_date(shop.calendar.zone, now)
    found: list[Window] = []
    for member in shop.business.staff:
        if member.active and not member.deleted:
            windows = [
                window
                for shift in range(-1, _DAYS)
                for window in calendar.day(member.id, today + _DAY * shift).windows
            ]
            found += _outside(windows, calendar.closures_of(member.id))
    return _merged(found)


def weekly_hours(shop: Shop) -> list[OpenHours]:
    """The regular week of all who attend, as one."""
    attending = {one.id for one in shop.business.staff if one.active and not one.deleted}
    of_day: defaultdict[int, list[Hours]] = defaultdict(list)
    for entry in shop.schedule.weekly:
        if entry["staff_id"] is None or UUID(entry["staff_id"]) in attending:
            of_day[entry["weekday"]].append(parse_hours(entry["start"], entry["end"]))
    return [
        OpenHours(weekday=weekday, start=_wall(hours.start_minute), end=_wall(hours.end_minute))
        for weekday in sorted(of_day)
        for hours in united(of_day[weekday])
    ]


async def _next_times(turnos: Turnos, shop: Shop, times: int, now: datetime) -> list[NextTimes]:
    services = [one for one in shop.business.services if one.active and not one.deleted]
    members = [one.id for one in shop.business.staff if one.active and not one.deleted]
    span = Window(now - _ROOM, now + _DAY * _DAYS + _ROOM)
    async with turnos.db.read() as tx:
        busy = await taken.of_members(tx, members, span, now=now)
    found: list[NextTimes] = []
    for service in services[:_SERVICES_AT_MOST]:
        starts = _starts(shop, service.id, times, busy=busy, now=now)
        found.append(NextTimes(service_id=service.id, starts_at=starts))
        # Each is some milliseconds: others come in between.
        await asyncio.sleep(0)
    return found


def _starts(
    shop: Shop, service_id: UUID, times: int, *, busy: Sequence[Taken], now: datetime
) -> list[datetime]:
    zone, today, sought = shop.calendar.zone, local_date(shop.calendar.zone, now), shop.sought((service_id,))
    starts: list[datetime] = []
    first = -1
    for until in _STRETCHES:
        days = [today + _DAY * shift for shift in range(first, until)]
        slots = free_starts(shop.calendar, sought, busy, days=days, limits=shop.client_limits(now))
        starts += [slot.start_at.astimezone(zone) for slot in slots]
        if len(starts) >= times:
            break
        first = until
    # A window past midnight may begin before the last of the day before ends.
    return sorted(set(starts))[:times]


def _outside(windows: Iterable[Window], closures: Iterable[Window]) -> list[Window]:
    left = list(windows)
    for shut in closures:
        left = [
            rest
            for one in left
            for rest in (
                Window(one.start_at, min(one.end_at, shut.start_at)),
                Window(max(one.start_at, shut.end_at), one.end_at),
            )
            if rest.start_at < rest.end_at
        ]
    return left


def _merged(spans: Iterable[Window]) -> list[Window]:
    merged: list[Window] = []
    for one in sorted(spans):
        if merged and one.start_at <= merged[-1].end_at:
            merged[-1] = Window(merged[-1].start_at, max(one.end_at, merged[-1].end_at))
        else:
            merged.append(one)
    return merged


def _wall(minute: int) -> str:
    if minute == MINUTES_A_DAY:
        return "24:00"
    return f"{minute % MINUTES_A_DAY // 60:02}:{minute % 60:02}"
