"""Several turnos of an agenda at other places at once: which, and whether all fit. No input or output."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from uuid import UUID

from turnosya.services.turnos import rules
from turnosya.services.turnos.availability import Reason
from turnosya.services.turnos.hours import Calendar
from turnosya.services.turnos.shops import Shop
from turnosya.services.turnos.sought import sought_again
from turnosya.services.turnos.turno import Status, Turno, What, busy_span, session_of
from turnosya.services.turnos.windows import Window, instant, local_date, utc_offset_s

_DAY = timedelta(days=1)
MOVABLE = (Status.PENDING, Status.CONFIRMED)
"""What may be moved with others. One that is to have another time already has its own way to it."""


@dataclass(frozen=True, slots=True)
class Goal:
    """Where a turno is to go."""

    turno: Turno
    staff_id: UUID
    starts_at: datetime


@dataclass(frozen=True, slots=True)
class Terms:
    """By whom and how: ``force`` goes outside hours (R13); an overbooked one may stay so."""

    shop: Shop
    now: datetime
    actor_id: UUID
    reason: str | None = None
    force: bool = False
    stays_overbooked: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """A turno before and after."""

    before: Turno
    after: Turno


@dataclass(frozen=True, slots=True)
class Obstacle:
    """A turno that cannot go where it is to go, or must not, and why."""

    turno: Turno
    reason: str


@dataclass(frozen=True, slots=True)
class Rearrangement:
    """What goes elsewhere, and what stays where it is."""

    changes: tuple[Change, ...] = ()
    kept: tuple[Obstacle, ...] = ()


def opening_date(calendar: Calendar, staff_id: UUID, at: datetime) -> date:
    """The working day of a member in which an instant lies: after midnight still the one before (R7)."""
    day = local_date(calendar.zone, at)
    last_night = calendar.day(staff_id, day - _DAY).windows
    is_night = any(opened.start_at <= at < opened.end_at for opened in last_night)
    return day - _DAY if is_night else day


def working_day(calendar: Calendar, staff_id: UUID, day: date) -> Window:
    """From where the last night ended, midnight or later, until midnight or the end of this night."""
    nights = [_end(calendar, staff_id, one) for one in (day - _DAY, day)]
    return Window(nights[0], max(nights))


def _end(calendar: Calendar, staff_id: UUID, day: date) -> datetime:
    ends = [opened.end_at for opened in calendar.day(staff_id, day).windows]
    return max([instant(calendar.zone, day + _DAY, 0), *ends])


def of_day(calendar: Calendar, found: Iterable[Turno], day: date) -> list[Turno]:
    """Turnos that begin in their members' working day."""
    return [turno for turno in found if _is_in(turno, working_day(calendar, turno.staff_id, day))]


def rest_of_day(calendar: Calendar, found: Iterable[Turno], from_at: datetime) -> list[Turno]:
    """Turnos that begin from an instant on until the end of the working day in which it lies."""
    rest: list[Turno] = []
    for turno in found:
        day = opening_date(calendar, turno.staff_id, from_at)
        span = Window(from_at, working_day(calendar, turno.staff_id, day).end_at)
        if _is_in(turno, span):
            rest.append(turno)
    return rest


def _is_in(turno: Turno, span: Window) -> bool:
    return span.start_at <= turno.starts_at < span.end_at


def shifted(found: Sequence[Turno], minutes: int) -> list[Goal]:
    """Everybody by so many minutes of elapsed time."""
    by = timedelta(minutes=minutes)
    return [Goal(turno, turno.staff_id, turno.starts_at + by) for turno in found]


def swapped(one: Turno, other: Turno, *, keeps_staff: bool) -> list[list[Goal]]:
    """Ways in which two exchange their places, the plainest first; with ``keeps_staff`` only their times.

    Two of different lengths that follow each other at one member exchange their order: together they take
    the time that they had.
    """
    members = (one.staff_id, other.staff_id) if keeps_staff else (other.staff_id, one.staff_id)
    plain = [Goal(one, members[0], other.starts_at), Goal(other, members[1], one.starts_at)]
    first, last = sorted((one, other), key=lambda turno: turno.starts_at)
    is_one_after_the_other = first.staff_id == last.staff_id and first.busy_to == last.busy_from
    if not is_one_after_the_other:
        return [plain]
    last_at = first.busy_from + (last.starts_at - last.busy_from)
    first_at = last.busy_to - (first.busy_to - first.starts_at)
    return [plain, [Goal(last, last.staff_id, last_at), Goal(first, first.staff_id, first_at)]]


