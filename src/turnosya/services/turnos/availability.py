"""What is offered, and whether one instant is: the same code decides both (rules R3 to R9 and R15)."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from functools import cached_property, lru_cache
from operator import itemgetter
from typing import NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from turnosya.services.turnos.hours import Calendar
from turnosya.services.turnos.windows import Window, instant, local_date

_DAY = timedelta(days=1)
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
    loads: Mapping[UUID, Mapping[date, int]] | None = None,
) -> list[Slot]:
    """Everything that is offered in the windows that open on ``days``, earliest first, one row a start.

    A row names the member whom a booking without ``staff_id`` would get, and sums the seats left over all
    who are free. O(starts + taken) after sorting, and no start is looked at by itself: what is in the way
    cuts runs out of the grid. ``days`` must be in order. Spans of ``taken`` that touch may come united; then
    ``loads`` says how many turnos each member has on a local date.
    """
    if not sought.is_active:
        return []
    candidates = _candidates(sought, staff_id)
    runs: list[_Run] = []
    for place, agenda in enumerate(_agendas(calendar, sought, taken, candidates)):
        if loads is not None:
            agenda.loads = loads.get(agenda.staff_id, {})
        runs += agenda.offered(days, limits, place=place, shares_out=len(candidates) > 1)
    # The last to write a start is the one who gets it: fewest turnos that day, then the lowest id (R15).
    runs.sort(reverse=True, key=_precedence)
    chosen: dict[datetime, int] = {}
    remaining: Counter[datetime] = Counter()
    for run in runs:
        chosen.update(dict.fromkeys(run.starts, run.place))
        remaining.update(run.starts if run.seats == 1 else dict.fromkeys(run.starts, run.seats))
    duration = sought.duration
    return [Slot(one, one + duration, candidates[chosen[one]], remaining[one]) for one in sorted(chosen)]


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
    agendas = list(_agendas(calendar, sought, taken, candidates))
    reasons = [agenda.refusal(start_at, lifted) for agenda in agendas]
    free = [agenda for agenda, reason in zip(agendas, reasons, strict=True) if reason is None]
    if free:
        day = local_date(calendar.zone, start_at)
        chosen = min(free, key=lambda agenda: (agenda.load_on(day), agenda.staff_id))
        return Place(chosen.staff_id, chosen.next_seat(start_at))
    return max((reason for reason in reasons if reason), key=_RANK.__getitem__)


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
        yield _Agenda(calendar, sought, staff_id, of_member.get(staff_id, ()))


_Span = tuple[datetime, datetime]
"""Starts that are impossible: all between the two, neither included."""


class _Shut:
    """Many such spans, merged, for one look-up or one sweep."""

    def __init__(self, spans: Iterable[_Span]) -> None:
        # Two columns: bisected as they are, and no object a span.
        self._afters: list[datetime] = []
        self._befores: list[datetime] = []
        last: datetime | None = None
        for after, before in sorted(spans):
            # Two that only touch leave the start between them possible, hence < and not <=.
            if last is None or after >= last:
                self._afters.append(after)
                self._befores.append(before)
                last = before
            elif before > last:
                self._befores[-1] = last = before

    def __contains__(self, start_at: datetime) -> bool:
        index = bisect_left(self._afters, start_at) - 1
        return index >= 0 and start_at < self._befores[index]

    def cut_from(self, starts: Sequence[datetime]) -> Sequence[datetime]:
        """Of rising ``starts`` those in none of the spans: what is between two spans is taken as it is."""
        first = bisect_right(self._befores, starts[0])
        until = bisect_left(self._afters, starts[-1], first)
        if first == until:
            return starts
        left: list[datetime] = []
        begin = 0
        for after, before in zip(self._afters[first:until], self._befores[first:until], strict=True):
            left += starts[begin : bisect_right(starts, after, begin)]
            begin = bisect_left(starts, before, begin)
        left += starts[begin:]
        return left


class _Run(NamedTuple):
    """Rising starts that a member offers, with the seats left at each, and their turnos that local date."""

    load: int
    place: int
    """The member's among the candidates, who come in the order of their ids."""
    starts: Sequence[datetime]
    seats: int


_precedence = itemgetter(0, 1)


