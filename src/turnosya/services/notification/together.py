"""What is told of several turnos at once: one message that lists them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from turnosya.contracts.turnos import AgendaRearranged, Appointment, SeriesBooked
from turnosya.contracts.users import GetPeople, Person
from turnosya.services.notification import rules, store
from turnosya.services.notification.context import NEWS, occasion

if TYPE_CHECKING:
    from turnosya.services.notification.context import Notification


async def tell_of_series(notification: Notification, event: SeriesBooked) -> None:
    """Queues one delivery for the client and one for the owner, with every date of the series."""
    first = event.appointments[0]
    people = await _people(notification, {first.owner_id, first.client_id})
    facts = {
        **_common(first),
        "client_name": rules.name_of_client(first, people),
        "service_name": first.service_name,
        "requested": first.status == "pending",
        "turnos": [
            {"when": one.starts_at.isoformat(), "staff_name": one.staff_name} for one in event.appointments
        ],
    }
    data = {
        **_data(first, event.appointments),
        "series_id": str(event.series_id),
        "status": first.status,
    }
    news: list[store.NewDelivery] = []
    for reader, contact in rules.told_of(first, people):
        about = first.client_id if reader == "owner" else None
        found = _delivery("series_booked", reader, contact, facts=facts, data=data)
        news += [replace(found, about_user_id=about)] if found is not None else []
    async with notification.db.transaction() as tx:
        await store.add(tx, news)
    notification.wake(NEWS)


async def tell_of_rearranged(notification: Notification, event: AgendaRearranged) -> None:
    """Queues one delivery for the owner; each client was told of their own turno.

    It names no client: an erased person must not be found in a list of many.
    """
    first = event.moves[0].appointment
    people = await _people(notification, {event.owner_id})
    facts = {
        **_common(first),
        "by": "you" if event.actor_id == event.owner_id else "business",
        "reason": event.reason,
        "turnos": [
            {
                "previous_when": move.previous_starts_at.isoformat(),
                "when": move.appointment.starts_at.isoformat(),
                "service_name": move.appointment.service_name,
                "staff_name": move.appointment.staff_name,
                "previous_staff_name": move.previous_staff_name,
            }
            for move in event.moves
        ],
    }
    data = _data(first, [move.appointment for move in event.moves])
    news = [
        _delivery("agenda_rearranged", "owner", rules.contact_of(person), facts=facts, data=data)
        for person in people
    ]
    async with notification.db.transaction() as tx:
        await store.add(tx, [new for new in news if new is not None])
    notification.wake(NEWS)


async def _people(notification: Notification, ids: set[Any]) -> list[Person]:
    return (await notification.bus.call(GetPeople(ids=[one for one in ids if one is not None]))).people


def _common(appointment: Appointment) -> dict[str, Any]:
    return {
        "business_name": appointment.business_name,
        "address_line": appointment.address_line,
        "timezone": appointment.business_timezone,
    }


def _data(first: Appointment, appointments: list[Appointment]) -> dict[str, Any]:
    zone = ZoneInfo(first.business_timezone)
    return {
        "business_id": str(first.business_id),
        "appointment_ids": [str(one.id) for one in appointments],
        "starts_at": first.starts_at.astimezone(zone).isoformat(),
    }


def _delivery(
    template: str,
    reader: rules.Reader,
    contact: rules.Contact,
    *,
    facts: dict[str, Any],
    data: dict[str, Any],
) -> store.NewDelivery | None:
    way = rules.route(contact)
    if way is None:
        return None
    return store.NewDelivery(
        occasion=occasion(),
        template=template,
        reader=reader,
        contact=contact,
        channel=way[0],
        address=way[1],
        lane=NEWS,
        facts={**facts, "name": contact.name},
        data=data,
    )
