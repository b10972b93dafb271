"""Erasing an account: gone here at once, told to every service, remembered until all have confirmed.

All are told twice: at once, and again when no token of the person can be good any longer, for a request
that was under way at the first time may have left something. What was not confirmed is told again.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import structlog

from turnosya.contracts.auth import AccessChanged, EndSessions
from turnosya.contracts.users import CredentialsInvalid, Forgotten, PersonErased, TellErasuresAgain
from turnosya.runtime.clock import real_now
from turnosya.runtime.ids import new_id
from turnosya.runtime.messages import Nothing, Unavailable
from turnosya.services.users.audit import noted
from turnosya.services.users.credentials import prove
from turnosya.services.users.store import accounts, erasures
from turnosya.services.users.store.erasures import Erasure

if TYPE_CHECKING:
    from turnosya.runtime.database import Transaction
    from turnosya.services.users.context import Users

log = structlog.get_logger()

HOLDS: Mapping[str, str] = {
    "people": "exported; deleted at once",
    "blocks": "goes with the person: nobody is left to be kept out",
    "notification_settings": "exported; goes with the person",
    "devices": "exported; goes with the person",
    "phone_changes": "exported; goes with the person",
    "email_confirmations": "exported; goes with the person",
    "erasures": "the id alone, until all services have confirmed",
}
"""Every table with a column that names a person, and what becomes of it."""

ERASED = "erased"
WAITED_FOR = ("auth", "business", "turnos", "notification", "chat", "files")
"""Who must confirm; auth by answering, the others by their ``PersonForgotten``."""
# The life of an access token, and a minute for clocks and for what was on its way.
TOLD_AGAIN_AFTER = timedelta(minutes=16)


async def erase(users: Users, user_id: UUID, session_id: UUID, *, password: str) -> AccessChanged | None:
    """Deletes somebody's account and begins to have them forgotten everywhere. Raises CredentialsInvalid.

    The answer is as in ``change_password``.
    """
    account = await prove(users, user_id, password, session_id=session_id)
    now = real_now()
    event = PersonErased(user_id=user_id, key=str(new_id()))
    async with users.db.transaction() as tx:
        locked = await accounts.lock(tx, user_id)
        if locked is None or locked.password_hash != account.password_hash:
            raise CredentialsInvalid
        await erasures.begin(tx, Erasure(user_id, now, now, event.key, WAITED_FOR))
        await tx.publish(event)
        await tx.publish(noted(ERASED, user_id, actor_id=user_id, session_id=session_id))
    try:
        return await users.bus.call(_ending(event))
    except Unavailable:
        log.warning("sessions_end_later", user_id=str(user_id))
        return None


async def tell_auth(users: Users, event: PersonErased) -> None:
    """Ends what auth still has of them; its answer is its confirmation."""
    await users.bus.call(_ending(event))
    async with users.db.transaction() as tx:
        await _confirm(tx, event, "auth")


async def hear(users: Users, event: Forgotten) -> None:
    """A service has forgotten somebody."""
    async with users.db.transaction() as tx:
        await _confirm(tx, event, event.wire_name.partition(".")[0])


async def _confirm(tx: Transaction, event: Forgotten | PersonErased, service: str) -> None:
    left = await erasures.confirm(tx, event.user_id, service, key=event.key)
    if left is not None and not left.waiting_for and left.told_at > left.asked_at:
        await erasures.end(tx, event.user_id)
        await tx.publish(noted("erasure_completed", event.user_id))


async def tell_again(users: Users, _request: TellErasuresAgain) -> Nothing:
    """The job: tells of every erasure again that is not over and was told of long enough ago."""
    now = real_now()
    async with users.db.transaction() as tx:
        for due in await erasures.take_due(tx, told_before=now - TOLD_AGAIN_AFTER):
            if due.waiting_for:
                log.warning("erasure_not_confirmed", user_id=str(due.user_id), by=list(due.waiting_for))
            event = PersonErased(user_id=due.user_id, key=str(new_id()))
            await erasures.tell_again(tx, due.user_id, key=event.key, at=now, waiting_for=WAITED_FOR)
            await tx.publish(event)
    return Nothing()


def _ending(event: PersonErased) -> EndSessions:
    return EndSessions(user_id=event.user_id, reason=ERASED, key=event.key)
