"""What owners get of their own business: the agenda of each day, the summary of a week, when they choose."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID
from zoneinfo import ZoneInfo

from turnosya.services.notification import rules, telling, timing, wakes
from turnosya.services.notification.context import NEWS
from turnosya.services.notification.store import reminders as store
from turnosya.services.notification.store.reminders import Agenda, AgendaTimes, Followed

if TYPE_CHECKING:
    from turnosya.contracts.turnos import Appointment
    from turnosya.contracts.users import Person
    from turnosya.runtime.database import Transaction
    from turnosya.services.notification.context import Notification

DAILY, WEEKLY = "daily", "weekly"
_PAGE = 50
_PAGES = 100
# A message is read on a phone.
_LISTED = 60


async def follow(
    notification: Notification, tx: Transaction, appointment: Appointment, followed: Followed
) -> list[datetime]:
    """A business that has turnos has an owner who wants to know of them: when, where that is news."""
    now = notification.clock.now()
    found: list[Agenda] = []
    for kind in (DAILY, WEEKLY):
        next_at = _next(kind, followed.times, appointment.business_timezone, now)
        known = followed.next_at[kind]
        if next_at is not None and (known is None or next_at < known):
            found.append(
                Agenda(
                    appointment.business_id,
                    kind,
                    appointment.owner_id,
                    appointment.business_timezone,
                    next_at,
                )
            )
    await store.follow(tx, found)
    return [agenda.next_at for agenda in found]


def _next(kind: str, times: AgendaTimes, timezone: str, now: datetime) -> datetime | None:
    if kind == DAILY:
        return None if times.daily_at is None else timing.next_daily(times.daily_at, timezone, now=now)
    if times.weekly_at is None:
        return None
    return timing.next_weekly(times.weekly_at, times.weekday, timezone, now=now)


async def times_of(notification: Notification, owner_id: UUID) -> AgendaTimes:
    """When somebody gets them, or would if they had a business."""
    async with notification.db.read() as tx:
        return (await store.agenda_times(tx, [owner_id])).get(owner_id, AgendaTimes())


async def choose(notification: Notification, owner_id: UUID, times: AgendaTimes) -> None:
    """From now on they come then, for every business that has had turnos lately."""
    now = notification.clock.now()
    async with notification.db.transaction() as tx:
        await store.alone(tx)
        await store.choose_times(tx, owner_id, times)
        for business_id, timezone in await store.businesses_of(tx, owner_id):
            for kind in (DAILY, WEEKLY):
                next_at = _next(kind, times, timezone, now)
                await store.put_agenda(tx, Agenda(business_id, kind, owner_id, timezone, now), next_at)
        await wakes.ask_for_next(tx)


async def send_due(notification: Notification) -> None:
    """Queues what is due; of days that have gone by unseen only the last counts."""
    for _ in range(_PAGES):
        now = notification.clock.now()
        async with notification.db.read() as tx:
            due = await store.agendas_due(tx, now=now, limit=_PAGE)
        if not due:
            return
        people, reach = await telling.people(notification, {one.owner_id for one in due})
        known = {person.id: person for person in people}
        async with notification.db.transaction() as tx:
            chosen = await store.agenda_times(tx, list({one.owner_id for one in due}))
            for agenda in due:
                times = chosen.get(agenda.owner_id, AgendaTimes())
                next_at = _next(agenda.kind, times, agenda.timezone, now)
                if await store.move_agenda(tx, agenda, next_at) and agenda.owner_id in known:
                    told = await _told(tx, agenda, times, known[agenda.owner_id], now=now)
                    await telling.queue(tx, told, reach)
        notification.wake(NEWS)


async def _told(
    tx: Transaction, agenda: Agenda, times: AgendaTimes, owner: Person, *, now: datetime
) -> list[telling.Told]:
    zone = ZoneInfo(agenda.timezone)
    today = now.astimezone(zone).date()
    midnight = datetime.combine(today, datetime.min.time(), zone)
    todays = _next(agenda.kind, times, agenda.timezone, midnight.astimezone(UTC) - timedelta(microseconds=1))
    if todays is None or todays > now:
        return []
    contact = rules.contact_of(owner)
    if agenda.kind == DAILY:
        turnos = await store.turnos_between(tx, agenda.business_id, midnight, midnight + timedelta(days=1))
        turnos = [one for one in turnos if one.status in ("confirmed", "pending")]
        facts = _daily(turnos) if turnos else None
    else:
        week = timedelta(days=timing.DAYS_OF_WEEK)
        before = await store.turnos_between(tx, agenda.business_id, midnight - week, midnight)
        after = await store.turnos_between(tx, agenda.business_id, midnight, midnight + week)
        facts = _weekly(before, after) if before or after else None
    if facts is None:
        # Nothing to do is no news.
        return []
    return [
        telling.Told(
            occasion=f"{agenda.business_id}/{agenda.kind}/{today.isoformat()}",
            template="daily_agenda" if agenda.kind == DAILY else "weekly_summary",
            reader="owner",
            contact=contact,
            facts={**facts, "name": contact.name, "timezone": agenda.timezone},
            data={"business_id": str(agenda.business_id), "date": today.isoformat()},
        )
    ]


def _daily(turnos: list[Appointment]) -> dict[str, Any]:
    """Names no client: an erased person must not be found in a list of many."""
    return {
        "business_name": turnos[0].business_name,
        "count": len(turnos),
        "when": turnos[0].starts_at.isoformat(),
        "more": max(0, len(turnos) - _LISTED),
        "turnos": [
            {
                "when": one.starts_at.isoformat(),
                "service_name": one.service_name,
                "staff_name": one.staff_name,
                "pending": one.status == "pending",
            }
            for one in turnos[:_LISTED]
        ],
    }


def _weekly(before: list[Appointment], after: list[Appointment]) -> dict[str, Any]:
    states = Counter(one.status for one in before)
    return {
        "business_name": (before or after)[0].business_name,
        "completed": states["completed"],
        "missed": states["no_show"],
        "cancelled": states["cancelled"],
        "coming": sum(one.status in ("confirmed", "pending") for one in after),
    }
