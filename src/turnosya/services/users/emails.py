"""A person's e-mail address: confirmed by a link that was sent to it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from turnosya.contracts.users import CONFIRM_EMAIL, EmailConfirmationRequested
from turnosya.runtime.clock import real_now
from turnosya.runtime.ids import new_id
from turnosya.runtime.links import LinkNotValid
from turnosya.runtime.messages import NotFound
from turnosya.services.users.audit import noted
from turnosya.services.users.refusals import AskedTooSoon, NoEmail
from turnosya.services.users.store import accounts, proofs
from turnosya.services.users.store.proofs import Confirmation

if TYPE_CHECKING:
    from datetime import datetime

    from turnosya.runtime.database import Transaction
    from turnosya.services.users.context import Users

CONFIRM_WITHIN = timedelta(hours=72)
# Anybody may write anybody's address into their profile: its owner is not to be flooded by that.
PAUSE = timedelta(seconds=60)
# Nor are many owners, by who writes in one after the other.
MOST, WITHIN = 10, timedelta(hours=1)


async def ask(users: Users, tx: Transaction, user_id: UUID, email: str | None) -> None:
    """A new address was given, with whatever ``tx`` changes: a link is sent to it. Nothing for none.

    Raises AskedTooSoon for too many in an hour.
    """
    if email is not None:
        last = await proofs.find_confirmation(tx, user_id)
        await _ask(users, tx, Confirmation(user_id, new_id(), email, real_now()), last)


async def ask_again(users: Users, user_id: UUID) -> None:
    """Sends another link to one's own address; the former one is good no more.

    Raises NoEmail, AskedTooSoon. Nothing happens for an address that is confirmed.
    """
    async with users.db.transaction() as tx:
        account = await accounts.lock(tx, user_id)
        if account is None:
            raise NotFound
        if account.email is None:
            raise NoEmail
        now = real_now()
        last = await proofs.find_confirmation(tx, user_id)
        if last is not None and last.email == account.email:
            if last.confirmed_at is not None:
                return
            if last.asked_at > now - PAUSE:
                raise AskedTooSoon(retry_after_s=_seconds(last.asked_at + PAUSE - now))
        await _ask(users, tx, Confirmation(user_id, new_id(), account.email, now), last)


async def _ask(users: Users, tx: Transaction, wish: Confirmation, last: Confirmation | None) -> None:
    since = wish.asked_at - WITHIN
    lately = [] if last is None else [at for at in last.asked_lately if at > since]
    if users.limited and len(lately) >= MOST:
        raise AskedTooSoon(retry_after_s=_seconds(lately[-MOST] - since))
    await proofs.ask_confirmation(tx, replace(wish, asked_lately=[*lately, wish.asked_at][-MOST:]))
    await tx.publish(_asked(wish))


def _seconds(left: timedelta) -> int:
    return max(1, round(left.total_seconds()))


async def confirmed_at(users: Users, user_id: UUID) -> tuple[str | None, datetime | None]:
    """Somebody's address and when it was confirmed."""
    async with users.db.read() as tx:
        account = await accounts.find(tx, user_id)
        if account is None:
            raise NotFound
        last = await proofs.find_confirmation(tx, user_id)
    is_same = last is not None and last.email == account.email
    return account.email, last.confirmed_at if last is not None and is_same else None


def confirmation_id(users: Users, token: str) -> UUID:
    """What a link confirms. Raises LinkNotValid."""
    return UUID(users.links.subject_of(CONFIRM_EMAIL, token, now=real_now()))


async def confirm(users: Users, token: str) -> None:
    """The holder of the link reads what is sent to the address. Again changes nothing.

    Raises LinkNotValid, also when the address is another by now or a newer link was sent.
    """
    confirmed = confirmation_id(users, token)
    async with users.db.transaction() as tx:
        user_id = await proofs.confirm(tx, confirmed, at=real_now())
        if user_id is None:
            raise LinkNotValid
        await tx.publish(noted("email_confirmed", user_id))


def _asked(confirmation: Confirmation) -> EmailConfirmationRequested:
    return EmailConfirmationRequested(
        user_id=confirmation.user_id,
        confirmation_id=confirmation.id,
        email=confirmation.email,
        expires_at=confirmation.asked_at + CONFIRM_WITHIN,
    )
