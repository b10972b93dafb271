"""The SQL of the search: words with typos, categories, distance and rating, in a stable order."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, radians
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import ColumnElement, Float, Select, case, cast, func, literal, or_, select, tuple_

from turnosya.runtime.database import Transaction
from turnosya.services.business.sought import sought
from turnosya.services.business.state import BusinessState, Location
from turnosya.services.business.store.businesses import state_of
from turnosya.services.business.tables import businesses

Sort = Literal["relevance", "distance", "rating", "newest"]

EARTH_M = 6_371_008.8
_METRES_A_DEGREE = 111_195.0
# Of the trigrams of a word that is looked for, so many must be in the best stretch of a text (0 to 1).
_LIKE_ENOUGH = 0.37
_LONG_ENOUGH = 5


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody looks for."""

    words: str = ""
    category: str | None = None
    near: Location | None = None
    radius_m: float | None = None
    sort: Sort | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A business and its place in the order."""

    state: BusinessState
    rank: float


async def search(
    tx: Transaction, wanted: Wanted, *, after: tuple[float, UUID] | None, limit: int
) -> list[Found]:
    """Businesses that are open to the public, the best first; equal ones by their age."""
    # For this transaction: the operator that the index knows goes by it.
    threshold = func.set_config("pg_trgm.word_similarity_threshold", str(_LIKE_ENOUGH), True)
    await tx.execute(select(threshold))
    rank = _rank(wanted).label("rank")
    columns = [*businesses.c, rank]
    if wanted.near is not None:
        columns.append(_distance(wanted.near).label("distance_m"))
    shown = [~businesses.c.deleted, businesses.c.suspended_at.is_(None)]
    statement: Select[Any] = select(*columns).where(*shown, *_conditions(wanted))
    found = statement.subquery()
    page = select(found).order_by(found.c.rank, found.c.id).limit(limit)
    if after is not None:
        page = page.where(
            tuple_(found.c.rank, found.c.id) > tuple_(literal(after[0], Float), literal(after[1]))
        )
    rows = (await tx.execute(page)).mappings()
    return [Found(state_of(row), row["rank"]) for row in rows]


def _conditions(wanted: Wanted) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    conditions += [_like(word) for word in sought(wanted.words).split()]
    if wanted.category is not None:
        conditions.append(func.lower(businesses.c.category) == wanted.category.lower())
    if wanted.near is not None:
        conditions.append(businesses.c.lat.is_not(None))
        if wanted.radius_m is not None:
            conditions += _within(wanted.near, wanted.radius_m)
    return conditions


def _like(word: str) -> ColumnElement[bool]:
    contained = businesses.c.sought.contains(word, autoescape=True)
    # A typing error in a short word makes another word of it.
    if len(word) < _LONG_ENOUGH:
        return contained
    return or_(contained, literal(word).op("<%", is_comparison=True)(businesses.c.sought))


def _within(near: Location, radius_m: float) -> list[ColumnElement[bool]]:
    degrees = radius_m / _METRES_A_DEGREE
    conditions: list[ColumnElement[bool]] = [
        businesses.c.lat.between(near.lat - degrees, near.lat + degrees),
        _distance(near) <= radius_m,
    ]
    shrunk = cos(radians(min(89.0, abs(near.lat) + degrees)))
    if degrees / shrunk < 180 - abs(near.lon):
        conditions.append(businesses.c.lon.between(near.lon - degrees / shrunk, near.lon + degrees / shrunk))
    return conditions


def _distance(near: Location) -> ColumnElement[float]:
    """Metres on the sphere (haversine)."""
    lat, lon = func.radians(businesses.c.lat), func.radians(businesses.c.lon)
    half = func.pow(func.sin((lat - radians(near.lat)) / 2), 2) + func.cos(lat) * cos(
        radians(near.lat)
    ) * func.pow(func.sin((lon - radians(near.lon)) / 2), 2)
    return 2 * EARTH_M * func.asin(func.sqrt(func.least(1.0, half)))


def _rank(wanted: Wanted) -> ColumnElement[float]:
    """What the order goes by, the least first."""
    words = sought(wanted.words)
    sort = wanted.sort or ("relevance" if words else "distance" if wanted.near is not None else None)
    if sort == "distance" and wanted.near is not None:
        return cast(_distance(wanted.near), Float)
    if sort == "rating":
        return -_esteem()
    if sort == "newest":
        return cast(-func.extract("epoch", businesses.c.created_at), Float)
    if sort == "relevance" and words:
        in_name = case((businesses.c.sought_name.contains(words, autoescape=True), 1.0), else_=0.0)
        likeness = func.word_similarity(words, businesses.c.sought_name)
        return cast(-(in_name * 2 + likeness + func.word_similarity(words, businesses.c.sought)), Float)
    return literal(0.0, Float)


def _esteem() -> ColumnElement[float]:
    """Stars on average as if three people more had given four: one five alone is not the best of all."""
    counts = [businesses.c.rating_counts[star] for star in range(1, 6)]
    stars = sum((star * count for star, count in enumerate(counts, 1)), start=literal(12.0, Float))
    people = sum(counts, start=literal(3.0, Float))
    return cast(stars / people, Float)
