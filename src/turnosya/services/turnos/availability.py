"""What is offered, and whether one instant is: the same code decides both (rules R3 to R9 and R15)."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from turnosya.services.turnos.hours import Calendar
from turnosya.services.turnos.windows import Window, instant, local_date

END_OF_TIME = datetime(9999, 1, 1, tzinfo=UTC)


class Reason(StrEnum):
    """Why an instant is refused, in the order in which they are looked at (R15)."""

    PAST = "past"
    TOO_SOON = "too_soon"
    TOO_FAR = "too_far"
    SERVICE_INACTIVE = "service_inactive"
    STAFF_NOT_QUALIFIED = "staff_not_qualified"
    HOLIDAY = "holiday"
    CLOSED = "closed"
    OFF_GRID = "off_grid"
    TAKEN = "taken"
    HELD = "held"
    FULL = "full"
    CLIENT_BUSY = "client_busy"


_RANK = {reason: rank for rank, reason in enumerate(Reason)}
OUTSIDE_HOURS = frozenset({Reason.HOLIDAY, Reason.CLOSED, Reason.OFF_GRID})
CONFLICTS = frozenset({Reason.TAKEN, Reason.HELD, Reason.FULL, Reason.CLIENT_BUSY})


@dataclass(frozen=True, slots=True)
class Sought:
    """What somebody wants to book: a service, or several in a row as one turno.

    ``service_id`` is None for several: they share their time with nobody. ``staff_ids`` are the active
    members who do all of it, in the order of their ids.
    """

    service_id: UUID | None
    staff_ids: tuple[UUID, ...]
    duration: timedelta
    buffer_before: timedelta = timedelta()
    buffer_after: timedelta = timedelta()
    capacity: int = 1
    is_active: bool = True


@dataclass(frozen=True, slots=True)
class Taken:
    """A seat that is taken or held; ``busy`` is its time with its own buffers (R5)."""

    staff_id: UUID
    service_id: UUID | None
    start_at: datetime
    busy: Window
    seat: int = 1
    is_held: bool = False


@dataclass(frozen=True, slots=True)
class Limits:
    """From when and until when one may book (R6). ``until_at`` is the first instant that is too far."""

    now_at: datetime
    earliest_at: datetime
    until_at: datetime = END_OF_TIME

    def refuses(self, start_at: datetime) -> Reason | None:
        """Why the limits alone refuse a start, if they do."""
        if start_at < self.now_at:
            return Reason.PAST
        if start_at < self.earliest_at:
            return Reason.TOO_SOON
        return Reason.TOO_FAR if start_at >= self.until_at else None


class Slot(NamedTuple):
    """A start that is offered, the member who would do it and the seats left there."""

    start_at: datetime
    end_at: datetime
    staff_id: UUID
    remaining: int


@dataclass(frozen=True, slots=True)
class Place:
    """Where an accepted turno goes."""

    staff_id: UUID
    seat: int


def limits_for_clients(
    calendar: Calendar,
    *,
    now_at: datetime,
    min_notice_minutes: int,
    max_days_ahead: int,
) -> Limits:
    """What binds a client: the notice (inclusive) and the last local date that may be booked (R6)."""
    last_date = local_date(calendar.zone, now_at) + timedelta(days=max_days_ahead)
    return Limits(
        now_at=now_at,
        earliest_at=now_at + timedelta(minutes=min_notice_minutes),
        until_at=instant(calendar.zone, last_date + timedelta(days=1), 0),
    )


def limits_for_owners(now_at: datetime) -> Limits:
    """What binds the business itself: only the past."""
    return Limits(now_at=now_at, earliest_at=now_at)


def free_starts(
    calendar: Calendar,
    sought: Sought,
    taken: Iterable[Taken],
    *,
    days: Sequence[date],
    limits: Limits,
    staff_id: UUID | None = None,
) -> list[Slot]:
    """Everything that is offered in the windows that open on ``days``, earliest first, one row a start.

    A row names the member whom a booking without ``staff_id`` would get, and sums the seats left over all
    who are free. O(starts + taken) after sorting; ``days`` must be in order.
    """
    if not sought.is_active:
        return []
    taken = list(taken)
    offers: defaultdict[datetime, list[tuple[UUID, int]]] = defaultdict(list)
    candidates = _candidates(sought, staff_id)
    for agenda in _agendas(calendar, sought, taken, candidates):
        for start_at, seats in agenda.offered(days, limits):
            offers[start_at].append((agenda.staff_id, seats))
    load = _Load(calendar, taken if len(candidates) > 1 else ())
    return [
        Slot(
            start_at,
            start_at + sought.duration,
            load.lightest(start_at, free),
            sum(n for _, n in free),
        )
        for start_at, free in sorted(offers.items())
    ]


def judge(
    calendar: Calendar,
    sought: Sought,
    taken: Iterable[Taken],
    start_at: datetime,
    *,
    limits: Limits,
    staff_id: UUID | None = None,
    lifted: Collection[Reason] = (),
) -> Place | Reason:
    """Where a booking at ``start_at`` goes, or the first reason of R15 that refuses it.

    With several members that reason is the one of the member who comes nearest to doing it. ``lifted``
    are reasons that an owner sets aside (R13); a lifted conflict takes the seat after the last.
    """
    refusal = limits.refuses(start_at)
    if refusal:
        return refusal
    if not sought.is_active:
        return Reason.SERVICE_INACTIVE
    candidates = _candidates(sought, staff_id)
    if not candidates:
        return Reason.STAFF_NOT_QUALIFIED
    taken = list(taken)
    agendas = {agenda.staff_id: agenda for agenda in _agendas(calendar, sought, taken, candidates)}
    reasons = {one: agenda.refusal(start_at, lifted) for one, agenda in agendas.items()}
    free = [(one, 1) for one, reason in reasons.items() if reason is None]
    if free:
        chosen = _Load(calendar, taken).lightest(start_at, free)
        return Place(chosen, agendas[chosen].next_seat(start_at))
    return max((reason for reason in reasons.values() if reason), key=_RANK.__getitem__)


def _candidates(sought: Sought, staff_id: UUID | None) -> tuple[UUID, ...]:
    if staff_id is None:
        return sought.staff_ids
    return (staff_id,) if staff_id in sought.staff_ids else ()


def _agendas(
    calendar: Calendar,
    sought: Sought,
    taken: Iterable[Taken],
    candidates: Sequence[UUID],
) -> Iterator[_Agenda]:
    of_member: defaultdict[UUID, list[Taken]] = defaultdict(list)
    for one in taken:
        of_member[one.staff_id].append(one)
    for staff_id in candidates:
        yield _Agenda(calendar, sought, staff_id, of_member[staff_id])


class _Span(NamedTuple):
    """Starts that are impossible: all between the two, neither included."""

    after: datetime
    before: datetime


class _Shut:
    """Many such spans, merged, for one look-up or one sweep."""

    def __init__(self, spans: Iterable[_Span]) -> None:
        merged: list[_Span] = []
        for span in sorted(spans):
            # Two that only touch leave the start between them possible, hence < and not <=.
            if merged and span.after < merged[-1].before:
                if span.before > merged[-1].before:
                    merged[-1] = _Span(merged[-1].after, span.before)
            else:
                merged.append(span)
        self.spans = merged
        self._afters = [span.after for span in merged]

    def __contains__(self, start_at: datetime) -> bool:
        index = bisect_left(self._afters, start_at) - 1
        return index >= 0 and start_at < self.spans[index].before

    def first_from(self, start_at: datetime) -> int:
        """The index of the first span that can matter from ``start_at`` on."""
        return max(0, bisect_left(self._afters, start_at) - 1)


class _Agenda:
    """One member's time, seen by one thing that is sought."""

    def __init__(self, calendar: Calendar, sought: Sought, staff_id: UUID, taken: Sequence[Taken]) -> None:
        self.staff_id = staff_id
        self._calendar = calendar
        self._sought = sought
        self._taken = taken
        self._closed = _Shut(self._around_closure(span) for span in calendar.closures_of(staff_id))
        self._busy = _Shut(self._around(one) for one in taken)
        self._shut = _Shut((*self._closed.spans, *self._busy.spans))
        self._sessions: defaultdict[datetime, list[Taken]] = defaultdict(list)
        if sought.capacity > 1 and sought.service_id:
            for one in taken:
                if one.service_id == sought.service_id:
                    self._sessions[one.start_at].append(one)

    def offered(self, days: Sequence[date], limits: Limits) -> Iterator[tuple[datetime, int]]:
        """Starts offered in the windows of ``days`` with the seats left; each start once, in no order."""
        windows = sorted(window for day in days for window in self._calendar.day(self.staff_id, day).windows)
        # Windows of two days may overlap (R4 unites only within one), then both have the same starts.
        starts = {start_at for window in windows for start_at in self._sweep(window, limits)}
        for start_at in starts:
            yield start_at, self._sought.capacity
        for start_at in self._sessions:
            seats = self._seats_left(start_at)
            on_offer = limits.refuses(start_at) is None and start_at not in self._closed
            if seats and on_offer and any(self._is_on_grid(window, start_at) for window in windows):
                yield start_at, seats

    def refusal(self, start_at: datetime, lifted: Collection[Reason]) -> Reason | None:
        """Why this member cannot, if so; reasons in ``lifted`` are passed over."""
        outside = self._outside_hours(start_at)
        if outside and outside not in lifted:
            return outside
        if Reason.TAKEN in lifted or self._seats_left(start_at) > 0:
            return None
        return self._conflict(start_at)

    def next_seat(self, start_at: datetime) -> int:
        """The lowest seat that is free in the session of that start."""
        given = {one.seat for one in self._sessions.get(start_at, ())}
        return next(seat for seat in range(1, len(given) + 2) if seat not in given)

    def _outside_hours(self, start_at: datetime) -> Reason | None:
        calendar, span = (
            self._calendar,
            Window(start_at, start_at + self._sought.duration),
        )
        days = calendar.days_around(self.staff_id, start_at)
        windows = [window for day in days for window in day.windows if self._fits(window, start_at)]
        if not windows:
            is_holiday = calendar.is_shut_for_holiday(self.staff_id, span)
            return Reason.HOLIDAY if is_holiday else Reason.CLOSED
        if start_at in self._closed:
            return Reason.CLOSED
        on_grid = any(self._is_on_grid(window, start_at) for window in windows)
        return None if on_grid else Reason.OFF_GRID

    def _conflict(self, start_at: datetime) -> Reason:
        session = self._sessions.get(start_at, ())
        others = [one for one in self._taken if one not in session and self._meets(one, start_at)]
        if not others:
            return Reason.FULL
        return Reason.HELD if all(one.is_held for one in others) else Reason.TAKEN

    def _seats_left(self, start_at: datetime) -> int:
        session = self._sessions.get(start_at)
        if session is None:
            return 0 if start_at in self._busy else self._sought.capacity
        if any(one not in session and self._meets(one, start_at) for one in self._taken):
            return 0
        return max(0, self._sought.capacity - len(session))

    def _sweep(self, window: Window, limits: Limits) -> Iterator[datetime]:
        """Starts on the window's grid at which nothing at all is in the way; one pass over what is."""
        step = timedelta(minutes=self._calendar.week.slot_step_minutes)
        last_at = min(window.end_at - self._sought.duration, limits.until_at - timedelta.resolution)
        return _outside(self._shut, _grid(window.start_at, limits.earliest_at, step, last_at))

    def _is_on_grid(self, window: Window, start_at: datetime) -> bool:
        step = timedelta(minutes=self._calendar.week.slot_step_minutes)
        return self._fits(window, start_at) and (start_at - window.start_at) % step == timedelta()

    def _fits(self, window: Window, start_at: datetime) -> bool:
        return window.start_at <= start_at and start_at + self._sought.duration <= window.end_at

    def _meets(self, one: Taken, start_at: datetime) -> bool:
        span = self._around(one)
        return span.after < start_at < span.before

    def _around(self, one: Taken) -> _Span:
        sought = self._sought
        ends_after = one.busy.start_at - sought.duration - sought.buffer_after
        return _Span(ends_after, one.busy.end_at + sought.buffer_before)

    def _around_closure(self, closure: Window) -> _Span:
        # Buffers may fall into closures (R5).
        return _Span(closure.start_at - self._sought.duration, closure.end_at)


