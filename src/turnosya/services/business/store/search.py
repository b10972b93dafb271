"""The SQL of the search: words with typos, categories, distance and rating, in a stable order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import cos, inf, radians
from typing import Any, Literal, NamedTuple
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Float,
    Integer,
    Select,
    case,
    cast,
    func,
    literal,
    literal_column,
    select,
    text,
    tuple_,
)
from sqlalchemy.dialects.postgresql import TSQUERY

from turnosya.runtime.database import Transaction
from turnosya.services.business import rules
from turnosya.services.business.categories import spellings
from turnosya.services.business.sought import sought
from turnosya.services.business.state import BusinessState, Location
from turnosya.services.business.store.businesses import READ, state_of
from turnosya.services.business.store.found_by import Looked, look_up, words_of
from turnosya.services.business.store.found_by import query as match
from turnosya.services.business.tables import businesses

Sort = Literal["relevance", "distance", "rating", "newest"]

EARTH_M = 6_371_008.8
_METRES_A_DEGREE = 111_195.0
# Who asks for the nearest is answered from around them, and from further away only if there are too few.
_AROUND_M = (2_000.0, 10_000.0, 50_000.0, 250_000.0)
_WORDS_AT_MOST = 12
# By relevance: what is called so, what says so, what says something like it.
TIERS = 3
# More matches than this are not sorted: 12,500 of 100,000 took 140 ms.
_MANY = 800
# For a transaction of the search. Planned anew for what is asked: a word has ten businesses or thousands.
# The first 800 that match would be looked for row by row, where the index knows them.
_PLANNING = {
    "plan_cache_mode": "force_custom_plan",
    "enable_seqscan": "off",
    "pg_trgm.similarity_threshold": "0.3",
}
_OTHER_WAYS = ("enable_bitmapscan", "enable_sort")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody looks for."""

    words: str = ""
    category: str | None = None
    near: Location | None = None
    radius_m: float | None = None
    min_rating: float | None = None
    verified_at: datetime | None = None
    """Only those that are verified then."""
    sort: Sort | None = None

    @property
    def order(self) -> Sort | None:
        """What the answer goes by; None is by age."""
        if self.sort == "distance" and self.near is None:
            return None
        if self.sort == "relevance" and not self.words:
            return None
        if self.sort is not None:
            return self.sort
        return "relevance" if self.words else "distance" if self.near is not None else None

    @property
    def is_narrow(self) -> bool:
        """Whether anything is asked for that some businesses have and others have not."""
        narrowing = (self.category, self.min_rating, self.radius_m, self.verified_at)
        return bool(self.words) or any(one is not None for one in narrowing)


class Place(NamedTuple):
    """Where in the order a business stands, the least first: its tier, its rank in it, then its id."""

    tier: int
    rank: float
    id: UUID


@dataclass(frozen=True, slots=True)
class Found:
    """A business and its place in the order."""

    state: BusinessState
    place: Place


@dataclass(frozen=True, slots=True)
class _Query:
    """What the words of a business must match: in its name, anywhere, or with what is like them."""

    in_name: ColumnElement[Any]
    exact: ColumnElement[Any]
    alike: ColumnElement[Any]


async def search(tx: Transaction, wanted: Wanted, *, after: Place | None, limit: int) -> list[Found]:
    """Businesses that are open to the public, the best first; equal ones by their age.

    By relevance that is: the words in the name, then anywhere, then what is like them; of each the esteemed
    first.
    """
    await _set(tx, _PLANNING)
    query = await _query(tx, wanted.words) if wanted.words else None
    if wanted.order == "distance":
        chosen = await _nearest(tx, wanted, query, after=after, limit=limit)
    else:
        chosen = await _in_order(tx, wanted, query, after=after, limit=limit)
    return await _whole(tx, wanted, chosen)


async def _nearest(
    tx: Transaction, wanted: Wanted, query: _Query | None, *, after: Place | None, limit: int
) -> list[Place]:
    found: list[Place] = []
    for radius_m in _radii(wanted, after):
        found = await _sorted(tx, _matching(wanted, query, after, radius_m=radius_m), limit)
        if len(found) >= limit:
            break
    return found


