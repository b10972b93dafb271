"""Who people are: looked up by others, read and changed by themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import UUID

from turnosya.contracts.files import FileGone, FileNotUsable, FileReleased, FileUsed, GetFiles, path_of
from turnosya.contracts.users import FindByPhone, GetAdmins, GetPeople, People, Person, PersonChanged
from turnosya.runtime.messages import NotFound
from turnosya.services.users import emails
from turnosya.services.users.store import accounts
from turnosya.services.users.store.accounts import Account

if TYPE_CHECKING:
    from turnosya.services.users.context import Users

# What files knows the use by, with the person behind it.
_PHOTO = "users.photo"


def person_of(account: Account) -> Person:
    """What other services may know of an account."""
    return Person(
        id=account.id,
        name=account.name,
        phone=account.phone,
        email=account.email,
        locale=account.locale,
        roles=account.roles,
        photo_url=None if account.photo_file_id is None else path_of(account.photo_file_id),
        blocked=account.blocked,
    )


async def find_people(users: Users, request: GetPeople) -> People:
    """Those of the asked that exist."""
    async with users.db.at_once() as tx:
        found = await accounts.find_many(tx, request.ids)
    return People(people=[person_of(account) for account in found])


async def find_admins(users: Users, _request: GetAdmins) -> People:
    """All admins that are not blocked."""
    async with users.db.read() as tx:
        found = await accounts.admins(tx)
    return People(people=[person_of(account) for account in found])


async def find_by_phone(users: Users, request: FindByPhone) -> People:
    """The account with a number, if there is one."""
    async with users.db.at_once() as tx:
        found = await accounts.by_phone(tx, request.phone)
    return People(people=[] if found is None else [person_of(found)])


async def read(users: Users, user_id: UUID) -> Account:
    """One account; NotFound if there is none."""
    async with users.db.at_once() as tx:
        found = await accounts.find(tx, user_id)
    if found is None:
        raise NotFound
    return found


async def search(users: Users, words: str, *, after: UUID | None, limit: int) -> list[Account]:
    """Accounts by a part of their name, number or address, newest first, after the one with id ``after``."""
    async with users.db.read() as tx:
        return await accounts.search(tx, words, after=after, limit=limit)


async def change(users: Users, user_id: UUID, values: Mapping[str, object]) -> Account:
    """Writes these columns of one's own profile and tells the others.

    Raises EmailTaken, AskedTooSoon, FileNotUsable.
    """
    photo_id = values.get("photo_file_id")
    if isinstance(photo_id, UUID):
        await _check_photo(users, user_id, photo_id)
    async with users.db.transaction() as tx:
        account = await accounts.lock(tx, user_id)
        if account is None:
            raise NotFound
        if not values:
            return account
        await accounts.change(tx, user_id, values)
        changed = await accounts.find(tx, user_id)
        if changed is None:
            raise NotFound
        await tx.publish(PersonChanged(person=person_of(changed)))
        for event in _photo_events(account, changed):
            await tx.publish(event)
        if changed.email != account.email:
            await emails.ask(users, tx, user_id, changed.email)
        return changed


async def photo_is_gone(users: Users, event: FileGone) -> None:
    """A photo was deleted, by its owner before files heard of its use or by an admin: it is shown no more."""
    use, _, user_id = event.by.partition("/")
    if use != _PHOTO:
        return
    async with users.db.transaction() as tx:
        account = await accounts.lock(tx, UUID(user_id))
        if account is None or account.photo_file_id != event.file_id:
            return
        await accounts.change(tx, account.id, {"photo_file_id": None})
        await tx.publish(PersonChanged(person=person_of(replace(account, photo_file_id=None))))


async def _check_photo(users: Users, user_id: UUID, file_id: UUID) -> None:
    found = (await users.bus.call(GetFiles(ids=[file_id]))).items
    if not any(one.owner_id == user_id and one.purpose == "user_photo" for one in found):
        raise FileNotUsable


def _photo_events(before: Account, after: Account) -> list[FileUsed | FileReleased]:
    """What files is told: the new one stays, the one before may go."""
    if before.photo_file_id == after.photo_file_id:
        return []
    by = f"{_PHOTO}/{after.id}"
    used = [] if after.photo_file_id is None else [FileUsed(file_id=after.photo_file_id, by=by)]
    gone = [] if before.photo_file_id is None else [FileReleased(file_id=before.photo_file_id, by=by)]
    return [*used, *gone]
