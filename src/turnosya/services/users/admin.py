"""Admins from the command line: works beside a running ``serve``, through users' own database.

The change and its events are one transaction; the running service delivers them and tells auth.
"""

from __future__ import annotations

from turnosya.runtime.database import Database
from turnosya.runtime.messages import NotFound
from turnosya.runtime.phones import canonical
from turnosya.services.users.roles import write_roles
from turnosya.services.users.store import accounts
from turnosya.services.users.store.accounts import Account


async def grant(db: Database, phone: str) -> Account:
    """Makes the holder of this number an admin. ValueError for no number, NotFound for no account."""
    return await _set(db, phone, ["admin"])


async def revoke(db: Database, phone: str) -> Account:
    """Takes it back. ValueError for no number, NotFound for no account."""
    return await _set(db, phone, [])


async def _set(db: Database, phone: str, roles: list[str]) -> Account:
    number = canonical(phone)
    async with db.transaction() as tx:
        account = await accounts.by_phone(tx, number)
        if account is None:
            raise NotFound
        changed, _ = await write_roles(tx, account.id, roles, actor_id=None)
    return changed
