"""What both sides of a turno are told when something happens to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from turnosya.contracts.turnos import (
    AppointmentBooked,
    AppointmentCancelled,
    AppointmentCompleted,
    AppointmentConfirmed,
    AppointmentExpired,
    AppointmentMissed,
    AppointmentMoved,
    AppointmentProposed,
    AppointmentRequested,
    AppointmentRestored,
    AppointmentUnplaced,
    ProposalDeclined,
    ProposalExpired,
    WaitlistOffered,
)
from turnosya.services.notification import reminders, rules, telling
from turnosya.services.notification.context import NEWS, occasion
from turnosya.services.notification.facts import facts_of, turno_data

if TYPE_CHECKING:
    from uuid import UUID

    from turnosya.services.notification.context import Notification

AppointmentEvent = (
    AppointmentBooked
    | AppointmentRequested
    | AppointmentConfirmed
    | AppointmentMoved
    | AppointmentCancelled
    | AppointmentExpired
    | AppointmentCompleted
    | AppointmentMissed
    | AppointmentProposed
    | AppointmentUnplaced
    | ProposalDeclined
    | ProposalExpired
    | AppointmentRestored
    | WaitlistOffered
)
_BY_NOBODY = (
    AppointmentExpired,
    AppointmentProposed,
    AppointmentUnplaced,
    ProposalDeclined,
    ProposalExpired,
    WaitlistOffered,
)
_UNTIL = (
    AppointmentRequested,
    AppointmentProposed,
    AppointmentUnplaced,
    ProposalDeclined,
    ProposalExpired,
    WaitlistOffered,
)


async def tell(notification: Notification, event: AppointmentEvent) -> None:
    """Queues one delivery for the client and one for the owner, each in their own language.

    One function for all events of a turno, so that one inbox line keeps them in order.
    """
    people, reach = await telling.people(
        notification, {event.appointment.owner_id, event.appointment.client_id}
    )
    client_name = rules.name_of_client(event.appointment, people)
    sides = rules.told_of(event.appointment, people)
    if isinstance(event, AppointmentCompleted) and event.by_itself:
        # The business did nothing, and has nothing to learn from it.
        sides = [side for side in sides if side[0] == "client"]
    if isinstance(event, AppointmentMoved) and event.together:
        # The owner reads of all that moved in one message.
        sides = [side for side in sides if side[0] == "client"]
    if isinstance(event, AppointmentCancelled) and event.suspended:
        # The owner reads that the business is taken off, and that its turnos are.
        sides = [side for side in sides if side[0] == "client"]
    readers = rules.TEMPLATES[rules.template_of(type(event).__name__)]
    sides = [side for side in sides if side[0] in readers]
    if isinstance(event, AppointmentBooked | AppointmentRequested) and event.in_series:
        # The series is told as one.
        sides = []
    told = [_told(event, reader, contact, client_name) for reader, contact in sides]
    async with notification.db.transaction() as tx:
        channels = await telling.queue(tx, told, reach)
        if not isinstance(event, WaitlistOffered):
            # What somebody waits for is not booked yet.
            await reminders.keep(notification, tx, event.appointment, reach)
    notification.wake(NEWS, channels)


def _told(
    event: AppointmentEvent, reader: rules.Reader, contact: rules.Contact, client_name: str
) -> telling.Told:
    appointment = event.appointment
    return telling.Told(
        occasion=occasion(),
        template=rules.template_of(type(event).__name__),
        reader=reader,
        contact=contact,
        about_user_id=appointment.client_id if reader == "owner" else None,
        facts={
            "name": contact.name,
            "client_name": client_name,
            "by": rules.doer(reader, _actor_id(event), appointment),
            **_facts(event),
        },
        data={**turno_data(appointment), **_links(event)},
    )


def _actor_id(event: AppointmentEvent) -> UUID | None:
    if isinstance(event, _BY_NOBODY) or (isinstance(event, AppointmentCancelled) and event.suspended):
        return None
    return event.actor_id


def _facts(event: AppointmentEvent) -> dict[str, Any]:
    appointment = event.appointment
    facts = facts_of(appointment)
    if isinstance(event, AppointmentMoved):
        facts["previous_when"] = event.previous_starts_at.isoformat()
        facts["links"] = None
    elif isinstance(event, AppointmentCancelled | AppointmentProposed | AppointmentUnplaced):
        facts["reason"] = event.reason
    if isinstance(event, AppointmentRestored):
        facts["requested"] = appointment.status == "pending"
    if isinstance(event, _UNTIL):
        facts["expires"] = event.expires_at.isoformat()
    if isinstance(event, AppointmentProposed):
        facts["offered"] = event.starts_at.isoformat()
        facts["offered_staff_name"] = event.staff_name
    return {**facts, **_links(event)}


def _links(event: AppointmentEvent) -> dict[str, Any]:
    """The addresses that answer an event, if it asks anything."""
    if isinstance(event, AppointmentProposed):
        return {"links": event.links.model_dump(), "proposal_id": str(event.proposal_id)}
    if isinstance(event, AppointmentUnplaced | ProposalDeclined | ProposalExpired | WaitlistOffered):
        return {"links": event.links.model_dump()}
    if isinstance(event, AppointmentMoved) and event.links is not None:
        return {"links": event.links.model_dump()}
    return {}
