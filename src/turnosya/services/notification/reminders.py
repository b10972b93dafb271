"""Reminders: planned when a turno is told of, looked at again when they are due, queued once.

One job pages through all that is due (never a job a reminder); it is asked for at the instant of the next
one, and again a minute later in case the run fails.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import structlog

from turnosya.contracts.notification import AskForReminders, SendReminders
from turnosya.contracts.turnos import CANCEL_TURNO, COMING, Appointment, AppointmentAnchored
from turnosya.contracts.users import NotificationSettings, NotificationSettingsChanged, Person, Reach
from turnosya.runtime.messages import Nothing
from turnosya.services.notification import agendas, rules, telling, timing, wakes
from turnosya.services.notification.context import NEWS
from turnosya.services.notification.facts import facts_of, turno_data
from turnosya.services.notification.store import deliveries as delivery_store
from turnosya.services.notification.store import reminders as store

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from turnosya.runtime.database import Transaction
    from turnosya.services.notification.context import Notification

log = structlog.get_logger()

_PAGE = telling.PEOPLE_AT_ONCE
# A run ends long before the lease of its job does; what is left is asked for at once.
_PAGES = 40
_SAFETY = timedelta(minutes=1)


async def keep(
    notification: Notification, tx: Transaction, appointment: Appointment, reach: Mapping[UUID, Reach]
) -> None:
    """Goes by a turno as an event tells it: its reminders, and the agendas of its business's owner."""
    times = _times(notification, appointment, _settings(appointment, reach))
    followed = await store.keep(tx, appointment, times)
    if followed is None:
        return
    next_at = await agendas.follow(notification, tx, appointment, followed)
    await wakes.ask_by(tx, [*times.values(), *next_at])


def _settings(appointment: Appointment, reach: Mapping[UUID, Reach]) -> NotificationSettings:
    found = None if appointment.client_id is None else reach.get(appointment.client_id)
    return NotificationSettings() if found is None else found.settings


def _times(
    notification: Notification, appointment: Appointment, settings: NotificationSettings
) -> dict[int, datetime]:
    is_reminded = appointment.status == "confirmed" and (
        appointment.client_id is not None or appointment.client_phone is not None
    )
    minutes = settings.reminder_minutes_before if is_reminded else []
    return timing.reminder_times(appointment.starts_at, minutes, now=notification.clock.now())


async def anchored(notification: Notification, event: AppointmentAnchored) -> None:
    """The same wall time is another instant: nobody is told, and the reminders move."""
    _, reach = await telling.people(notification, {event.appointment.client_id})
    async with notification.db.transaction() as tx:
        await keep(notification, tx, event.appointment, reach)


async def chosen(notification: Notification, event: NotificationSettingsChanged) -> None:
    """Somebody wants to be reminded at other times: of what they have booked already, too."""
    async with notification.db.transaction() as tx:
        await store.alone(tx)
        for appointment in await store.turnos_of_client(tx, event.user_id, now=notification.clock.now()):
            await store.plan(tx, appointment.id, _times(notification, appointment, event.settings))
        await wakes.ask_for_next(tx)


async def ask_again(notification: Notification, _request: AskForReminders) -> Nothing:
    """The hourly job: asks for the one that sends, which may have been lost with the data of jobs."""
    async with notification.db.transaction() as tx:
        await wakes.ask_for_next(tx, anyway=True)
    return Nothing()


async def send_due(notification: Notification, _request: SendReminders) -> Nothing:
    """The job: first asks for its next run, then queues what is due, then asks for it more exactly."""
    async with notification.db.transaction() as tx:
        await tx.publish(wakes.job(notification.clock.now() + _SAFETY))
    for _ in range(_PAGES):
        if not await _send_page(notification):
            break
    await agendas.send_due(notification)
    async with notification.db.transaction() as tx:
        await wakes.ask_for_next(tx, anyway=True)
    return Nothing()


async def _send_page(notification: Notification) -> bool:
    """Queues a page of what is due; whether there was any of it."""
    now = notification.clock.now()
    async with notification.db.read() as tx:
        clients = await store.concerned(tx, now=now, limit=_PAGE)
    if not clients:
        return False
    people, reach = await telling.people(notification, set(clients))
    known = {person.id: person for person in people}
    async with notification.db.transaction() as tx:
        dues = [
            due
            for due in await store.take_due(tx, now=now, limit=_PAGE)
            # What has become due meanwhile, of somebody who was not asked for, is on the next page.
            if due.concerned_id in clients
        ]
        told: list[telling.Told] = []
        over: list[store.Due] = []
        for due in dues:
            settings = _settings(Appointment.model_validate(due.appointment), reach)
            until = timing.after_quiet(now, settings.quiet_hours, due.appointment["business_timezone"])
            if now < until < due.starts_at:
                await store.put_off(tx, due, until)
                continue
            over.append(due)
            if until == now and _is_wanted(due, dues, settings, now):
                told += _told(due, known, settings, now=now)
        await store.done(tx, over)
        await telling.queue(tx, told, reach)
    notification.wake(NEWS)
    log.info("reminders_queued", count=len(told), left_out=len(over) - len(told))
    return bool(dues)


def _is_wanted(due: store.Due, dues: list[store.Due], settings: NotificationSettings, now: datetime) -> bool:
    """Still booked, still to come, still asked for; of several due at once the latest says it all."""
    is_latest = all(
        due.minutes_before <= other.minutes_before
        for other in dues
        if other.appointment_id == due.appointment_id
    )
    is_asked_for = due.minutes_before in settings.reminder_minutes_before
    return due.status == "confirmed" and now < due.starts_at and is_asked_for and is_latest


def _told(
    due: store.Due, known: Mapping[UUID, Person], settings: NotificationSettings, *, now: datetime
) -> list[telling.Told]:
    appointment = Appointment.model_validate(due.appointment)
    contact = _contact(appointment, known)
    if contact is None:
        return []
    facts = {**facts_of(appointment), "name": contact.name, "client_name": contact.name}
    links = {
        name: delivery_store.Link(to, str(appointment.id), appointment.starts_at)
        for name, to in (("coming", COMING), ("cancel", CANCEL_TURNO))
    }
    return [
        telling.Told(
            # The same turno at the same time is reminded of once, so many minutes before.
            occasion=f"{appointment.id}/{appointment.starts_at.isoformat()}/{due.minutes_before}",
            template="appointment_reminder",
            reader="client",
            contact=contact,
            facts=facts,
            data={**turno_data(appointment), "minutes_before": due.minutes_before},
            links=links,
            turno=(appointment.id, appointment.starts_at),
            # A channel may be stopped for hours.
            quiet=timing.next_quiet(now, settings.quiet_hours, appointment.business_timezone),
        )
    ]


def _contact(appointment: Appointment, known: Mapping[UUID, Person]) -> rules.Contact | None:
    if appointment.client_id is not None:
        person = known.get(appointment.client_id)
        return None if person is None else rules.contact_of(person)
    if appointment.client_phone is None:
        return None
    # Written to in the language of the business's owner, as in all that they are told.
    owner = known.get(appointment.owner_id)
    locale = rules.language(owner.locale if owner else "es")
    return rules.Contact(None, appointment.client_name or "", appointment.client_phone, None, locale)
