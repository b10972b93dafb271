"""Finds the messages of one person, whichever of their addresses one knows (development only)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

import structlog

from turnosya.contracts.users import FindByPhone, GetPeople, People
from turnosya.runtime.messages import Unavailable
from turnosya.runtime.phones import canonical
from turnosya.services.notification.store import deliveries as store

if TYPE_CHECKING:
    from collections.abc import Sequence

    from turnosya.contracts.users import Person
    from turnosya.services.notification.context import Notification

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Sought:
    """All that the messages of one person may carry."""

    user_ids: Sequence[UUID] = ()
    phones: Sequence[str] = ()
    emails: Sequence[str] = ()


async def messages(notification: Notification, to: str | None, *, limit: int) -> list[store.ShownMessage]:
    """The newest messages: all, or those to the person with this number, e-mail or user id."""
    if to is None:
        async with notification.db.read() as tx:
            return await store.shown(tx, limit=limit)
    sought = await _sought(notification, to)
    async with notification.db.read() as tx:
        return await store.shown_to(
            tx, user_ids=sought.user_ids, phones=sought.phones, emails=sought.emails, limit=limit
        )


async def _sought(notification: Notification, to: str) -> Sought:
    if "@" in to:
        email = to.strip().lower()
        async with notification.db.read() as tx:
            user_ids = await store.users_with_email(tx, email)
        return _with(
            Sought(user_ids=user_ids, emails=[email]), await _people(notification, GetPeople(ids=user_ids))
        )
    if re.fullmatch(r"[0-9a-fA-F-]{36}", to.strip()):
        try:
            user_id = UUID(to.strip())
        except ValueError:
            return Sought()
        return _with(Sought(user_ids=[user_id]), await _people(notification, GetPeople(ids=[user_id])))
    phone = phone_in(to)
    if phone is None:
        return Sought()
    return _with(Sought(phones=[phone]), await _people(notification, FindByPhone(phone=phone)))


def _with(sought: Sought, people: Sequence[Person]) -> Sought:
    return Sought(
        user_ids=[*sought.user_ids, *(person.id for person in people)],
        phones=[*sought.phones, *(person.phone for person in people)],
        emails=[*sought.emails, *(person.email.lower() for person in people if person.email)],
    )


async def _people(notification: Notification, request: GetPeople | FindByPhone) -> Sequence[Person]:
    if isinstance(request, GetPeople) and not request.ids:
        return ()
    try:
        found: People = await notification.bus.call(request)
    except Unavailable:
        # Still shows what carries the very address that was asked for.
        log.info("inquiry_without_users")
        return ()
    return found.people


def phone_in(to: str) -> str | None:
    """The number meant, E.164: a ``+`` may have been decoded as a space, or left out."""
    for spelling in ("+" + to.strip() if to.startswith(" ") else to.strip(), "+" + to.strip()):
        try:
            return canonical(spelling)
        except ValueError:
            continue
    return None
