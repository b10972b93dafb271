"""An owner or a member as a person: what business holds about them, and running things without them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any
from uuid import UUID

from turnosya.contracts.business import GetHeld, PersonForgotten
from turnosya.contracts.users import Held, PersonErased
from turnosya.runtime.database import Transaction, unmarked
from turnosya.runtime.messages import NotFound
from turnosya.services.business import changes
from turnosya.services.business.slugs import with_mark
from turnosya.services.business.state import BusinessState, StaffMember
from turnosya.services.business.store import businesses as store
from turnosya.services.business.store import ratings, reports, verifications

if TYPE_CHECKING:
    from turnosya.services.business.context import Businesses

HOLDS: Mapping[str, str] = {
    "businesses": "exported; closed, with what its owner wrote of it taken off",
    "rating_invitations": "exported; deleted",
    "rating_reports": "exported; deleted",
    "ratings": "exported; the stars stay, the words and who said them go",
    "verification_steps": "exported; deleted with the owner's, of an admin's the id goes",
    "staff": "exported; the account and the name are taken off",
}
"""Every table with a column that names a person, and what becomes of it."""

_NOBODY = "—"


async def held(here: Businesses, request: GetHeld) -> Held:
    """Businesses somebody owns, and where they work."""
    async with here.db.read() as tx:
        found = await store.of_person(tx, request.user_id)
        given = await ratings.given_by(tx, request.user_id)
        invited = await ratings.invited(tx, request.user_id)
        said = await reports.made_by(tx, request.user_id)
        steps = await verifications.decided_by(tx, request.user_id)
        states = [state for one in found if (state := await store.find(tx, one)) is not None]
    owned = [state for state in states if state.owner_id == request.user_id]
    worked = [
        {"business_id": str(state.id), "business": state.profile.name, "name": member.name}
        for state in states
        for member in state.staff
        if member.user_id == request.user_id
    ]
    rated = [
        {"business_id": str(one.business_id), "stars": one.stars, "comment": one.comment} for one in given
    ]
    invitations = [{"business_id": str(one), "invited_at": at.isoformat()} for one, at in invited]
    return Held(
        records={
            "businesses": [_shown(state) for state in owned],
            "staff": worked,
            "ratings": rated,
            "rating_invitations": invitations,
            "rating_reports": [
                {"rating_id": str(one.rating_id), "reason": one.reason, "at": one.created_at.isoformat()}
                for one in said
            ],
            "verification_steps": [
                {"business_id": str(of), "at": one.at.isoformat(), "what": one.what, "reason": one.reason}
                for of, one in steps
            ],
        }
    )


def _shown(state: BusinessState) -> dict[str, Any]:
    profile = asdict(state.profile)
    return {"id": str(state.id), "created_at": state.created_at.isoformat(), **profile}


async def forget(here: Businesses, event: PersonErased) -> None:
    """Closes the businesses of an erased owner, whose clients are told, and takes their name off the rest."""
    with unmarked():
        async with here.db.read() as tx:
            owned = await store.owned_by(tx, event.user_id, after=None, limit=1000)
        for state in owned:
            await _close(here, state.id, event.user_id)
    async with here.db.transaction() as tx:
        for business_id in await store.of_person(tx, event.user_id):
            await _take_off(here, tx, business_id, event.user_id)
        await ratings.forget(tx, event.user_id)
        await verifications.forget_actor(tx, event.user_id)
        await reports.forget(tx, event.user_id)
        await tx.publish(PersonForgotten(user_id=event.user_id, key=event.key))


async def _close(here: Businesses, business_id: UUID, owner_id: UUID) -> None:
    try:
        await changes.apply(
            here, business_id, owner_id, lambda state: replace(state, deleted=True), on_conflict="cancel"
        )
    except NotFound:
        return


async def _take_off(here: Businesses, tx: Transaction, business_id: UUID, user_id: UUID) -> None:
    before = await store.lock(tx, business_id)
    if before is None:
        return
    profile, slug = before.profile, before.slug
    if before.owner_id == user_id:
        await verifications.forget_business(tx, business_id)
        profile = replace(
            profile, name=_NOBODY, description=None, address=None, location=None,
            phone=None, email=None, website=None,
        )  # fmt: skip
        # It is made of the name.
        slug = with_mark("", before.id)
    after = replace(
        before, profile=profile, slug=slug, staff=tuple(_nameless(one, user_id) for one in before.staff)
    )
    if after == before:
        return
    after = replace(after, version=await store.reserve_version(tx, business_id))
    await changes.commit(tx, before, after, now=here.clock.now())


def _nameless(member: StaffMember, user_id: UUID) -> StaffMember:
    return replace(member, user_id=None, name=_NOBODY) if member.user_id == user_id else member
