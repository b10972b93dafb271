"""The SQL of ratings: one person's, those that are shown, and their counts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, select, update
from sqlalchemy.dialects.postgresql import insert

from turnosya.runtime.database import Transaction
from turnosya.services.business.ratings_state import Rating, average, esteem
from turnosya.services.business.tables import businesses, rating_invitations, ratings


def _rating(row: RowMapping) -> Rating:
    return Rating(**{name: row[name] for name in Rating.__slots__})


async def lock_counts(tx: Transaction, business_id: UUID) -> tuple[UUID, list[int]] | None:
    """Owner and counts of a business that is not deleted; nobody else counts until this ends."""
    found = await tx.execute(
        select(businesses.c.owner_id, businesses.c.rating_counts)
        .where(businesses.c.id == business_id, ~businesses.c.deleted)
        .with_for_update()
    )
    row = found.first()
    return None if row is None else (row.owner_id, list(row.rating_counts))


async def set_counts(tx: Transaction, business_id: UUID, counts: Sequence[int]) -> None:
    """How many gave how many stars."""
    await tx.execute(
        update(businesses)
        .where(businesses.c.id == business_id)
        .values(rating_counts=list(counts), average=average(counts), esteem=esteem(counts))
    )


async def find(tx: Transaction, business_id: UUID, rating_id: UUID) -> Rating | None:
    """One rating of a business, removed ones too."""
    return await _first(tx, ratings.c.business_id == business_id, ratings.c.id == rating_id)


async def of_person(tx: Transaction, business_id: UUID, user_id: UUID) -> Rating | None:
    """What somebody gave."""
    return await _first(tx, ratings.c.business_id == business_id, ratings.c.user_id == user_id)


async def _first(tx: Transaction, *where: Any) -> Rating | None:  # noqa: ANN401 - conditions
    row = (await tx.execute(select(ratings).where(*where))).mappings().first()
    return None if row is None else _rating(row)


async def put(tx: Transaction, rating: Rating) -> None:
    """Stores a rating in place of the one with its id."""
    columns = {name: getattr(rating, name) for name in Rating.__slots__}
    changed = await tx.execute(update(ratings).where(ratings.c.id == rating.id).values(**columns))
    if changed.rowcount == 0:
        await tx.execute(ratings.insert().values(**columns))


async def delete(tx: Transaction, rating_id: UUID) -> None:
    """Takes one away."""
    await tx.execute(ratings.delete().where(ratings.c.id == rating_id))


async def listed(tx: Transaction, business_id: UUID, *, after: UUID | None, limit: int) -> list[Rating]:
    """Those that are shown, the latest first."""
    statement = (
        select(ratings)
        .where(ratings.c.business_id == business_id, ratings.c.removed_at.is_(None))
        .order_by(ratings.c.id.desc())
        .limit(limit)
    )
    if after is not None:
        statement = statement.where(ratings.c.id < after)
    return [_rating(row) for row in (await tx.execute(statement)).mappings()]


async def given_by(tx: Transaction, user_id: UUID) -> list[Rating]:
    """All that somebody gave."""
    found = await tx.execute(select(ratings).where(ratings.c.user_id == user_id).order_by(ratings.c.id))
    return [_rating(row) for row in found.mappings()]


async def note_invitation(tx: Transaction, business_id: UUID, user_id: UUID, *, at: datetime) -> bool:
    """Notes that somebody is invited to rate a business; False if they were before."""
    row = {"business_id": business_id, "user_id": user_id, "invited_at": at}
    noted = await tx.execute(insert(rating_invitations).values(**row).on_conflict_do_nothing())
    return noted.rowcount == 1


async def invited(tx: Transaction, user_id: UUID) -> list[tuple[UUID, datetime]]:
    """Which businesses somebody was invited to rate, and when."""
    found = await tx.execute(
        select(rating_invitations.c.business_id, rating_invitations.c.invited_at)
        .where(rating_invitations.c.user_id == user_id)
        .order_by(rating_invitations.c.invited_at)
    )
    return [(row.business_id, row.invited_at) for row in found]


async def forget(tx: Transaction, user_id: UUID) -> None:
    """The stars stay; the words and who said them go, and who was invited."""
    await tx.execute(rating_invitations.delete().where(rating_invitations.c.user_id == user_id))
    await tx.execute(
        update(ratings)
        .where(ratings.c.user_id == user_id)
        .values(user_id=None, author_name=None, comment=None)
    )
