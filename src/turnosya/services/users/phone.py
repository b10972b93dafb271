"""A person's number: changed with a code on the new one, and given back by a link on the former one."""

from __future__ import annotations

import secrets
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from turnosya.contracts.auth import AccessChanged
from turnosya.contracts.users import (
    UNDO_PHONE_CHANGE,
    CredentialsChanged,
    CredentialsInvalid,
    PersonChanged,
    PhoneChanged,
)
from turnosya.runtime.clock import real_now
from turnosya.runtime.ids import new_id
from turnosya.runtime.links import LinkNotValid
from turnosya.services.users.audit import noted
from turnosya.services.users.credentials import end_sessions_now, prove, use_code
from turnosya.services.users.people import person_of
from turnosya.services.users.refusals import PhoneTaken
from turnosya.services.users.store import accounts, proofs
from turnosya.services.users.store.accounts import Account
from turnosya.services.users.store.proofs import PhoneChange

if TYPE_CHECKING:
    from datetime import datetime

    from turnosya.runtime.database import Transaction
    from turnosya.services.users.context import Users

PHONE_CHANGED = "phone_changed"
UNDO_WITHIN = timedelta(hours=72)


async def change_phone(
    users: Users, user_id: UUID, session_id: UUID, *, phone: str, code: str, password: str
) -> tuple[Account, AccessChanged | None]:
    """Gives somebody another number and ends their other sessions; who held the former one is told.

    Raises CredentialsInvalid, CodeNotValid, OtpAttemptsExceeded, PhoneTaken, in this order: who cannot
    prove a number learns nothing of it. The second part is as in ``change_password``.
    """
    account = await prove(users, user_id, password, session_id=session_id)
    await use_code(users, phone, "change_phone", code=code, key=str(new_id()), user_id=user_id)
    if account.phone == phone:
        return account, None
    change = CredentialsChanged(
        user_id=user_id, keep_session_id=session_id, what=PHONE_CHANGED, key=str(new_id())
    )
    async with users.db.transaction() as tx:
        locked = await accounts.lock(tx, user_id)
        if locked is None or locked.password_hash != account.password_hash:
            raise CredentialsInvalid
        changed = await _write_phone(tx, locked, phone, now=real_now())
        await tx.publish(change)
        await tx.publish(noted(PHONE_CHANGED, user_id, actor_id=user_id, session_id=session_id))
    return changed, await end_sessions_now(users, change)


async def _write_phone(tx: Transaction, account: Account, phone: str, *, now: datetime) -> Account:
    await accounts.change(tx, account.id, {"phone": phone})
    if await proofs.is_reserved(tx, phone, now=now, for_user=account.id):
        raise PhoneTaken
    change = PhoneChange(new_id(), account.id, account.phone, now, now + UNDO_WITHIN)
    await proofs.add_change(tx, change)
    changed = replace(account, phone=phone)
    await tx.publish(PersonChanged(person=person_of(changed)))
    await tx.publish(
        PhoneChanged(
            user_id=account.id,
            change_id=change.id,
            previous_phone=change.previous_phone,
            undo_until=change.undo_until,
        )
    )
    return changed


async def undoable(users: Users, token: str) -> PhoneChange:
    """The change that a link undoes, whether or not it was undone. Raises LinkNotValid."""
    now = real_now()
    change_id = users.links.subject_of(UNDO_PHONE_CHANGE, token, now=now)
    async with users.db.read() as tx:
        change = await proofs.find_change(tx, UUID(change_id))
    if change is None or now >= change.undo_until:
        raise LinkNotValid
    return change


async def undo(users: Users, token: str) -> AccessChanged | None:
    """Gives the former number back, ends every session and makes the password useless.

    Whoever changed the number knew the password; a new one is set with a code on the number that is back.
    Again changes nothing. Raises LinkNotValid, PhoneTaken.
    """
    change = await undoable(users, token)
    told = CredentialsChanged(
        user_id=change.user_id, keep_session_id=None, what=PHONE_CHANGED, key=str(new_id())
    )
    useless = await users.passwords.hash(secrets.token_urlsafe())
    async with users.db.transaction() as tx:
        account = await accounts.lock(tx, change.user_id)
        present = await proofs.find_change(tx, change.id)
        if account is None or present is None:
            raise LinkNotValid
        if present.undone_at is not None:
            return None
        values = {"phone": change.previous_phone, "password_hash": useless}
        await accounts.change(tx, account.id, values)
        await proofs.end_changes(tx, account.id, since=change.changed_at, at=real_now())
        await tx.publish(PersonChanged(person=person_of(replace(account, phone=change.previous_phone))))
        await tx.publish(told)
        await tx.publish(noted("phone_change_undone", account.id))
    return await end_sessions_now(users, told)
