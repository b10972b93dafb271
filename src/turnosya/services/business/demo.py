"""Demonstration businesses, made by the service's own commands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import UUID

from turnosya.contracts.business import Business, BusinessChanged
from turnosya.contracts.files import FileFacts, FileUsed
from turnosya.runtime.clock import real_now
from turnosya.runtime.ids import new_id
from turnosya.services.business import rules
from turnosya.services.business.pictures import picture_of
from turnosya.services.business.pictures_state import Place
from turnosya.services.business.profile import new_business
from turnosya.services.business.state import BusinessState, Offer, Profile, StaffMember
from turnosya.services.business.store import businesses as store
from turnosya.services.business.store import pictures

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


async def shows_pictures(here: Businesses, business_id: UUID) -> bool:
    """Whether it shows any."""
    async with here.db.read() as tx:
        return await pictures.any_of(tx, business_id)


async def hang(
    here: Businesses, business_id: UUID, images: Sequence[tuple[Place, FileFacts, str | None]]
) -> None:
    """Shows these with their captions, unless it shows some already."""
    async with here.db.transaction() as tx:
        await store.lock(tx, business_id)
        if await pictures.any_of(tx, business_id):
            return
        for position, (place, file, caption) in enumerate(images):
            picture = replace(picture_of(file), caption=caption, position=position)
            await pictures.add(tx, business_id, place, picture)
            await tx.publish(FileUsed(file_id=file.id, by=picture.by))


async def _known(here: Businesses, owner_id: UUID, name: str) -> BusinessState | None:
    async with here.db.read() as tx:
        for profile in await store.owned_by(tx, owner_id, after=None, limit=100):
            if profile.profile.name == name:
                return await store.find(tx, profile.id)
    return None