def _grid(anchor: datetime, earliest_at: datetime, step: timedelta, last_at: datetime) -> Iterator[datetime]:
    start_at = anchor
    if earliest_at > anchor:
        start_at += -(-(earliest_at - anchor) // step) * step
    while start_at <= last_at:
        yield start_at
        start_at += step


def _outside(shut: _Shut, starts: Iterator[datetime]) -> Iterator[datetime]:
    """Of rising ``starts`` those in no span of ``shut``."""
    spans, index, count = shut.spans, -1, len(shut.spans)
    for start_at in starts:
        if index < 0:
            index = shut.first_from(start_at)
        while index < count and spans[index].before <= start_at:
            index += 1
        if index == count or start_at <= spans[index].after:
            yield start_at


class _Load:
    """How many turnos each member has on a local date, to share out those without a wish (R15)."""

    def __init__(self, calendar: Calendar, taken: Iterable[Taken]) -> None:
        self._calendar = calendar
        self._count: Counter[tuple[UUID, date]] = Counter(
            (one.staff_id, local_date(calendar.zone, one.start_at)) for one in taken
        )

    def lightest(self, start_at: datetime, free: Sequence[tuple[UUID, int]]) -> UUID:
        """Of members in the order of their ids, the first of those with fewest turnos that day."""
        if len(free) == 1:
            return free[0][0]
        day = local_date(self._calendar.zone, start_at)
        return min(
            (staff_id for staff_id, _ in free),
            key=lambda staff_id: self._count[staff_id, day],
        )
