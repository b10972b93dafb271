"""One-time codes: whom they are for, and in which language; the lane of its own keeps them fast."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from turnosya.contracts.users import FindByPhone, GetPeople, Person
from turnosya.runtime.clock import real_now
from turnosya.runtime.messages import Unavailable
from turnosya.services.notification import rules
from turnosya.services.notification.context import CODES
from turnosya.services.notification.store import deliveries as store

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from turnosya.contracts.auth import CodeRequested
    from turnosya.runtime.database import Transaction
    from turnosya.services.notification.context import Notification

log = structlog.get_logger()

# A code is worth more early in the asker's own language than late in the account's.
_LOOKUP_S = 2.0


async def send(notification: Notification, event: CodeRequested) -> None:
    """Queues the code, unless it has expired or may not be sent to this number."""
    address = event.email if event.channel == "email" else event.phone
    if address is None or rules.has_expired(event.expires_at, real_now=real_now()):
        log.info(
            "code_not_sent", challenge_id=str(event.challenge_id), why="expired" if address else "no_address"
        )
        return
    person = await _owner_of(notification, event)
    if not rules.may_send_code(event.purpose, known=person is not None):
        log.info("code_not_sent", challenge_id=str(event.challenge_id), why="unknown_number")
        return
    contact = rules.Contact(
        user_id=person.id if person else event.user_id,
        name=person.name if person else "",
        phone=event.phone or (person.phone if person else None),
        email=event.email or (person.email if person else None),
        locale=rules.language(person.locale if person else event.locale),
    )
    ways = rules.ways_of_code(event.purpose, event.channel, contact)
    new = store.NewDelivery(
        # Not the event's id: a code is sent once per sending, even if auth told it twice.
        occasion=f"{event.challenge_id}/{event.send}",
        template="code_requested",
        reader="person",
        contact=contact,
        channel=event.channel,
        address=address,
        ways=ways[1:],
        fallback_at=_falls_back_at(notification, ways),
        lane=CODES,
        facts={"purpose": event.purpose},
        data={"purpose": event.purpose},
        sealed=notification.bus.encode(event).body,
        expires_at=event.expires_at,
    )
    async with notification.db.transaction() as tx:
        within = await _is_within_budget(notification, tx, known=person is not None)
        await store.add(tx, [new if within else replace(new, refused="daily_budget")])
    notification.wake(CODES)


def _falls_back_at(notification: Notification, ways: Sequence[rules.Way]) -> datetime | None:
    """Counted from now: a provider that is down is one that does not deliver."""
    if len(ways) == 1 or not notification.providers.serves(ways[0][0]):
        return None
    return real_now() + timedelta(seconds=notification.settings.code_fallback_s)


async def _is_within_budget(notification: Notification, tx: Transaction, *, known: bool) -> bool:
    """Counts a code that is sent. Applied here and never an answer: what a flood gets is silence."""
    if not notification.limited:
        return True
    most = rules.codes_a_day(notification.settings.codes_a_day, known=known)
    within = await store.count_code(tx, day=real_now().date(), most=most)
    if not within:
        log.error("codes_of_the_day_are_used_up", most=most)
    return within


async def _owner_of(notification: Notification, event: CodeRequested) -> Person | None:
    """The account the code is for. With users away, None where the answer would only tell the language."""
    try:
        if event.user_id is not None:
            found = await notification.bus.call(GetPeople(ids=[event.user_id]), timeout_s=_LOOKUP_S)
        elif event.phone is not None:
            found = await notification.bus.call(FindByPhone(phone=event.phone), timeout_s=_LOOKUP_S)
        else:
            return None
    except Unavailable:
        if event.purpose == "password_reset":
            raise
        return None
    return found.people[0] if found.people else None
