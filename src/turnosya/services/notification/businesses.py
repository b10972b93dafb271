"""What an owner is told about their business by those who run TurnosYa, and a client who was there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from turnosya.contracts.business import BusinessSuspended, RatingInvited, SuspensionLifted
from turnosya.services.notification import rules, telling
from turnosya.services.notification.context import occasion
from turnosya.services.notification.telling import Told

if TYPE_CHECKING:
    from turnosya.services.notification.context import Notification

BusinessEvent = BusinessSuspended | SuspensionLifted


async def tell(notification: Notification, event: BusinessEvent) -> None:
    """Queues one delivery for the owner."""
    people, reach = await telling.people(notification, {event.owner_id})
    told = [
        Told(
            occasion=occasion(),
            template=rules.template_of(type(event).__name__),
            reader="owner",
            contact=rules.contact_of(owner),
            facts={"name": owner.name, "business_name": event.business_name, **_facts(event)},
            data={"business_id": str(event.business_id)},
        )
        for owner in people
    ]
    await telling.tell(notification, told, reach)


async def invite(notification: Notification, event: RatingInvited) -> None:
    """Queues one delivery for the client."""
    people, reach = await telling.people(notification, {event.client_id})
    told = [
        Told(
            occasion=occasion(),
            template="rating_invited",
            reader="client",
            contact=rules.contact_of(client),
            facts={"name": client.name, "business_name": event.business_name},
            data={"business_id": str(event.business_id), "appointment_id": str(event.appointment_id)},
        )
        for client in people
    ]
    await telling.tell(notification, told, reach)


def _facts(event: BusinessEvent) -> dict[str, Any]:
    return {"reason": event.reason} if isinstance(event, BusinessSuspended) else {}