def all_or_none(
    goals: Sequence[Goal], standing: Sequence[Turno], terms: Terms
) -> tuple[list[Change], list[Obstacle]]:
    """Goals that are reached, and turnos that cannot reach theirs; ``standing`` are those that stay."""
    changes: list[Change] = []
    obstacles: list[Obstacle] = []
    among = list(standing)
    for goal in goals:
        found = placed(goal, among, terms)
        if isinstance(found, Reason):
            obstacles.append(Obstacle(goal.turno, found))
        else:
            changes.append(Change(goal.turno, found))
            among.append(found)
    return changes, obstacles


def placed(goal: Goal, among: Iterable[Turno], terms: Terms) -> Turno | Reason:
    """A turno where it is to go, among all others that stand there; or the first reason against it (R15).

    The business is bound by neither notice nor horizon nor grid, and hours count only for who is within them
    now.
    """
    turno, calendar = goal.turno, terms.shop.calendar
    if goal.starts_at < terms.now:
        return Reason.PAST
    sought = sought_again(terms.shop, turno)
    if goal.staff_id != turno.staff_id and goal.staff_id not in sought.staff_ids:
        return Reason.STAFF_NOT_QUALIFIED
    there = _there(goal, terms)
    is_bound = not terms.force and calendar.is_open(turno.staff_id, turno.span)
    if is_bound and not calendar.is_open(there.staff_id, there.span):
        is_holiday = calendar.is_shut_for_holiday(there.staff_id, there.span)
        return Reason.HOLIDAY if is_holiday else Reason.CLOSED
    if there.overbooked:
        return there
    others = [one for one in among if one.id != turno.id and not one.overbooked]
    return _conflict(there, others) or _seated(there, others, capacity=max(turno.capacity, sought.capacity))


def _there(goal: Goal, terms: Terms) -> Turno:
    """As long and with the same buffers, price and status as it was (R10)."""
    turno, zone = goal.turno, terms.shop.calendar.zone
    before, after = turno.starts_at - turno.busy_from, turno.busy_to - turno.ends_at
    duration = turno.ends_at - turno.starts_at
    busy = busy_span(goal.starts_at, duration, before, after)
    is_overbooked = turno.overbooked and terms.stays_overbooked
    is_alone = is_overbooked or turno.service_ids is not None
    is_request = turno.status is Status.PENDING
    return replace(
        turno.after(What.MOVED, at=terms.now, actor_id=terms.actor_id, reason=terms.reason),
        staff_id=goal.staff_id,
        session_id=turno.id if is_alone else session_of(goal.staff_id, turno.service_id, goal.starts_at),
        starts_at=goal.starts_at,
        ends_at=goal.starts_at + duration,
        busy_from=busy.start_at,
        busy_to=busy.end_at,
        starts_on=local_date(zone, goal.starts_at),
        utc_offset_s=utc_offset_s(zone, goal.starts_at),
        shifted_by_dst=False,
        overbooked=is_overbooked,
        expires_at=rules.pending_until(now=terms.now, starts_at=goal.starts_at) if is_request else None,
    )


def _conflict(there: Turno, others: Sequence[Turno]) -> Reason | None:
    met = [one for one in others if _is_in_the_way(one, there)]
    if met:
        return _taken_by(met)
    return Reason.CLIENT_BUSY if any(_is_of_same_client(one, there) for one in others) else None


def _taken_by(met: Sequence[Turno]) -> Reason:
    return Reason.HELD if all(one.status is Status.HELD for one in met) else Reason.TAKEN


def _is_in_the_way(one: Turno, there: Turno) -> bool:
    is_apart = one.staff_id != there.staff_id or one.session_id == there.session_id
    return not is_apart and one.busy_from < there.busy_to and there.busy_from < one.busy_to


def _is_of_same_client(one: Turno, there: Turno) -> bool:
    # What is offered to somebody is not theirs yet (R14).
    is_same = there.client_id is not None and one.client_id == there.client_id
    is_same = is_same and one.for_appointment_id is None
    return is_same and one.starts_at < there.ends_at and there.starts_at < one.ends_at


def _seated(there: Turno, others: Sequence[Turno], *, capacity: int) -> Turno | Reason:
    """With its own seat if that is free in the session it comes to, else the lowest that is."""
    session = [one for one in others if one.session_id == there.session_id]
    given = {one.seat for one in session}
    seat = there.seat
    if seat in given:
        seat = next(number for number in range(1, len(given) + 2) if number not in given)
    if seat > capacity:
        return _taken_by(session) if capacity == 1 else Reason.FULL
    return replace(there, seat=seat, capacity=capacity)
