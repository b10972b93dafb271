"""Words for the pure tests: calendars, services and busy time written as one reads a case."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from turnosya.services.turnos import zones
from turnosya.services.turnos.availability import (
    Limits,
    Place,
    Reason,
    Slot,
    Sought,
    Taken,
    free_starts,
    judge,
    limits_for_clients,
)
from turnosya.services.turnos.hours import (
    Calendar,
    Closure,
    Override,
    Week,
    WeeklyHours,
    parse_hours,
)
from turnosya.services.turnos.windows import Window

ANA = UUID(int=1)
BETO = UUID(int=2)
CUT = UUID(int=11)
COLOUR = UUID(int=12)
BUENOS_AIRES = "America/Argentina/Buenos_Aires"
MONDAY = date(2027, 6, 14)


def at(text: str) -> datetime:
    """An instant, ``2027-06-14T12:00Z``."""
    return datetime.fromisoformat(text).astimezone(UTC)


def every(weekdays: str, *spans: str, staff_id: UUID | None = None) -> tuple[WeeklyHours, ...]:
    """Hours such as ``every("1-6", "09:00-18:00")``."""
    first, _, last = weekdays.partition("-")
    return tuple(
        WeeklyHours(weekday, parse_hours(*span.split("-")), staff_id)
        for weekday in range(int(first), int(last or first) + 1)
        for span in spans
    )


def on(day: date, *spans: str, staff_id: UUID | None = None) -> Override:
    """An override; without spans the day is closed."""
    return Override(day, tuple(parse_hours(*span.split("-")) for span in spans), staff_id)


def calendar(
    *weekly: WeeklyHours,
    zone: str = BUENOS_AIRES,
    step: int = 30,
    overrides: tuple[Override, ...] = (),
    closures: tuple[Closure, ...] = (),
    country: str | None = None,
) -> Calendar:
    """A calendar; the fixture's week if no hours are given."""
    week = Week(weekly or every("1-6", "09:00-18:00"), slot_step_minutes=step)
    return Calendar(zones.zone(zone), week, overrides=overrides, closures=closures, country=country)


def service(
    minutes: int = 30,
    *,
    before: int = 0,
    after: int = 0,
    capacity: int = 1,
    staff: tuple[UUID, ...] = (ANA,),
) -> Sought:
    """The service *Corte*."""
    return Sought(
        CUT,
        staff,
        timedelta(minutes=minutes),
        timedelta(minutes=before),
        timedelta(minutes=after),
        capacity,
    )


def busy(
    start: str,
    end: str,
    *,
    staff_id: UUID = ANA,
    service_id: UUID = COLOUR,
    seat: int = 1,
    is_held: bool = False,
) -> Taken:
    """Time that is taken, without buffers."""
    return Taken(staff_id, service_id, at(start), Window(at(start), at(end)), seat, is_held)


def limits(shop: Calendar, now: str, *, notice: int = 0, horizon: int = 90) -> Limits:
    """What binds a client at ``now``."""
    return limits_for_clients(shop, now_at=at(now), min_notice_minutes=notice, max_days_ahead=horizon)


def offered(
    shop: Calendar,
    sought: Sought,
    *days: date,
    taken: tuple[Taken, ...] = (),
    now: str | None = None,
    notice: int = 0,
    horizon: int = 90,
    staff_id: UUID | None = None,
) -> list[Slot]:
    """The slots of ``days``; the clock stands 30 days before the first unless ``now`` says otherwise."""
    bound = limits(shop, now or _month_before(days[0]), notice=notice, horizon=horizon)
    return free_starts(shop, sought, taken, days=days, limits=bound, staff_id=staff_id)


def judged(
    shop: Calendar,
    sought: Sought,
    start: str,
    *,
    taken: tuple[Taken, ...] = (),
    now: str | None = None,
    notice: int = 0,
    horizon: int = 90,
    staff_id: UUID | None = None,
) -> Place | Reason:
    """What becomes of a booking at ``start``."""
    moment = now or _month_before(at(start).date())
    bound = limits(shop, moment, notice=notice, horizon=horizon)
    return judge(shop, sought, taken, at(start), limits=bound, staff_id=staff_id)


def starts(slots: list[Slot]) -> list[str]:
    """Their starts as ``HH:MMZ``."""
    return [f"{slot.start_at:%H:%M}Z" for slot in slots]


def local_starts(shop: Calendar, slots: list[Slot]) -> list[str]:
    """Their starts on the wall clock of the business, ``HH:MM``."""
    return [f"{slot.start_at.astimezone(shop.zone):%H:%M}" for slot in slots]


def _month_before(day: date) -> str:
    return f"{day - timedelta(days=30)}T12:00Z"
