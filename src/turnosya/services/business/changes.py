"""The one way in which a business changes: decided on its present state, asked of turnos where needed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import UUID

from turnosya.contracts.business import BusinessChanged, OnConflict
from turnosya.contracts.turnos import ApplyBusiness
from turnosya.runtime.database import Transaction
from turnosya.runtime.messages import Conflict, Forbidden, NotFound
from turnosya.services.business import rules, store
from turnosya.services.business.state import BusinessState

if TYPE_CHECKING:
    from turnosya.services.business.context import Businesses

Decide = Callable[[BusinessState], BusinessState]

# Each further try means that somebody else changed the same business while turnos was asked.
TRIES = 4


async def apply(
    here: Businesses,
    business_id: UUID,
    actor_id: UUID,
    decide: Decide,
    *,
    on_conflict: OnConflict | None = None,
) -> BusinessState:
    """Makes the business what ``decide`` says, and tells the others.

    What could strand turnos is first asked of turnos, which takes it over at once; no transaction is
    open meanwhile. The version is reserved before, so that no other change can go by the same number.
    Raises NotFound, Forbidden, NeedsDecision, Unavailable with turnos away, and whatever ``decide`` raises.
    """
    for _ in range(TRIES):
        async with here.db.transaction() as tx:
            before = await owned(tx, business_id, actor_id)
            after = decide(before)
            if after == before:
                return before
            after = replace(after, version=await store.reserve_version(tx, business_id))
            if not rules.could_strand(before, after):
                await commit(tx, before, after)
                return after
        await here.bus.call(ApplyBusiness(business=after.told(), on_conflict=on_conflict, actor_id=actor_id))
        async with here.db.transaction() as tx:
            present = await store.lock(tx, business_id)
            if present is not None and present.version == before.version:
                await commit(tx, before, after)
                return after
    raise Conflict


async def owned(tx: Transaction, business_id: UUID, actor_id: UUID) -> BusinessState:
    """The business, locked. NotFound if there is none, Forbidden if it is another's."""
    state = await store.lock(tx, business_id)
    if state is None or state.deleted:
        raise NotFound
    check_owner(state, actor_id)
    return state


def check_owner(state: BusinessState, actor_id: UUID) -> None:
    """Raises Forbidden unless it is theirs: what everybody may see, its owner alone may change."""
    if state.owner_id != actor_id:
        raise Forbidden


async def commit(tx: Transaction, before: BusinessState, after: BusinessState) -> None:
    """Stores the new state with the event that tells of it; ``before`` is locked in this transaction."""
    await store.replace(tx, before, after)
    await tx.publish(BusinessChanged(business=after.told()))


async def added(tx: Transaction, business_id: UUID, actor_id: UUID, decide: Decide) -> BusinessState:
    """The business after something was added to it, which can strand nothing, within a transaction."""
    before = await owned(tx, business_id, actor_id)
    after = replace(decide(before), version=await store.reserve_version(tx, business_id))
    await commit(tx, before, after)
    return after
