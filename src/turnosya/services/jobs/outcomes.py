"""What became of starts, written many at a time: 5,000 short jobs are not 5,000 commits."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog

from turnosya.runtime.messages import Unavailable
from turnosya.runtime.outlasting import outlast
from turnosya.services.jobs import metrics
from turnosya.services.jobs.store import timetable as store

if TYPE_CHECKING:
    from uuid import UUID

    from turnosya.runtime.database import Database
    from turnosya.services.jobs.store.timetable import Ending

log = structlog.get_logger()

_AT_ONCE = 500


@dataclass(slots=True)
class Outcomes:
    """Those that wait to be written, and who waits for each."""

    db: Database
    lease_s: float
    _waiting: list[tuple[Ending, asyncio.Future[None]]] = field(
        default_factory=list[tuple["Ending", "asyncio.Future[None]"]]
    )
    _wake: asyncio.Event = field(default_factory=asyncio.Event)

    async def write(self, ending: Ending) -> None:
        """Returns when it is written, or will not be: fenced, or the lease runs out and it is made again."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((ending, done))
        self._wake.set()
        await done

    async def run(self) -> None:
        """Writes what has gathered while the last ones were written, for ever."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                taken, self._waiting = self._waiting[:_AT_ONCE], self._waiting[_AT_ONCE:]
                try:
                    await self._write([ending for ending, _ in taken])
                finally:
                    for _, done in taken:
                        if not done.done():
                            done.set_result(None)

    async def _write(self, endings: list[Ending]) -> None:
        async def end() -> set[tuple[UUID, int]]:
            async with self.db.at_once() as tx:
                return await store.end(tx, *endings)

        try:
            # While these wait, their leases are renewed as soon as that can be done.
            written = await outlast(end, within_s=self.lease_s)
        except Unavailable:
            log.warning("job_outcomes_lost", count=len(endings))
            return
        except Exception:
            log.exception("job_outcomes_failed", count=len(endings))
            return
        for ending in endings:
            start = ending.start
            if (start.id, start.fence) in written:
                metrics.ended.labels(metrics.label(start.request), ending.outcome).inc()
            else:
                metrics.fenced.inc()
                log.warning("job_outcome_fenced", job_id=str(start.id), attempt=start.attempts)
