"""Businesses as such: opened, read, found, changed and closed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from uuid import UUID

from turnosya.contracts.business import Business, BusinessChanged, GetBusiness, OnConflict
from turnosya.contracts.turnos import NeedsDecision
from turnosya.contracts.users import GetPeople
from turnosya.runtime.clock import real_now
from turnosya.runtime.database import Transaction
from turnosya.runtime.idempotency import Kept, Once
from turnosya.runtime.identity import Caller
from turnosya.runtime.ids import new_id
from turnosya.runtime.messages import NotFound
from turnosya.services.business import changes, rules
from turnosya.services.business.refusals import BusinessHasAppointments
from turnosya.services.business.state import BusinessState, Profile, StaffMember
from turnosya.services.business.store import businesses as store

if TYPE_CHECKING:
    from turnosya.services.business.context import Businesses

Shown = Callable[[BusinessState], Mapping[str, Any]]


async def open_business(
    here: Businesses, owner_id: UUID, profile: Profile, *, once: Once, shown: Shown
) -> Kept:
    """Opens a business with its owner as the one member, or gives the first answer again."""
    name = await name_of(here, owner_id)
    if name is None:
        raise NotFound

    async def work(tx: Transaction) -> tuple[int, Mapping[str, Any]]:
        state = await store.addressed(tx, new_business(owner_id, name, profile))
        await store.add(tx, state)
        await tx.publish(BusinessChanged(business=state.told()))
        return 201, shown(state)

    return await once.answer(here.db, work)


def new_business(owner_id: UUID, owner_name: str, profile: Profile) -> BusinessState:
    """A business at its first version, not stored yet."""
    now = real_now()
    owner = StaffMember(id=new_id(), created_at=now, name=owner_name, user_id=owner_id)
    return BusinessState(
        id=new_id(), version=1, owner_id=owner_id, created_at=now, profile=profile, offers=(), staff=(owner,)
    )


async def name_of(here: Businesses, user_id: UUID) -> str | None:
    """What the person with this account is called; None if there is no such account."""
    found = await here.bus.call(GetPeople(ids=[user_id]))
    return found.people[0].name if found.people else None


async def read(here: Businesses, business_id: UUID, viewer: Caller | None) -> BusinessState:
    """The profile; NotFound if there is none for this viewer, or it was deleted."""
    async with here.db.read() as tx:
        return await present(tx, business_id, viewer)


async def present(tx: Transaction, business_id: UUID, viewer: Caller | None) -> BusinessState:
    """The same within a transaction."""
    state = await store.find_profile(tx, business_id)
    if state is None or not state.shows_to(viewer):
        raise NotFound
    return state


async def owned_by(
    here: Businesses, owner_id: UUID, *, after: UUID | None, limit: int
) -> list[BusinessState]:
    """Profiles of somebody's own businesses, oldest first."""
    async with here.db.read() as tx:
        return await store.owned_by(tx, owner_id, after=after, limit=limit)


async def change(
    here: Businesses,
    business_id: UUID,
    actor_id: UUID,
    values: Mapping[str, Any],
    *,
    on_conflict: OnConflict | None,
) -> BusinessState:
    """Writes these fields of the profile. A new zone concerns every future turno, so turnos is asked.

    Under another name it is not verified any more.
    """

    def decide(state: BusinessState) -> BusinessState:
        changed = replace(state, profile=replace(state.profile, **values))
        if rules.is_another_name(state, changed):
            return replace(changed, verified_until=None)
        return changed

    return await changes.apply(here, business_id, actor_id, decide, on_conflict=on_conflict)


async def close(here: Businesses, business_id: UUID, actor_id: UUID) -> None:
    """Deletes the business. Raises BusinessHasAppointments while turnos has future ones."""
    try:
        await changes.apply(here, business_id, actor_id, lambda state: replace(state, deleted=True))
    except NeedsDecision:
        raise BusinessHasAppointments from None


async def tell(here: Businesses, request: GetBusiness) -> Business:
    """The present state for another service, also of a business that was deleted."""
    async with here.db.read() as tx:
        state = await store.find(tx, request.business_id)
    if state is None:
        raise NotFound
    return state.told()