class _Agenda:
    """One member's time, seen by one thing that is sought."""

    def __init__(self, calendar: Calendar, sought: Sought, staff_id: UUID, taken: Sequence[Taken]) -> None:
        self.staff_id = staff_id
        self.loads: Mapping[date, int] | None = None
        self._calendar = calendar
        self._sought = sought
        self._taken = taken
        self._sessions: defaultdict[datetime, list[Taken]] = defaultdict(list)
        if sought.capacity > 1 and sought.service_id:
            for one in taken:
                if one.service_id == sought.service_id:
                    self._sessions[one.start_at].append(one)

    @cached_property
    def _busy(self) -> _Shut:
        return _Shut(self._busy_spans())

    @cached_property
    def _closed(self) -> _Shut:
        return _Shut(self._closed_spans())

    @cached_property
    def _shut(self) -> _Shut:
        closed = self._closed_spans()
        return _Shut([*closed, *self._busy_spans()]) if closed else self._busy

    def _closed_spans(self) -> list[_Span]:
        # Buffers may fall into closures (R5).
        duration = self._sought.duration
        return [(span.start_at - duration, span.end_at) for span in self._calendar.closures_of(self.staff_id)]

    def _busy_spans(self) -> list[_Span]:
        sought = self._sought
        lead, rest = sought.duration + sought.buffer_after, sought.buffer_before
        spans = [(start_at - lead, end_at) for start_at, end_at in [one.busy for one in self._taken]]
        return [(after, end_at + rest) for after, end_at in spans] if rest else spans

    @cached_property
    def _starts_taken(self) -> list[datetime]:
        return sorted(one.start_at for one in self._taken)

    def load_on(self, day: date) -> int:
        """How many turnos the member has that begin on a local date, whoever they are for."""
        if self.loads is not None:
            return self.loads.get(day, 0)
        zone, starts = self._calendar.zone, self._starts_taken
        until = bisect_left(starts, instant(zone, day + _DAY, 0))
        return until - bisect_left(starts, instant(zone, day, 0))

    def offered(self, days: Sequence[date], limits: Limits, *, place: int, shares_out: bool) -> list[_Run]:
        """What is offered in the windows of ``days``, each start once, by local date; in no order.

        Loads are counted only where somebody ``shares_out`` by them.
        """
        stretches = self._stretches(days, limits)
        runs: list[_Run] = []
        for day, starts in stretches.items():
            load = self.load_on(day) if shares_out else 0
            left = self._shut.cut_from(starts)
            if left:
                runs.append(_Run(load, place, left, self._sought.capacity))
            if self._sessions:
                runs += [
                    _Run(load, place, (start_at,), seats) for start_at, seats in self._open_sessions(starts)
                ]
        return runs

    def _stretches(self, days: Sequence[date], limits: Limits) -> dict[date, Sequence[datetime]]:
        """The grid within the limits, as if nothing were taken, by the local date of the start."""
        calendar, duration = self._calendar, self._sought.duration
        found: dict[date, Sequence[datetime]] = {}
        for day in days:
            for window in calendar.day(self.staff_id, day).windows:
                last_at = min(window.end_at - duration, limits.until_at - timedelta.resolution)
                for local_day, grid in _grid(calendar.zone, window, calendar.week.slot_step_minutes):
                    starts = _between(grid, limits.earliest_at, last_at)
                    if not starts:
                        continue
                    before = found.get(local_day)
                    # Windows of two days may overlap (R4 unites only within one), then both have some starts.
                    found[local_day] = starts if before is None else _united(before, starts)
        return found

    def _open_sessions(self, starts: Sequence[datetime]) -> Iterator[tuple[datetime, int]]:
        """Sessions at some of ``starts`` that have begun to fill, with the seats left in them."""
        for start_at in self._sessions.keys() & set(starts):
            seats = self._seats_left(start_at)
            if seats and start_at not in self._closed:
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
        calendar = self._calendar
        days = calendar.days_around(self.staff_id, start_at)
        windows = [window for day in days for window in day.windows if self._fits(window, start_at)]
        if not windows:
            span = Window(start_at, start_at + self._sought.duration)
            is_holiday = calendar.is_shut_for_holiday(self.staff_id, span)
            return Reason.HOLIDAY if is_holiday else Reason.CLOSED
        if start_at in self._closed:
            return Reason.CLOSED
        step = timedelta(minutes=calendar.week.slot_step_minutes)
        on_grid = any((start_at - window.start_at) % step == timedelta() for window in windows)
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

    def _fits(self, window: Window, start_at: datetime) -> bool:
        return window.start_at <= start_at and start_at + self._sought.duration <= window.end_at

    def _meets(self, one: Taken, start_at: datetime) -> bool:
        sought, busy = self._sought, one.busy
        ends_at = start_at + sought.duration + sought.buffer_after
        return busy.start_at < ends_at and start_at - sought.buffer_before < busy.end_at


# A month of one shop is 31 entries, shared by all with the same hours and zone; some 2 KiB each.
@lru_cache(maxsize=4096)
def _grid(zone: ZoneInfo, window: Window, step_minutes: int) -> tuple[tuple[date, tuple[datetime, ...]], ...]:
    """The starts of a window, by the local date on which they lie: a night has two."""
    step, count = timedelta(minutes=step_minutes), 0
    of_day: defaultdict[date, list[datetime]] = defaultdict(list)
    day, day_end = local_date(zone, window.start_at), window.start_at
    start_at = window.start_at
    while start_at < window.end_at:
        if start_at >= day_end:
            day = local_date(zone, start_at)
            day_end = instant(zone, day + _DAY, 0)
        of_day[day].append(start_at)
        count += 1
        start_at = window.start_at + count * step
    return tuple((day, tuple(starts)) for day, starts in of_day.items())


def _between(starts: Sequence[datetime], first_at: datetime, last_at: datetime) -> Sequence[datetime]:
    """Those of rising starts from ``first_at`` to ``last_at``, both included."""
    begin = bisect_left(starts, first_at) if starts[0] < first_at else 0
    end = bisect_right(starts, last_at) if starts[-1] > last_at else len(starts)
    return starts[begin:end]


def _united(before: Sequence[datetime], starts: Sequence[datetime]) -> Sequence[datetime]:
    if before[-1] < starts[0]:
        return [*before, *starts]
    return sorted({*before, *starts})
