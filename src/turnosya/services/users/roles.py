"""Who is an admin. Rights in a business come from membership, not from here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import UUID

import structlog

from turnosya.contracts.auth import AccessChanged, SetRoles
from turnosya.contracts.users import PersonChanged, RolesChanged
from turnosya.runtime.database import Transaction
from turnosya.runtime.ids import new_id
from turnosya.runtime.messages import NotFound, Unavailable
from turnosya.services.users import store
from turnosya.services.users.people import person_of
from turnosya.services.users.store import Account

if TYPE_CHECKING:
    from turnosya.services.users.context import Users

log = structlog.get_logger()


async def set_roles(
    users: Users, user_id: UUID, roles: Sequence[str]
) -> tuple[Account, AccessChanged | None]:
    """Gives somebody exactly these roles; their present tokens end.

    The second part is what gateways must know at once; None when nothing changed, or when auth is away
    and will be told later.
    """
    async with users.db.transaction() as tx:
        account, told = await write_roles(tx, user_id, roles)
    if told is None:
        return account, None
    try:
        return account, await users.bus.call(_request(told, roles))
    except Unavailable:
        log.warning("roles_told_later", user_id=str(user_id))
        return account, None


async def write_roles(
    tx: Transaction, user_id: UUID, roles: Sequence[str]
) -> tuple[Account, RolesChanged | None]:
    """Stores the roles with the events that tell of them; no event when they are the same. NotFound."""
    account = await store.lock(tx, user_id)
    if account is None:
        raise NotFound
    if set(account.roles) == set(roles):
        return account, None
    await store.change(tx, user_id, {"roles": list(roles)})
    changed = await store.find(tx, user_id)
    if changed is None:
        raise NotFound
    told = RolesChanged(user_id=user_id, roles=list(roles), key=str(new_id()))
    await tx.publish(PersonChanged(person=person_of(changed)))
    await tx.publish(told)
    return changed, told


async def tell_auth(users: Users, change: RolesChanged) -> None:
    """Tells auth what it may not have heard.

    Always the roles of now: a grant that could not be told must not undo a later revocation. They are
    read again afterwards, since they may have changed, and been told, while ours was on its way.
    """
    told: list[str] | None = None
    while True:
        async with users.db.read() as tx:
            account = await store.find(tx, change.user_id)
        if account is None or account.roles == told:
            return
        await users.bus.call(_request(change, account.roles))
        told = account.roles


def _request(change: RolesChanged, roles: Sequence[str]) -> SetRoles:
    # The roles are part of the key, so that only the very same request is answered as repeated.
    key = f"{change.key}:{'+'.join(sorted(roles))}"
    return SetRoles(user_id=change.user_id, roles=list(roles), key=key)
