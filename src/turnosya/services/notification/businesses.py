"""What an owner is told about their business by those who run TurnosYa, and a client who was there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from turnosya.contracts.business import (
    BusinessSuspended,
    RatingInvited,
    RatingRemoved,
    SuspensionLifted,
    VerificationApproved,
    VerificationEndedByName,
    VerificationExpired,
    VerificationExpiring,
    VerificationRejected,
    VerificationRequested,
    VerificationRevoked,
)
from turnosya.services.notification import rules, telling
from turnosya.services.notification.context import occasion
from turnosya.services.notification.telling import Told

if TYPE_CHECKING:
    from turnosya.services.notification.context import Notification

BusinessEvent = (
    BusinessSuspended
    | SuspensionLifted
    | VerificationRequested
    | VerificationApproved
    | VerificationRejected
    | VerificationExpiring
    | VerificationExpired
    | VerificationRevoked
    | VerificationEndedByName
)


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
    data = {"business_id": str(event.business_id), "appointment_id": str(event.appointment_id)}
    await _tell_client(notification, event, data=data)


async def removed(notification: Notification, event: RatingRemoved) -> None:
    """Queues one delivery for who gave it."""
    data = {"business_id": str(event.business_id)}
    await _tell_client(notification, event, data=data, reason=event.reason)


async def _tell_client(
    notification: Notification, event: RatingInvited | RatingRemoved, *, data: dict[str, Any], **facts: str
) -> None:
    people, reach = await telling.people(notification, {event.client_id})
    told = [
        Told(
            occasion=occasion(),
            template=rules.template_of(type(event).__name__),
            reader="client",
            contact=rules.contact_of(client),
            facts={"name": client.name, "business_name": event.business_name, **facts},
            data=data,
        )
        for client in people
    ]
    await telling.tell(notification, told, reach)


def _facts(event: BusinessEvent) -> dict[str, Any]:
    match event:
        case BusinessSuspended() | VerificationRejected() | VerificationRevoked():
            return {"reason": event.reason}
        case VerificationApproved() | VerificationExpiring():
            return {"until": event.expires_on.isoformat()}
        case VerificationEndedByName():
            return {"former_name": event.former_name}
        case _:
            return {}
