"""What a business offers: the services that clients can book."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from uuid import UUID

from turnosya.contracts.business import OnConflict
from turnosya.runtime.clock import real_now
from turnosya.runtime.idempotency import Kept, Once
from turnosya.runtime.identity import Caller
from turnosya.runtime.ids import new_id
from turnosya.services.business import changes, rules
from turnosya.services.business.profile import present
from turnosya.services.business.state import BusinessState, Offer
from turnosya.services.business.store import businesses as store

if TYPE_CHECKING:
    from turnosya.services.business.context import Businesses

Shown = Callable[[BusinessState, Offer], Mapping[str, Any]]


async def add(
    here: Businesses,
    business_id: UUID,
    actor_id: UUID,
    values: Mapping[str, Any],
    *,
    once: Once,
    shown: Shown,
) -> Kept:
    """Adds an offer with these fields, or gives the first answer again."""
    offer = Offer(id=new_id(), created_at=real_now(), **values)
    return await changes.add(
        here,
        business_id,
        actor_id,
        lambda state: rules.with_offer(state, offer),
        once=once,
        shown=lambda state: shown(state, offer),
    )


async def listed(
    here: Businesses, business_id: UUID, viewer: Caller | None, *, after: UUID | None, limit: int
) -> tuple[BusinessState, list[Offer]]:
    """What a business offers, oldest first, with its profile. NotFound."""
    async with here.db.read() as tx:
        state = await present(tx, business_id, viewer)
        return state, await store.offers_of(tx, business_id, after=after, limit=limit)


async def read(
    here: Businesses, business_id: UUID, offer_id: UUID, viewer: Caller | None
) -> tuple[BusinessState, Offer]:
    """One offer with its business. NotFound."""
    async with here.db.read() as tx:
        await present(tx, business_id, viewer)
        state = await store.find(tx, business_id)
    assert state is not None  # noqa: S101 - rows of businesses are never deleted
    return state, state.offer(offer_id)


async def change(
    here: Businesses,
    business_id: UUID,
    offer_id: UUID,
    actor_id: UUID,
    *,
    values: Mapping[str, Any],
    on_conflict: OnConflict | None,
) -> tuple[BusinessState, Offer]:
    """Writes these fields of an offer; what takes it from members or clients is asked of turnos."""

    def decide(state: BusinessState) -> BusinessState:
        return rules.with_offer(state, replace(state.offer(offer_id), **values))

    state = await changes.apply(here, business_id, actor_id, decide, on_conflict=on_conflict)
    return state, state.offer(offer_id)


async def remove(
    here: Businesses, business_id: UUID, offer_id: UUID, actor_id: UUID, *, on_conflict: OnConflict | None
) -> None:
    """Takes an offer away."""

    def decide(state: BusinessState) -> BusinessState:
        return rules.with_offer(state, replace(state.offer(offer_id), deleted=True))

    await changes.apply(here, business_id, actor_id, decide, on_conflict=on_conflict)
