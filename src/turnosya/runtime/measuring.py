"""What is measured because it grows unseen: queues in the database, connections, a loop that is late."""

import asyncio

import structlog

from turnosya.runtime import inbox, metrics, outbox
from turnosya.runtime.database import Database
from turnosya.runtime.messages import Unavailable

log = structlog.get_logger()

_EVERY_S = 5.0
_LAG_EVERY_S = 0.5


async def measure_forever(db: Database, name: str) -> None:
    """Looks at the database of a service every 5 s."""
    while True:
        await asyncio.sleep(_EVERY_S)
        try:
            await measure(db, name)
        except Unavailable:
            log.info("not_measured", service=name)


async def measure(db: Database, name: str) -> None:
    """The same, once; raises ``Unavailable`` when the database is away."""
    metrics.pool_used.labels(name).set(db.connections_in_use)
    metrics.pool_size.labels(name).set(db.pool_size)
    for depth, waiting, oldest_s in (
        (outbox.depth, metrics.outbox_waiting, metrics.outbox_oldest_s),
        (inbox.depth, metrics.inbox_waiting, metrics.inbox_oldest_s),
    ):
        count, age_s = await depth(db)
        waiting.labels(name).set(count)
        oldest_s.labels(name).set(age_s)


async def watch_loop() -> None:
    """Counts for ever how late this process's loop comes to what is due: work that blocks it shows here."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + _LAG_EVERY_S
        await asyncio.sleep(_LAG_EVERY_S)
        metrics.loop_lag_s.observe(max(0.0, loop.time() - due))
