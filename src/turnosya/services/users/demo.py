"""Demonstration people, made by the service's own commands."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from turnosya.contracts.users import UserRegistered
from turnosya.runtime.phones import canonical
from turnosya.services.users import store
from turnosya.services.users.people import person_of
from turnosya.services.users.registration import NewPerson, new_account

if TYPE_CHECKING:
    from turnosya.services.users.context import Users


async def add_person(users: Users, name: str, *, phone: str, password: str, locale: str = "es") -> UUID:
    """Somebody who signed up without a code; who has the number already is found again."""
    number = canonical(phone)
    async with users.db.read() as tx:
        known = await store.by_phone(tx, number)
    if known is not None:
        return known.id
    account = await new_account(
        users, NewPerson(phone=number, name=name, password=password, email=None, locale=locale)
    )
    async with users.db.transaction() as tx:
        await store.add(tx, account)
        await tx.publish(UserRegistered(person=person_of(account)))
    return account.id
