"""Ratings: by who completed a turno there, one each, changed at will; the counts are those of a recount."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from turnosya.contracts.business import RatingRemoved, SecurityNoted
from turnosya.contracts.turnos import GetVisits
from turnosya.runtime.clock import real_now
from turnosya.runtime.identity import Caller
from turnosya.runtime.ids import new_id
from turnosya.runtime.messages import Conflict, Forbidden, NotFound
from turnosya.services.business import profile
from turnosya.services.business.ratings_state import Rating, Report
from turnosya.services.business.refusals import RatingRequiresVisit
from turnosya.services.business.store import businesses, reports
from turnosya.services.business.store import ratings as store

if TYPE_CHECKING:
    from turnosya.runtime.database import Transaction
    from turnosya.services.business.context import Businesses


async def rate(
    here: Businesses, business_id: UUID, user_id: UUID, *, stars: int, comment: str | None
) -> Rating:
    """Somebody's rating, or another in its place.

    Raises NotFound, RatingRequiresVisit for who never completed a turno there, Forbidden for its owner,
    Conflict for one that an admin has taken out.
    """
    state = await profile.read(here, business_id, None)
    if state.owner_id == user_id:
        raise Forbidden
    visits = await here.bus.call(GetVisits(client_id=user_id, business_id=business_id))
    if visits.completed == 0:
        raise RatingRequiresVisit
    name = await profile.name_of(here, user_id)
    now = real_now()
    async with here.db.transaction() as tx:
        counts = await _counts(tx, business_id)
        before = await store.of_person(tx, business_id, user_id)
        if before is None:
            rating = Rating(
                new_id(),
                business_id,
                user_id,
                _first_name(name),
                stars,
                comment,
                None,
                None,
                now,
                now,
                None,
                None,
            )
        else:
            if before.removed_at is not None:
                raise Conflict
            counts[before.stars - 1] -= 1
            rating = replace(
                before, stars=stars, comment=comment, author_name=_first_name(name), updated_at=now
            )
        counts[stars - 1] += 1
        await store.put(tx, rating)
        await store.set_counts(tx, business_id, counts)
    return rating


def _first_name(name: str | None) -> str | None:
    return name.split()[0] if name else None


async def _counts(tx: Transaction, business_id: UUID) -> list[int]:
    found = await store.lock_counts(tx, business_id)
    if found is None:
        raise NotFound
    return found[1]


async def withdraw(here: Businesses, business_id: UUID, user_id: UUID) -> None:
    """Takes one's own rating back; nothing if there is none."""
    async with here.db.transaction() as tx:
        counts = await _counts(tx, business_id)
        rating = await store.of_person(tx, business_id, user_id)
        if rating is None or rating.removed_at is not None:
            return
        counts[rating.stars - 1] -= 1
        await store.delete(tx, rating.id)
        await store.set_counts(tx, business_id, counts)


async def listed(
    here: Businesses, business_id: UUID, viewer: Caller | None, *, after: UUID | None, limit: int
) -> list[Rating]:
    """What people thought, the latest first."""
    async with here.db.read() as tx:
        await profile.present(tx, business_id, viewer)
        return await store.listed(tx, business_id, after=after, limit=limit)


async def reply(
    here: Businesses, business_id: UUID, rating_id: UUID, user_id: UUID, *, text: str | None
) -> Rating:
    """The owner's answer to a rating; none takes it away. Raises NotFound, Forbidden."""
    async with here.db.transaction() as tx:
        found = await store.lock_counts(tx, business_id)
        rating = await store.find(tx, business_id, rating_id)
        if found is None or rating is None or rating.removed_at is not None:
            raise NotFound
        if found[0] != user_id:
            raise Forbidden
        replied = replace(rating, reply=text, replied_at=real_now() if text else None)
        await store.put(tx, replied)
    return replied


async def report(
    here: Businesses, business_id: UUID, rating_id: UUID, viewer: Caller, *, reason: str
) -> Report:
    """Somebody says that a rating should not be there; once more changes what they say.

    Raises NotFound, Forbidden for who gave it.
    """
    async with here.db.transaction() as tx:
        await profile.present(tx, business_id, viewer)
        rating = await store.find(tx, business_id, rating_id)
        if rating is None or rating.removed_at is not None:
            raise NotFound
        if rating.user_id == viewer.user_id:
            raise Forbidden
        said = Report(new_id(), rating_id, viewer.user_id, reason, real_now())
        return await reports.put(tx, said, changed_at=rating.updated_at)


async def reported(here: Businesses, *, after: UUID | None, limit: int) -> list[tuple[Report, Rating]]:
    """Reports that no admin has looked at, those that wait longest first."""
    async with here.db.read() as tx:
        return await reports.waiting(tx, after=after, limit=limit)


async def dismiss(here: Businesses, business_id: UUID, rating_id: UUID, admin_id: UUID) -> None:
    """An admin lets a rating stand, whatever was said of it; nothing if nothing was. Raises NotFound."""
    now = real_now()
    async with here.db.transaction() as tx:
        rating = await store.find(tx, business_id, rating_id)
        if rating is None:
            raise NotFound
        await reports.settle(tx, rating_id, at=now)
        await tx.publish(_noted("rating_kept", rating, admin_id, now))


async def remove(
    here: Businesses, business_id: UUID, rating_id: UUID, admin_id: UUID, *, reason: str
) -> Rating:
    """An admin takes one out: kept with the reason, told to who gave it; once more changes nothing."""
    now = real_now()
    async with here.db.transaction() as tx:
        counts = await _counts(tx, business_id)
        rating = await store.find(tx, business_id, rating_id)
        if rating is None:
            raise NotFound
        if rating.removed_at is not None:
            return rating
        counts[rating.stars - 1] -= 1
        removed = replace(rating, removed_at=now, removed_reason=reason)
        await store.put(tx, removed)
        await store.set_counts(tx, business_id, counts)
        await reports.settle(tx, rating_id, at=now)
        await tx.publish(_noted("rating_removed", rating, admin_id, now))
        state = await businesses.find_profile(tx, business_id)
        if rating.user_id is not None and state is not None:
            told = RatingRemoved(
                business_id=business_id,
                business_name=state.profile.name,
                client_id=rating.user_id,
                reason=reason,
            )
            await tx.publish(told)
    return removed


def _noted(kind: str, rating: Rating, admin_id: UUID, now: datetime) -> SecurityNoted:
    return SecurityNoted(kind=kind, actor_id=admin_id, subject_id=rating.user_id, at=now)
