"""What is told of several turnos at once: one message that lists them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from turnosya.contracts.turnos import AgendaRearranged, Appointment, SeriesBooked
from turnosya.services.notification import rules, telling
from turnosya.services.notification.context import occasion
from turnosya.services.notification.telling import Told

if TYPE_CHECKING:
    from turnosya.services.notification.context import Notification


async def tell_of_series(notification: Notification, event: SeriesBooked) -> None:
    """Queues one delivery for the client and one for the owner, with every date of the series."""
    first = event.appointments[0]
    people, reach = await telling.people(notification, {first.owner_id, first.client_id})
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
    told = [
        Told(
            occasion=occasion(),
            template="series_booked",
            reader=reader,
            contact=contact,
            facts={**facts, "name": contact.name},
            data=data,
            about_user_id=first.client_id if reader == "owner" else None,
        )
        for reader, contact in rules.told_of(first, people)
    ]
    await telling.tell(notification, told, reach)


async def tell_of_rearranged(notification: Notification, event: AgendaRearranged) -> None:
    """Queues one delivery for the owner; each client was told of their own turno.

    It names no client: an erased person must not be found in a list of many.
    """
    first = event.moves[0].appointment
    people, reach = await telling.people(notification, {event.owner_id})
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
    told = [
        Told(
            occasion=occasion(),
            template="agenda_rearranged",
            reader="owner",
            contact=rules.contact_of(person),
            facts={**facts, "name": person.name},
            data=data,
        )
        for person in people
    ]
    await telling.tell(notification, told, reach)


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
