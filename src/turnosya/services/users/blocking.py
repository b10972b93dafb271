"""Blocked people, kept where auth's Redis cannot lose them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from turnosya.contracts.users import BlockedUser, BlockedUsers, GetBlocked, KeepBlocked, PersonChanged
from turnosya.runtime.clock import real_now
from turnosya.runtime.messages import NotFound, Nothing
from turnosya.services.users.audit import noted
from turnosya.services.users.people import person_of
from turnosya.services.users.store import accounts
from turnosya.services.users.store.accounts import Block

if TYPE_CHECKING:
    from turnosya.services.users.context import Users


async def keep(users: Users, request: KeepBlocked) -> Nothing:
    """Blocks or unblocks; repeating it changes nothing more."""
    async with users.db.transaction() as tx:
        account = await accounts.lock(tx, request.user_id)
        if account is None:
            raise NotFound
        if request.blocked:
            block = Block(request.user_id, request.reason or "", request.by, real_now())
            await accounts.block(tx, block)
        else:
            await accounts.unblock(tx, request.user_id)
        if account.blocked != request.blocked:
            person = person_of(account).model_copy(update={"blocked": request.blocked})
            await tx.publish(PersonChanged(person=person))
            kind = "blocked" if request.blocked else "unblocked"
            await tx.publish(noted(kind, request.user_id, actor_id=request.by))
    return Nothing()


async def all_blocked(users: Users, _request: GetBlocked) -> BlockedUsers:
    """Everybody who is blocked, oldest first."""
    async with users.db.read() as tx:
        blocked = await accounts.blocked(tx)
    return BlockedUsers(
        items=[
            BlockedUser(user_id=block.user_id, reason=block.reason, blocked_at=block.blocked_at)
            for block in blocked
        ]
    )
