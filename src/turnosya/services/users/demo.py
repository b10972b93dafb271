"""Demonstration people, made by the service's own commands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import UUID

from turnosya.contracts.users import UserRegistered
from turnosya.runtime.database import Transaction
from turnosya.runtime.phones import canonical
from turnosya.services.users.people import person_of
from turnosya.services.users.refusals import PhoneTaken
from turnosya.services.users.registration import NewPerson, account_of
from turnosya.services.users.store import accounts
from turnosya.services.users.store.accounts import Account

if TYPE_CHECKING:
    from turnosya.services.users.context import Users


async def add_person(users: Users, name: str, *, phone: str, password: str, locale: str = "es") -> UUID:
    """Somebody who signed up without a code; who has the number already is found again."""
    person = NewPerson(phone=phone, name=name, password=password, email=None, locale=locale)
    [user_id] = await add_people(users, [person])
    return user_id


async def add_people(users: Users, people: Sequence[NewPerson]) -> list[UUID]:
    """The ids of all of these in their order, as ``add_person``; all of them or none are stored.

    Each distinct password is hashed once: 300 hashes are 8 s of a core, and this one is no secret.
    """
    passwords = dict.fromkeys(person.password for person in people)
    hashes = {password: await users.passwords.hash(password) for password in passwords}
    async with users.db.transaction() as tx:
        return [await _found_or_added(tx, person, hashes[person.password]) for person in people]


async def _found_or_added(tx: Transaction, person: NewPerson, password_hash: str) -> UUID:
    number = canonical(person.phone)
    known = await accounts.by_phone(tx, number)
    if known is not None:
        return known.id
    account = account_of(replace(person, phone=number), password_hash)
    try:
        await accounts.add(tx, account)
    except PhoneTaken:
        # Somebody else fills the same town, and was first.
        return (await _holder(tx, number)).id
    await tx.publish(UserRegistered(person=person_of(account)))
    return account.id


async def _holder(tx: Transaction, number: str) -> Account:
    holder = await accounts.by_phone(tx, number)
    assert holder is not None, "accounts are not deleted"  # noqa: S101 - its number was just refused
    return holder
