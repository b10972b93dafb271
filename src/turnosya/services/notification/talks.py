"""Who is not there is told that somebody has written to them; what was written stays in the conversation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from turnosya.contracts.chat import MessageWaiting
from turnosya.services.notification import rules, telling
from turnosya.services.notification.context import occasion
from turnosya.services.notification.telling import Told

if TYPE_CHECKING:
    from turnosya.services.notification.context import Notification


async def tell(notification: Notification, event: MessageWaiting) -> None:
    """Queues one delivery; chat says so once until they have read."""
    sender_id = None if event.from_business else event.sender_id
    people, reach = await telling.people(notification, {event.user_id, sender_id})
    known = {person.id: person for person in people}
    reader = known.get(event.user_id)
    if reader is None:
        return
    sender = known.get(sender_id) if sender_id is not None else None
    told = Told(
        occasion=occasion(),
        template="message_waiting",
        reader="client" if event.from_business else "owner",
        contact=rules.contact_of(reader),
        facts={
            "name": reader.name,
            "business_name": event.business_name,
            "client_name": sender.name if sender is not None else "",
        },
        data={"conversation_id": str(event.conversation_id), "business_id": str(event.business_id)},
        about_user_id=sender_id,
    )
    await telling.tell(notification, [told], reach)
