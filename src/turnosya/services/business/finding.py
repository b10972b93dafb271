"""Looking for businesses: those that match, and of these the ones that are open, or have a time left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING
from uuid import UUID

from turnosya.contracts.turnos import GetFreeOn, GetOpenNow
from turnosya.services.business.store import search as store
from turnosya.services.business.store.search import Found, Place, Wanted

if TYPE_CHECKING:
    from turnosya.services.business.context import Businesses

# Turnos answers for so many at once; of so many an answer is made, then the caller goes on with the cursor.
ASKED_AT_ONCE = 50
_LOOKED_AT = 4 * ASKED_AT_ONCE


@dataclass(frozen=True, slots=True)
class When:
    """What somebody wants of the hours, which turnos knows."""

    open_now: bool = False
    free_on: date | None = None

    @property
    def matters(self) -> bool:
        """Whether turnos has to be asked."""
        return self.open_now or self.free_on is not None


@dataclass(frozen=True, slots=True)
class Page:
    """Up to ``limit`` businesses in order; ``cut_after`` is where to go on if the search was ended early."""

    found: Sequence[Found]
    cut_after: Found | None = None


async def search(here: Businesses, wanted: Wanted, when: When, *, after: Place | None, limit: int) -> Page:
    """Businesses by words, category, place, rating and hours, the best first.

    Raises Unavailable with turnos away, if it matters when.
    """
    reading = _LOOKED_AT if when.matters else limit
    async with here.db.transaction() as tx:
        candidates = await store.search(tx, wanted, after=after, limit=reading)
    if not when.matters:
        return Page(candidates)
    found: list[Found] = []
    for first in range(0, len(candidates), ASKED_AT_ONCE):
        asked = candidates[first : first + ASKED_AT_ONCE]
        ids = await _suiting(here, [one.state.id for one in asked], when)
        found += [one for one in asked if one.state.id in ids]
        if len(found) >= limit:
            return Page(found[:limit])
    return Page(found, candidates[-1] if len(candidates) == _LOOKED_AT else None)


async def _suiting(here: Businesses, ids: list[UUID], when: When) -> set[UUID]:
    if when.open_now:
        ids = (await here.bus.call(GetOpenNow(business_ids=ids))).business_ids
    if when.free_on is not None and ids:
        ids = (await here.bus.call(GetFreeOn(business_ids=ids, day=when.free_on))).business_ids
    return set(ids)
