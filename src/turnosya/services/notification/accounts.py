"""What people are told about their account: that it exists, who came in, which sessions ended."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from turnosya.contracts.auth import NOT_ME
from turnosya.contracts.users import CONFIRM_EMAIL, UNDO_PHONE_CHANGE, GetPeople, Person, UserRegistered
from turnosya.services.notification import rules
from turnosya.services.notification.context import occasion
from turnosya.services.notification.store import deliveries as store
from turnosya.services.notification.telling import Told, tell

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from turnosya.contracts.auth import SessionsEnded, SignedIn
    from turnosya.contracts.users import EmailConfirmationRequested, PhoneChanged
    from turnosya.services.notification.context import Notification

# Messages are read late; a session lives longer still, but by then it is in the list of devices.
_NOT_ME_FOR = timedelta(days=7)


async def welcome(notification: Notification, event: UserRegistered) -> None:
    """The account is ready."""
    await _tell(notification, event.person, "user_registered", facts={}, data={})


async def signed_in(notification: Notification, event: SignedIn) -> None:
    """Somebody came in with the password and a code, from this device."""
    person = await _find(notification, event.user_id)
    if person is not None:
        link = store.Link(NOT_ME, f"{event.user_id}_{event.session_id}", event.at + _NOT_ME_FOR)
        data = {"session_id": str(event.session_id)}
        facts = {"device_name": event.device_name}
        await _tell(notification, person, "signed_in", facts=facts, data=data, link=link)


async def phone_changed(notification: Notification, event: PhoneChanged) -> None:
    """Told on the former number: whoever holds it may take it back."""
    person = await _find(notification, event.user_id)
    if person is not None:
        former = person.model_copy(update={"phone": event.previous_phone})
        link = store.Link(UNDO_PHONE_CHANGE, str(event.change_id), event.undo_until)
        way: rules.Way = ("whatsapp", event.previous_phone)
        await _tell(notification, former, "phone_changed", facts={}, data={}, link=link, only=way)


async def confirm_email(notification: Notification, event: EmailConfirmationRequested) -> None:
    """Sent to the address itself and nowhere else; nothing if it is another one by now."""
    person = await _find(notification, event.user_id)
    if person is not None and person.email == event.email:
        link = store.Link(CONFIRM_EMAIL, str(event.confirmation_id), event.expires_at)
        way: rules.Way = ("email", event.email)
        await _tell(
            notification, person, "email_confirmation_requested", facts={}, data={}, link=link, only=way
        )


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
    link: store.Link | None = None,
    only: rules.Way | None = None,
) -> None:
    contact = rules.contact_of(person)
    told = Told(
        occasion=occasion(),
        template=template,
        reader="person",
        contact=contact,
        facts={"name": contact.name, **facts},
        data=data,
        links={} if link is None else {"link": link},
        expires_at=None if link is None else link.expires_at,
        only=only,
        about_account=True,
    )
    await tell(notification, [told], {})
