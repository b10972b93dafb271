"""Signing up: a number that is proved by a code becomes an account."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from turnosya.contracts.users import UserRegistered
from turnosya.runtime.clock import real_now
from turnosya.runtime.idempotency import Kept, Once
from turnosya.runtime.ids import new_id
from turnosya.services.users import emails
from turnosya.services.users.credentials import use_code
from turnosya.services.users.people import person_of
from turnosya.services.users.store import accounts
from turnosya.services.users.store.accounts import Account

if TYPE_CHECKING:
    from turnosya.services.users.context import Users


@dataclass(frozen=True, slots=True)
class NewPerson:
    """Who signs up, every field in the form in which it is stored; the password not yet hashed."""

    phone: str
    name: str
    password: str
    email: str | None
    locale: str


Shown = Callable[[Account], Mapping[str, Any]]


async def sign_up(users: Users, person: NewPerson, *, code: str, once: Once, shown: Shown) -> Kept:
    """Makes the account, or gives the first answer again when ``once`` was answered.

    The code is used up under the request's own key, so that a repeat after a lost answer finds it good
    again. Raises CodeNotValid before PhoneTaken: who cannot prove a number learns nothing of it.
    """
    async with once.queued():
        if once.key is not None:
            async with users.db.transaction() as tx:
                kept = await once.kept(tx)
            if kept is not None:
                return kept
        await use_code(users, person.phone, "register", code=code, key=once.digest or str(new_id()))
        account = await new_account(users, person)
        async with users.db.transaction() as tx:
            # Another process may have answered the same request meanwhile.
            kept = await once.kept(tx)
            if kept is not None:
                return kept
            await accounts.add(tx, account)
            await tx.publish(UserRegistered(person=person_of(account)))
            await emails.ask(users, tx, account.id, account.email)
            answer = shown(account)
            await once.keep(tx, 201, answer)
        return Kept(201, answer)


async def new_account(users: Users, person: NewPerson) -> Account:
    """The account of a new person, not stored yet."""
    return account_of(person, await users.passwords.hash(person.password))


def account_of(person: NewPerson, password_hash: str) -> Account:
    """The same with a password that is hashed already."""
    return Account(
        id=new_id(),
        phone=person.phone,
        name=person.name,
        email=person.email,
        locale=person.locale,
        password_hash=password_hash,
        roles=[],
        created_at=real_now(),
    )
