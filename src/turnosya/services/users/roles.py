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
from turnosya.services.users.audit import noted
from turnosya.services.users.people import person_of
from turnosya.services.users.store import accounts
from turnosya.services.users.store.accounts import Account

if TYPE_CHECKING:
    from turnosya.services.users.context import Users

log = structlog.get_logger()


async def set_roles(
    users: Users, user_id: UUID, roles: Sequence[str], *, actor_id: UUID
) -> tuple[Account, AccessChanged | None]:
    """Gives somebody exactly these roles; their present tokens end.

    The second part is what gateways must know at once; None when nothing changed, or when auth is away
    and will be told later.
    """
    async with users.db.transaction() as tx:
        account, told = await write_roles(tx, user_id, roles, actor_id=actor_id)
    if told is None:
        return account, None
    try:
        return account, await users.bus.call(_request(told, roles))
    except Unavailable:
        log.warning("roles_told_later", user_id=str(user_id))
        return account, None


async def write_roles(
    tx: Transaction, user_id: UUID, roles: Sequence[str], *, actor_id: UUID | None
) -> tuple[Account, RolesChanged | None]:
    """Stores the roles with the events that tell of them; no event when they are the same. NotFound.

    ``actor_id`` is None for the command line.
    """
    account = await accounts.lock(tx, user_id)
    if account is None:
        raise NotFound
    if set(account.roles) == set(roles):
        return account, None
    await accounts.change(tx, user_id, {"roles": list(roles)})
    changed = await accounts.find(tx, user_id)
    if changed is None:
        raise NotFound
    told = RolesChanged(user_id=user_id, roles=list(roles), key=str(new_id()))
    await tx.publish(PersonChanged(person=person_of(changed)))
    await tx.publish(told)
    reason = "+".join(sorted(roles)) or "none"
    await tx.publish(noted("roles_changed", user_id, actor_id=actor_id, reason=reason))
    return changed, told


async def tell_auth(users: Users, change: RolesChanged) -> None:
    """Tells auth what it may not have heard.

    Always the roles of now: a grant that could not be told must not undo a later revocation. They are
    read again afterwards, since they may have changed, and been told, while ours was on its way.
    """
    told: list[str] | None = None
    while True:
        async with users.db.read() as tx:
            account = await accounts.find(tx, change.user_id)
        if account is None or account.roles == told:
            return
        await users.bus.call(_request(change, account.roles))
        told = account.roles


def _request(change: RolesChanged, roles: Sequence[str]) -> SetRoles:
    # The roles are part of the key, so that only the very same request is answered as repeated.
    key = f"{change.key}:{'+'.join(sorted(roles))}"
    return SetRoles(user_id=change.user_id, roles=list(roles), key=key)
