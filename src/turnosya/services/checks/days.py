"""How each service was on each of the last 90 days: looks are counted in memory and added now and then."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, timedelta
from typing import TYPE_CHECKING

import structlog

from turnosya.runtime.clock import real_now
from turnosya.runtime.messages import Unavailable
from turnosya.services.checks.store import days as store
from turnosya.services.checks.store.days import Looks

if TYPE_CHECKING:
    from turnosya.runtime.database import Transaction
    from turnosya.services.checks.context import Checks

log = structlog.get_logger()

SHOWN_DAYS = 90
_KEEP_S = 30.0
# A page that many load is read for all of them once in so long.
_FRESH_S = 10.0

Known = dict[str, list[tuple[date, Looks]]]


def count(checks: Checks) -> None:
    """Adds the last look to what will be kept."""
    today = real_now().astimezone(UTC).date()
    for name, health in checks.seen.items():
        was = checks.tally.get((name, today), Looks())
        checks.tally[name, today] = Looks(
            was.well + (health.status == "ok"),
            was.unwell + (health.status == "degraded"),
            was.down + (health.status == "down"),
        )


async def keep_forever(checks: Checks) -> None:
    """Keeps what was counted, twice a minute; what a kill loses is less than that."""
    while True:
        await asyncio.sleep(_KEEP_S)
        try:
            await keep(checks)
        except Unavailable:
            log.warning("health_of_the_day_put_off")


async def keep(checks: Checks) -> None:
    """The same, now. What could not be stored is added with the next; raises ``Unavailable`` then."""
    tally, checks.tally = checks.tally, {}
    try:
        if tally:
            await store.add(checks.db, tally)
    except Unavailable:
        for key, looks in tally.items():
            now = checks.tally.get(key, Looks())
            checks.tally[key] = Looks(looks.well + now.well, looks.unwell + now.unwell, looks.down + now.down)
        raise


async def known(checks: Checks) -> Known | None:
    """The days of each service; None when the database does not answer now."""
    loop = asyncio.get_running_loop()
    async with checks.reading_days:
        if loop.time() - checks.days_read_at > _FRESH_S:
            try:
                async with checks.db.read() as tx:
                    checks.days = await store.read(tx, since=_first_day())
            except Unavailable:
                checks.days = None
            checks.days_read_at = loop.time()
    return checks.days


async def forget(tx: Transaction) -> None:
    """Deletes the days that are shown no more."""
    await store.forget(tx, before=_first_day())


def _first_day() -> date:
    return real_now().astimezone(UTC).date() - timedelta(days=SHOWN_DAYS - 1)
