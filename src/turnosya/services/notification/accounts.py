"""What people are told about their account: that it exists, who came in, which sessions ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from turnosya.contracts.users import GetPeople, Person, UserRegistered
from turnosya.services.notification import rules, store
from turnosya.services.notification.context import NEWS, occasion

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from turnosya.contracts.auth import SessionsEnded, SignedIn
    from turnosya.services.notification.context import Notification


async def welcome(notification: Notification, event: UserRegistered) -> None:
    """The account is ready."""
    await _tell(notification, event.person, "user_registered", facts={}, data={})


async def signed_in(notification: Notification, event: SignedIn) -> None:
    """Somebody came in with the password and a code, from this device."""
    person = await _find(notification, event.user_id)
    if person is not None:
        data = {"session_id": str(event.session_id)}
        await _tell(notification, person, "signed_in", facts={"device_name": event.device_name}, data=data)


async def sessions_ended(notification: Notification, event: SessionsEnded) -> None:
    """Sessions ended for the person's safety; who was erased is not written to."""
    person = None if event.reason == "erased" else await _find(notification, event.user_id)
    if person is not None:
        reason = {"reason": event.reason}
        await _tell(notification, person, "sessions_ended", facts=reason, data=reason)


async def _find(notification: Notification, user_id: UUID) -> Person | None:
    found = await notification.bus.call(GetPeople(ids=[user_id]))
    return found.people[0] if found.people else None


async def _tell(
    notification: Notification,
    person: Person,
    template: str,
    *,
    facts: Mapping[str, Any],
    data: Mapping[str, Any],
) -> None:
    contact = rules.contact_of(person)
    way = rules.route(contact)
    if way is None:
        return
    new = store.NewDelivery(
        occasion=occasion(),
        template=template,
        reader="person",
        contact=contact,
        channel=way[0],
        address=way[1],
        lane=NEWS,
        facts={"name": contact.name, **facts},
        data=data,
    )
    async with notification.db.transaction() as tx:
        await store.add(tx, [new])
    notification.wake(NEWS)
