"""Who works in a business and attends its clients."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from uuid import UUID

from turnosya.contracts.business import OnConflict
from turnosya.contracts.users import NO_ACCOUNT
from turnosya.runtime.clock import real_now
from turnosya.runtime.idempotency import Kept, Once
from turnosya.runtime.identity import Caller
from turnosya.runtime.ids import new_id
from turnosya.runtime.messages import invalid
from turnosya.services.business import changes, rules
from turnosya.services.business.profile import name_of, present
from turnosya.services.business.state import BusinessState, StaffMember
from turnosya.services.business.store import businesses as store

if TYPE_CHECKING:
    from turnosya.services.business.context import Businesses

Shown = Callable[[BusinessState, StaffMember], Mapping[str, Any]]


async def add(
    here: Businesses,
    business_id: UUID,
    actor_id: UUID,
    values: Mapping[str, Any],
    *,
    once: Once,
    shown: Shown,
) -> Kept:
    """Adds a member with these fields, or gives the first answer again."""
    await _check_account(here, business_id, actor_id, values)
    member = StaffMember(id=new_id(), created_at=real_now(), **values)
    return await changes.add(
        here,
        business_id,
        actor_id,
        lambda state: rules.with_member(state, member),
        once=once,
        shown=lambda state: shown(state, member),
    )


async def listed(
    here: Businesses, business_id: UUID, viewer: Caller | None, *, after: UUID | None, limit: int
) -> tuple[BusinessState, list[StaffMember]]:
    """Who works in a business, oldest first, with its profile. NotFound."""
    async with here.db.read() as tx:
        state = await present(tx, business_id, viewer)
        return state, await store.staff_of(tx, business_id, after=after, limit=limit)


async def read(
    here: Businesses, business_id: UUID, member_id: UUID, viewer: Caller | None
) -> tuple[BusinessState, StaffMember]:
    """One member with their business. NotFound."""
    async with here.db.read() as tx:
        await present(tx, business_id, viewer)
        state = await store.find(tx, business_id)
    assert state is not None  # noqa: S101 - rows of businesses are never deleted
    return state, state.member(member_id)


async def change(
    here: Businesses,
    business_id: UUID,
    member_id: UUID,
    actor_id: UUID,
    *,
    values: Mapping[str, Any],
    on_conflict: OnConflict | None,
) -> tuple[BusinessState, StaffMember]:
    """Writes these fields of a member; one who no longer attends is asked of turnos."""
    await _check_account(here, business_id, actor_id, values)

    def decide(state: BusinessState) -> BusinessState:
        return rules.with_member(state, replace(state.member(member_id), **values))

    state = await changes.apply(here, business_id, actor_id, decide, on_conflict=on_conflict)
    return state, state.member(member_id)


async def remove(
    here: Businesses, business_id: UUID, member_id: UUID, actor_id: UUID, *, on_conflict: OnConflict | None
) -> None:
    """Takes a member away, out of every offer too."""

    def decide(state: BusinessState) -> BusinessState:
        return rules.with_member(state, replace(state.member(member_id), deleted=True))

    await changes.apply(here, business_id, actor_id, decide, on_conflict=on_conflict)


async def _check_account(
    here: Businesses, business_id: UUID, actor_id: UUID, values: Mapping[str, Any]
) -> None:
    """Asks users whether the account exists, and only for the owner: others learn nothing of accounts."""
    user_id: UUID | None = values.get("user_id")
    if user_id is None:
        return
    async with here.db.read() as tx:
        await changes.found(tx, business_id, actor_id)
    if await name_of(here, user_id) is None:
        raise invalid("user_id", "user_id", NO_ACCOUNT)
