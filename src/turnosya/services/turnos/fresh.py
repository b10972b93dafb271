"""Beginning again when what was read before the locks is no longer so."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from turnosya.runtime.database import Database
from turnosya.runtime.idempotency import Kept, Once
from turnosya.runtime.messages import Invalid, NotFound, Unavailable

T = TypeVar("T")

# A try is lost only to a change of the very same thing between two reads some milliseconds apart.
TRIES = 5


class Stale(Exception):
    """What was read before the locks has changed meanwhile; the transaction is to be left."""


async def until_fresh(attempt: Callable[[], Awaitable[T]]) -> T:
    """The outcome of the first try that was not stale; ``Unavailable`` if none of some was fresh."""
    for _ in range(TRIES):
        try:
            return await attempt()
        except Stale:
            continue
    raise Unavailable


async def unless_kept(db: Database, once: Once, attempt: Callable[[], Awaitable[Kept]]) -> Kept:
    """The outcome of ``attempt``; where what it needs is gone by now, the first answer of its key again."""
    try:
        return await attempt()
    except (Invalid, NotFound):
        async with db.transaction() as tx:
            kept = await once.kept(tx)
        if kept is None:
            raise
        return kept
