"""Demonstration businesses, made by the service's own commands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import UUID

from turnosya.contracts.business import Business, BusinessChanged
from turnosya.runtime.clock import real_now
from turnosya.runtime.ids import new_id
from turnosya.services.business import rules
from turnosya.services.business.profile import new_business
from turnosya.services.business.state import BusinessState, Offer, Profile, StaffMember
from turnosya.services.business.store import businesses as store

if TYPE_CHECKING:
    from turnosya.services.business.context import Businesses


async def open_business(
    here: Businesses,
    owner_id: UUID,
    owner_name: str,
    profile: Profile,
    *,
    offers: Sequence[Offer] = (),
    staff_names: Sequence[str] = (),
) -> Business:
    """A business with its owner, further members and what it offers, as others will know it.

    One of that name that the owner has already is answered as it is.
    """
    known = await _known(here, owner_id, profile.name)
    if known is not None:
        return known.told()
    state = new_business(owner_id, owner_name, profile)
    for name in staff_names:
        state = rules.with_member(state, StaffMember(id=new_id(), created_at=real_now(), name=name))
    for offer in offers:
        state = rules.with_offer(state, replace(offer, id=new_id(), created_at=real_now()))
    async with here.db.transaction() as tx:
        state = await store.addressed(tx, state)
        await store.add(tx, state)
        await tx.publish(BusinessChanged(business=state.told()))
    return state.told()


async def _known(here: Businesses, owner_id: UUID, name: str) -> BusinessState | None:
    async with here.db.read() as tx:
        for profile in await store.owned_by(tx, owner_id, after=None, limit=100):
            if profile.profile.name == name:
                return await store.find(tx, profile.id)
    return None
