"""Writing what became of something although the database is away: once more until it is back."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from turnosya.runtime.messages import Unavailable

T = TypeVar("T")

_AGAIN_S = 0.2


async def outlast(write: Callable[[], Awaitable[T]], *, within_s: float) -> T:
    """What ``write`` returns, tried again until the database is back; ``Unavailable`` after ``within_s``.

    The last try may have been stored although nobody heard so: ``write`` must change nothing a second time.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + within_s
    while True:
        try:
            return await write()
        except Unavailable:
            if loop.time() + _AGAIN_S > until:
                raise
            await asyncio.sleep(_AGAIN_S)