async def _in_order(
    tx: Transaction, wanted: Wanted, query: _Query | None, *, after: Place | None, limit: int
) -> list[Place]:
    statement = _matching(wanted, query, after, radius_m=wanted.radius_m)
    few = await _few(tx, statement, limit) if wanted.is_narrow else None
    if few is not None:
        return few
    found: list[Place] = []
    for tier, part in enumerate(_tiers(wanted, query)):
        if len(found) < limit and (after is None or after.tier <= tier):
            begin = after if after is not None and after.tier == tier else None
            one = _matching(wanted, query, begin, radius_m=wanted.radius_m, tier=tier).where(*part)
            left = limit - len(found)
            few = await _few(tx, one, left) if wanted.is_narrow else None
            found += await _walked(tx, one, left) if few is None else few
    return found


async def _few(tx: Transaction, statement: Select[int, float, Any], limit: int) -> list[Place] | None:
    """The first in order, if all that match are few enough to be sorted; None if there are more."""
    matching = statement.limit(_MANY + 1).cte("matching").prefix_with("MATERIALIZED")
    counted = select(*matching.c, func.count().over().label("matching"))
    order = (matching.c.tier, matching.c.rank, matching.c.id)
    rows = (await tx.execute(counted.order_by(*order).limit(limit))).all()
    if rows and rows[0].matching > _MANY:
        return None
    return [Place(row.tier, row.rank, row.id) for row in rows]


async def _walked(tx: Transaction, statement: Select[int, float, Any], limit: int) -> list[Place]:
    """The same of very many: by the index that has them in order, one in a hundred or so is wanted."""
    await _set(tx, dict.fromkeys(_OTHER_WAYS, "off"))
    found = await _sorted(tx, statement, limit)
    await _set(tx, dict.fromkeys(_OTHER_WAYS, "on"))
    return found


async def _sorted(tx: Transaction, statement: Select[int, float, Any], limit: int) -> list[Place]:
    rows = await tx.execute(statement.order_by(text("rank"), businesses.c.id).limit(limit))
    return [Place(row.tier, row.rank, row.id) for row in rows]


def _matching(
    wanted: Wanted,
    query: _Query | None,
    after: Place | None,
    *,
    radius_m: float | None,
    tier: int | None = None,
) -> Select[int, float, Any]:
    """``tier``, ``rank`` and ``id`` of all that match after a place; of one tier if it is named."""
    rank = _rank(wanted)
    in_tier = _tier(wanted, query) if tier is None else literal_column(str(tier), Integer)
    statement = select(in_tier.label("tier"), rank.label("rank"), businesses.c.id).where(
        ~businesses.c.deleted, businesses.c.suspended_at.is_(None), *_conditions(wanted, query, radius_m)
    )
    if after is None:
        return statement
    one_tier = tier is not None or query is None or wanted.order != "relevance"
    place, seen = [rank, businesses.c.id], [literal(after.rank, Float), literal(after.id)]
    if not one_tier:
        place, seen = [in_tier, *place], [literal(after.tier), *seen]
    return statement.where(tuple_(*place) > tuple_(*seen))


async def _whole(tx: Transaction, wanted: Wanted, chosen: Sequence[Place]) -> list[Found]:
    columns: list[ColumnElement[Any]] = [*READ]
    if wanted.near is not None:
        columns.append(_distance(wanted.near).label("distance_m"))
    statement = select(*columns).where(businesses.c.id.in_([place.id for place in chosen]))
    states = {row["id"]: state_of(row) for row in (await tx.execute(statement)).mappings()}
    # Who was deleted between the two statements is not shown.
    return [Found(states[place.id], place) for place in chosen if place.id in states]


async def _set(tx: Transaction, values: Mapping[str, str]) -> None:
    """Settings of the server for the rest of this transaction."""
    await tx.execute(select(*(func.set_config(name, value, True) for name, value in values.items())))


