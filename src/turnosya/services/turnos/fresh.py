"""Beginning again when what was read before the locks is no longer so."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from turnosya.runtime.messages import Unavailable

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
