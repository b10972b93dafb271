"""Passwords: checked at log-in, changed, and set anew with a code."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import structlog

from turnosya.contracts.auth import AccessChanged, EndSessions, OtpInvalid, Purpose, UseCode
from turnosya.contracts.users import (
    AccessBlocked,
    CheckPassword,
    CredentialsChanged,
    CredentialsInvalid,
    Person,
)
from turnosya.runtime.database import Statements, Transaction
from turnosya.runtime.idempotency import Kept, Once
from turnosya.runtime.ids import new_id
from turnosya.runtime.messages import Unavailable
from turnosya.services.users import rules
from turnosya.services.users.audit import noted
from turnosya.services.users.people import person_of
from turnosya.services.users.refusals import CodeNotValid
from turnosya.services.users.store import accounts
from turnosya.services.users.store.accounts import Account

if TYPE_CHECKING:
    from turnosya.services.users.context import Users

log = structlog.get_logger()

PASSWORD_CHANGED = "password_changed"  # noqa: S105 - the name of a fact
# Nothing is answered but that it is done.
_DONE = 204


async def check(users: Users, request: CheckPassword) -> Person:
    """Whose password this is; an unknown account costs the same time as a wrong password."""
    async with users.db.at_once() as tx:
        account = await _named(tx, request)
    password = rules.presented_password(request.password)
    stored = None if account is None else account.password_hash
    if not await users.passwords.match(password, stored) or account is None:
        await _note_refusal(users, None if account is None else account.id, CredentialsInvalid.code)
        raise CredentialsInvalid
    if account.blocked:
        await _note_refusal(users, account.id, AccessBlocked.code)
        raise AccessBlocked
    return person_of(account)


async def prove(users: Users, user_id: UUID, password: str, *, session_id: UUID) -> Account:
    """The account of who is signed in and knows its password. Raises CredentialsInvalid.

    A token alone, on a telephone that was left lying, is not enough for what cannot be taken back.
    """
    async with users.db.at_once() as tx:
        account = await accounts.find(tx, user_id)
    stored = None if account is None else account.password_hash
    if not await users.passwords.match(rules.presented_password(password), stored) or account is None:
        await _note_refusal(users, user_id, CredentialsInvalid.code, actor_id=user_id, session_id=session_id)
        raise CredentialsInvalid
    return account


async def _note_refusal(
    users: Users,
    subject_id: UUID | None,
    reason: str,
    *,
    actor_id: UUID | None = None,
    session_id: UUID | None = None,
) -> None:
    # Also for an account that does not exist: it must cost the same time as one that does.
    async with users.db.transaction() as tx:
        await tx.publish(
            noted("refused", subject_id, actor_id=actor_id, session_id=session_id, reason=reason)
        )


async def change_password(
    users: Users, user_id: UUID, session_id: UUID, *, current: str, new: str
) -> AccessChanged | None:
    """Sets another password and ends every other session.

    The answer is what gateways must know at once; None when auth is away and will be told later.
    """
    account = await prove(users, user_id, current, session_id=session_id)
    change = CredentialsChanged(
        user_id=user_id, keep_session_id=session_id, what=PASSWORD_CHANGED, key=str(new_id())
    )
    password_hash = await users.passwords.hash(new)
    async with users.db.transaction() as tx:
        locked = await accounts.lock(tx, user_id)
        # Whoever changed it meanwhile knew a password that ours no longer is.
        if locked is None or locked.password_hash != account.password_hash:
            raise CredentialsInvalid
        await accounts.change(tx, user_id, {"password_hash": password_hash})
        await tx.publish(change)
        await tx.publish(noted(PASSWORD_CHANGED, user_id, actor_id=user_id, session_id=session_id))
    return await end_sessions_now(users, change)


async def reset_password(
    users: Users, phone: str, *, code: str, new: str, once: Once
) -> tuple[Kept, AccessChanged | None]:
    """Sets another password for whoever holds this number, and ends all their sessions.

    Repeated under its key it changes nothing more: a late repeat must not undo a newer password.
    """
    async with once.queued():
        async with users.db.transaction() as tx:
            kept = await once.kept(tx) if once.key is not None else None
            holder = await accounts.by_phone(tx, phone)
        if kept is not None:
            return kept, None
        key, user_id = once.digest or str(new_id()), None if holder is None else holder.id
        await use_code(users, phone, "password_reset", code=code, key=key, user_id=user_id)
        password_hash = await users.passwords.hash(new)
        async with users.db.transaction() as tx:
            # Another process may have answered the same request meanwhile.
            kept = await once.kept(tx)
            if kept is not None:
                return kept, None
            change = await _write_password(tx, phone, password_hash)
            await once.keep(tx, _DONE, None)
        return Kept(_DONE, None), await end_sessions_now(users, change)


async def _write_password(tx: Transaction, phone: str, password_hash: str) -> CredentialsChanged:
    account = await accounts.by_phone(tx, phone)
    if account is None or await accounts.lock(tx, account.id) is None:
        raise CodeNotValid
    await accounts.change(tx, account.id, {"password_hash": password_hash})
    change = CredentialsChanged(
        user_id=account.id, keep_session_id=None, what=PASSWORD_CHANGED, key=str(new_id())
    )
    await tx.publish(change)
    await tx.publish(noted(PASSWORD_CHANGED, account.id, reason="reset"))
    return change


async def end_sessions(users: Users, change: CredentialsChanged) -> None:
    """Tells auth what it may not have heard when the credentials changed; with the same key, so once."""
    await users.bus.call(_end_of(change))


def _end_of(change: CredentialsChanged) -> EndSessions:
    return EndSessions(
        user_id=change.user_id, keep_session_id=change.keep_session_id, reason=change.what, key=change.key
    )


async def _named(tx: Statements, request: CheckPassword) -> Account | None:
    if request.phone is not None:
        return await accounts.by_phone(tx, request.phone)
    if request.email is None:
        return None
    return await accounts.by_email(tx, rules.presented_email(request.email))


async def use_code(
    users: Users, phone: str, purpose: Purpose, *, code: str, key: str, user_id: UUID | None = None
) -> None:
    """Uses up the code that proves this number. Raises CodeNotValid, OtpAttemptsExceeded.

    ``user_id``: whose account a wrong one would have changed, for the audit.
    """
    try:
        await users.bus.call(UseCode(phone=phone, purpose=purpose, code=code, key=key, user_id=user_id))
    except OtpInvalid:
        raise CodeNotValid from None


async def end_sessions_now(users: Users, change: CredentialsChanged) -> AccessChanged | None:
    """Makes auth end what must end, if it is there; else the event in our outbox does it later."""
    try:
        return await users.bus.call(_end_of(change))
    except Unavailable:
        # The change is made; the event in our outbox makes the same request until it is answered.
        log.warning("sessions_end_later", user_id=str(change.user_id))
        return None