def _radii(wanted: Wanted, after: Place | None) -> Iterator[float | None]:
    at_least, at_most = 0.0 if after is None else after.rank, wanted.radius_m or inf
    yield from (radius_m for radius_m in _AROUND_M if at_least < radius_m < at_most)
    yield wanted.radius_m


async def _query(tx: Transaction, text: str) -> _Query | None:
    """What matches the words; None where there is no word in them."""
    looked = await look_up(tx, words_of(text)[:_WORDS_AT_MOST])
    telling = [one for one in looked if not one.is_filler] or looked
    if not telling:
        return None
    exact = [_as_typed(one.word) for one in telling]
    return _Query(
        in_name=_all_of([_as_typed(one.word, weight="A") for one in telling]),
        exact=_all_of(exact),
        alike=_all_of([_widened(query, one) for query, one in zip(exact, telling, strict=True)]),
    )


def _as_typed(word: str, weight: str = "") -> ColumnElement[Any]:
    """Its stem, or words that begin with it."""
    return _any_of(match("spanish", f"{word}:{weight}"), match("simple", f"{word}:*{weight}"))


def _widened(query: ColumnElement[Any], looked: Looked) -> ColumnElement[Any]:
    alike = " | ".join(word for word in looked.alike if rules.is_a_slip(looked.word, word))
    return _any_of(query, match("spanish", alike), match("simple", alike)) if alike else query


def _any_of(first: ColumnElement[Any], *others: ColumnElement[Any]) -> ColumnElement[Any]:
    for one in others:
        first = first.op("||", return_type=TSQUERY())(one)
    return first


def _all_of(queries: Sequence[ColumnElement[Any]]) -> ColumnElement[Any]:
    first, *rest = queries
    for one in rest:
        first = first.op("&&", return_type=TSQUERY())(one)
    return first


def _conditions(wanted: Wanted, query: _Query | None, radius_m: float | None) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if query is not None:
        conditions.append(_matches(query.alike))
    elif wanted.words:
        # Signs alone, which are in no index.
        conditions.append(businesses.c.sought_name.contains(sought(wanted.words), autoescape=True))
    if wanted.category is not None:
        conditions.append(businesses.c.sought_category.in_(spellings(wanted.category)))
    if wanted.min_rating is not None:
        conditions.append(businesses.c.average >= wanted.min_rating)
    if wanted.verified_at is not None:
        conditions.append(businesses.c.verified_until > wanted.verified_at)
    if wanted.near is not None:
        conditions.append(businesses.c.lat.is_not(None))
        if radius_m is not None:
            conditions += _within(wanted.near, radius_m)
    return conditions


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


def _tiers(wanted: Wanted, query: _Query | None) -> list[list[ColumnElement[bool]]]:
    """What is so of the businesses of each tier; of all there is one, unless it goes by relevance."""
    if query is None or wanted.order != "relevance":
        return [[]]
    in_name, exact = _matches(query.in_name), _matches(query.exact)
    return [[in_name], [exact, ~in_name], [~exact]]


def _tier(wanted: Wanted, query: _Query | None) -> ColumnElement[int]:
    if query is None or wanted.order != "relevance":
        return literal_column("0", Integer)
    return case((_matches(query.in_name), 0), (_matches(query.exact), 1), else_=2)


def _matches(query: ColumnElement[Any]) -> ColumnElement[bool]:
    return businesses.c.words.op("@@", is_comparison=True)(query)


def _rank(wanted: Wanted) -> ColumnElement[float]:
    """What a tier goes by; made of the row and of what is asked alone, for the cursors."""
    if wanted.order == "distance" and wanted.near is not None:
        return cast(_distance(wanted.near), Float)
    if wanted.order in {"rating", "relevance"}:
        return -businesses.c.esteem
    if wanted.order == "newest":
        # As the index has it.
        return literal_column(
            "CAST(-extract(epoch FROM businesses.created_at AT TIME ZONE 'UTC') AS double precision)", Float
        )
    return literal_column("CAST(0 AS double precision)", Float)
