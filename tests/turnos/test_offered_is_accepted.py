"""Two properties: every listed start books and no other; a naive second implementation lists the same."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import holidays
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.turnos.calendars import ANA, BETO, COLOUR, CUT
from turnosya.services.turnos import zones
from turnosya.services.turnos.availability import (
    Limits,
    Place,
    Sought,
    Taken,
    free_starts,
    judge,
    limits_for_clients,
)
from turnosya.services.turnos.hours import (
    Calendar,
    Closure,
    Hours,
    Override,
    Week,
    WeeklyHours,
)
from turnosya.services.turnos.windows import Window

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
# Days on which, or beside which, the clock changes; a holiday of Argentina; and a plain one.
PLACES = [
    ("America/Santiago", date(2027, 9, 5), "CL"),
    ("America/Santiago", date(2027, 4, 4), "CL"),
    ("America/Tijuana", date(2027, 3, 14), None),
    ("America/Havana", date(2027, 11, 7), None),
    ("Australia/Lord_Howe", date(2027, 10, 3), None),
    ("America/Argentina/Buenos_Aires", date(2027, 7, 9), "AR"),
    ("America/Argentina/Buenos_Aires", date(2027, 6, 15), "AR"),
]


@dataclass(frozen=True)
class World:
    """One generated business and what is sought of it."""

    zone: ZoneInfo
    middle: date
    country: str | None
    week: Week
    overrides: tuple[Override, ...]
    closures: tuple[Closure, ...]
    sought: Sought
    taken: tuple[Taken, ...]
    now_at: datetime
    notice_minutes: int
    max_days_ahead: int

    @property
    def days(self) -> list[date]:
        return [self.middle + DAY * shift for shift in (-1, 0, 1)]

    @property
    def calendar(self) -> Calendar:
        return Calendar(
            self.zone,
            self.week,
            overrides=self.overrides,
            closures=self.closures,
            country=self.country,
        )

    @property
    def limits(self) -> Limits:
        return limits_for_clients(
            self.calendar,
            now_at=self.now_at,
            min_notice_minutes=self.notice_minutes,
            max_days_ahead=self.max_days_ahead,
        )


quarter = st.integers(0, 95).map(lambda n: n * 15)
member = st.sampled_from([None, None, ANA, BETO])


@st.composite
def hours(draw: st.DrawFn) -> Hours:
    start = draw(quarter)
    return Hours(start, start + draw(st.integers(1, 95)) * 15)


@st.composite
def spans(draw: st.DrawFn, middle: datetime) -> Window:
    start = middle + draw(st.integers(-36 * 12, 36 * 12)) * timedelta(minutes=5)
    return Window(start, start + draw(st.integers(1, 60)) * timedelta(minutes=5))


@st.composite
def worlds(draw: st.DrawFn) -> World:
    name, middle, country = draw(st.sampled_from(PLACES))
    zone = zones.zone(name)
    noon = datetime(middle.year, middle.month, middle.day, 12, tzinfo=zone).astimezone(UTC)
    weekly = st.builds(WeeklyHours, st.integers(1, 7), hours(), member)
    week = Week(
        tuple(draw(st.lists(weekly, min_size=3, max_size=12))),
        slot_step_minutes=draw(st.sampled_from([5, 15, 20, 30, 45, 60])),
        observe_holidays=draw(st.booleans()),
    )
    override = st.builds(
        Override,
        st.sampled_from([middle + DAY * shift for shift in (-1, 0, 1)]),
        st.lists(hours(), max_size=2).map(tuple),
        member,
    )
    capacity = draw(st.integers(1, 3))
    sought = Sought(
        CUT,
        (ANA, BETO),
        draw(st.sampled_from([15, 30, 45, 60, 120])) * MINUTE,
        draw(st.sampled_from([0, 10])) * MINUTE,
        draw(st.sampled_from([0, 15])) * MINUTE,
        capacity,
    )
    return World(
        zone=zone,
        middle=middle,
        country=country,
        week=week,
        overrides=tuple(draw(st.lists(override, max_size=3))),
        closures=tuple(draw(st.lists(st.builds(Closure, spans(noon), member), max_size=2))),
        sought=sought,
        taken=tuple(_taken(draw, sought, noon)),
        now_at=noon + draw(st.integers(-60 * 48, 60 * 24)) * MINUTE,
        notice_minutes=draw(st.sampled_from([0, 0, 90, 24 * 60])),
        max_days_ahead=draw(st.integers(0, 4)),
    )


def _taken(draw: st.DrawFn, sought: Sought, noon: datetime) -> list[Taken]:
    taken = [
        Taken(draw(st.sampled_from([ANA, BETO])), COLOUR, span.start_at, span)
        for span in draw(st.lists(spans(noon), max_size=4))
    ]
    for _ in range(draw(st.integers(0, 2))):
        start = noon + draw(st.integers(-96, 96)) * timedelta(minutes=15)
        span = Window(start - sought.buffer_before, start + sought.duration + sought.buffer_after)
        who = draw(st.sampled_from([ANA, BETO]))
        taken += [Taken(who, CUT, start, span, seat) for seat in range(1, draw(st.integers(1, 3)) + 1)]
    return taken


@settings(max_examples=80, deadline=None)
@given(worlds())
def test_a_naive_second_implementation_lists_the_same(world: World) -> None:
    slots = free_starts(world.calendar, world.sought, world.taken, days=world.days, limits=world.limits)
    assert {slot.start_at: slot.remaining for slot in slots} == naive_starts(world)
    assert [slot.start_at for slot in slots] == sorted({slot.start_at for slot in slots})


@settings(max_examples=25, deadline=None)
@given(worlds())
def test_offered_and_accepted_are_the_same(world: World) -> None:
    calendar = world.calendar
    around = [world.middle + DAY * shift for shift in range(-3, 4)]
    listed = {
        slot.start_at: slot.staff_id
        for slot in free_starts(calendar, world.sought, world.taken, days=around, limits=world.limits)
    }
    first = datetime(world.middle.year, world.middle.month, world.middle.day, tzinfo=UTC) - DAY
    for start_at in (first + timedelta(minutes=5) * n for n in range(3 * 24 * 12)):
        found = judge(calendar, world.sought, world.taken, start_at, limits=world.limits)
        accepted = found.staff_id if isinstance(found, Place) else None
        assert accepted == listed.get(start_at), (start_at, found)


@settings(max_examples=60, deadline=None)
@given(worlds())
def test_united_spans_and_counted_days_list_the_same(world: World) -> None:
    each = free_starts(world.calendar, world.sought, world.taken, days=world.days, limits=world.limits)
    loads: dict[UUID, dict[date, int]] = {ANA: {}, BETO: {}}
    for one in world.taken:
        day = one.start_at.astimezone(world.zone).date()
        loads[one.staff_id][day] = loads[one.staff_id].get(day, 0) + 1
    is_shared = [world.sought.capacity > 1 and one.service_id == CUT for one in world.taken]
    shared = [one for one, alone in zip(world.taken, is_shared, strict=True) if alone]
    others = [one for one, alone in zip(world.taken, is_shared, strict=True) if not alone]
    united = free_starts(
        world.calendar,
        world.sought,
        [*shared, *united_spans(others)],
        days=world.days,
        limits=world.limits,
        loads=loads,
    )
    assert united == each


def united_spans(taken: Sequence[Taken]) -> list[Taken]:
    """As the database answers them: those that overlap or touch are one."""
    found: list[Taken] = []
    for one in sorted(taken, key=lambda one: (one.staff_id, one.busy)):
        last = found[-1] if found and found[-1].staff_id == one.staff_id else None
        if last is not None and one.busy.start_at <= last.busy.end_at:
            span = Window(last.busy.start_at, max(last.busy.end_at, one.busy.end_at))
            found[-1] = Taken(one.staff_id, None, span.start_at, span)
        else:
            found.append(Taken(one.staff_id, None, one.busy.start_at, one.busy))
    return found


def naive_starts(world: World) -> dict[datetime, int]:
    """Every minute of every day asked by itself, and seats counted one by one."""
    seats: dict[datetime, int] = {}
    last_date = world.now_at.astimezone(world.zone).date() + DAY * world.max_days_ahead
    for staff_id in world.sought.staff_ids:
        candidates = {
            start for day in world.days for run in runs(world, staff_id, day) for start in grid(world, run)
        }
        for start in candidates:
            too_soon = start < world.now_at + MINUTE * world.notice_minutes
            too_far = start.astimezone(world.zone).date() > last_date
            left = naive_seats(world, staff_id, start)
            if left and not too_soon and not too_far:
                seats[start] = seats.get(start, 0) + left
    return seats


def naive_seats(world: World, staff_id: UUID, start: datetime) -> int:
    end = start + world.sought.duration
    for closure in world.closures:
        concerns = closure.staff_id in (None, staff_id)
        if concerns and closure.span.start_at < end and start < closure.span.end_at:
            return 0
    session = 0
    for one in world.taken:
        if one.staff_id != staff_id:
            continue
        if world.sought.capacity > 1 and one.service_id == CUT and one.start_at == start:
            session += 1
        elif (
            one.busy.start_at < end + world.sought.buffer_after
            and start - world.sought.buffer_before < one.busy.end_at
        ):
            return 0
    return max(0, world.sought.capacity - session)


def grid(world: World, run: Sequence[datetime]) -> list[datetime]:
    """Starts in one run of open minutes, from its first by the step, that end within it."""
    starts = run[:: world.week.slot_step_minutes]
    return [start for start in starts if start + world.sought.duration <= run[-1] + MINUTE]


def runs(world: World, staff_id: UUID, day: date) -> list[list[datetime]]:
    """The united windows of a day, each as all of its minutes in real time."""
    wall = {minute for hours in naive_hours(world, staff_id, day) for minute in range(*hours)}
    edges = sorted(minute for minute in wall if minute - 1 not in wall)
    found: list[list[datetime]] = []
    for start in edges:
        end = start
        while end in wall:
            end += 1
        first, last = reached(world.zone, day, start), reached(world.zone, day, end)
        minutes = [first + MINUTE * n for n in range(int((last - first) / MINUTE))]
        if minutes:
            found.append(minutes)
    return found


def reached(zone: ZoneInfo, day: date, minute: int) -> datetime:
    """The first real minute at which the wall clock has reached a time, found by walking."""
    wall = datetime.combine(day, time.min) + MINUTE * minute
    instant = wall.replace(tzinfo=UTC) - timedelta(hours=15)
    while (instant.astimezone(zone).replace(tzinfo=None)) < wall:
        instant += MINUTE
    return instant


def naive_hours(world: World, staff_id: UUID, day: date) -> list[Hours]:

    general = [o.hours for o in world.overrides if o.date == day and o.staff_id is None]
    own = [o.hours for o in world.overrides if o.date == day and o.staff_id == staff_id]
    if () in general:
        return []
    if (
        world.week.observe_holidays and world.country and not general and (not own or () in own)
    ) and day in holidays.country_holidays(world.country, years=day.year):
        return []
    if own:
        return [] if () in own else [hours for one in own for hours in one]
    week = [w for w in world.week.weekly if w.staff_id == staff_id]
    if not week and general:
        return [hours for one in general for hours in one]
    week = week or [w for w in world.week.weekly if w.staff_id is None]
    return [w.hours for w in week if w.weekday == day.isoweekday()]
