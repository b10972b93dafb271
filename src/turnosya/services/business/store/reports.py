"""The SQL of reports of ratings."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, case, delete, select, update
from sqlalchemy.dialects.postgresql import insert

from turnosya.runtime.database import Transaction
from turnosya.services.business.ratings_state import Rating, Report
from turnosya.services.business.tables import rating_reports, ratings

_COLUMNS = ("id", "rating_id", "user_id", "reason", "created_at")


async def put(tx: Transaction, report: Report, *, changed_at: datetime) -> Report:
    """Stores a report, or its reason in place of the one that this person gave; what is stored.

    One that an admin has settled is open again only if the rating was changed since then.
    """
    said = {name: getattr(report, name) for name in _COLUMNS}
    still = case((rating_reports.c.settled_at > changed_at, rating_reports.c.settled_at), else_=None)
    statement = insert(rating_reports).values(**said)
    stored = await tx.execute(
        statement.on_conflict_do_update(
            index_elements=["rating_id", "user_id"], set_={"reason": report.reason, "settled_at": still}
        ).returning(rating_reports)
    )
    return _report(stored.mappings().one())


async def settle(tx: Transaction, rating_id: UUID, *, at: datetime) -> None:
    """An admin has looked at all that was said of a rating."""
    open_ones = (rating_reports.c.rating_id == rating_id) & rating_reports.c.settled_at.is_(None)
    await tx.execute(update(rating_reports).where(open_ones).values(settled_at=at))


async def waiting(tx: Transaction, *, after: UUID | None, limit: int) -> list[tuple[Report, Rating]]:
    """Reports that nobody has looked at, with the ratings, those that wait longest first."""
    named = [ratings.c[name].label(f"rating_{name}") for name in Rating.__slots__ if name != "id"]
    statement = (
        select(rating_reports, *named)
        .join(ratings, ratings.c.id == rating_reports.c.rating_id)
        .where(rating_reports.c.settled_at.is_(None))
        .order_by(rating_reports.c.id)
        .limit(limit)
    )
    if after is not None:
        statement = statement.where(rating_reports.c.id > after)
    return [(_report(row), _rating(row)) for row in (await tx.execute(statement)).mappings()]


def _report(row: RowMapping) -> Report:
    return Report(**{name: row[name] for name in _COLUMNS})


def _rating(row: RowMapping) -> Rating:
    columns: dict[str, Any] = {
        name: row["rating_id" if name == "id" else f"rating_{name}"] for name in Rating.__slots__
    }
    return Rating(**columns)


async def made_by(tx: Transaction, user_id: UUID) -> Sequence[Report]:
    """What somebody reported."""
    mine = rating_reports.c.user_id == user_id
    found = await tx.execute(select(rating_reports).where(mine).order_by(rating_reports.c.id))
    return [_report(row) for row in found.mappings()]


async def forget(tx: Transaction, user_id: UUID) -> None:
    """Nothing that somebody reported is known any more."""
    await tx.execute(delete(rating_reports).where(rating_reports.c.user_id == user_id))
