"""How fast jobs are written down, made, and begun when all are due at once; beside the bare library.

The library (PgQueuer) does less: no key, no fence, no record of what became of a job. It is also measured
behind our timetable, as was first intended (docs/decisions/0032).
"""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from time import monotonic
from typing import Any

import asyncpg
from pgqueuer import PgQueuer
from pgqueuer.models import Job as Picked
from sqlalchemy import make_url

from tests.bench.figures import Figure
from tests.jobs.world import Ring
from tests.servers import Servers
from tests.stage import Stage, a_stage, until
from turnosya.contracts.jobs import Job, Schedule
from turnosya.runtime.clock import real_now
from turnosya.runtime.messages import Nothing
from turnosya.runtime.settings import Environment
from turnosya.services.jobs.service import service as jobs
from turnosya.services.jobs.store import timetable
from turnosya.services.jobs.store.timetable import Ending, Start

COUNT, SCHEDULED = 5_000, 2_000
DUE_IN = timedelta(seconds=4)
_BATCH = 64
_FILL = """
    INSERT INTO timetable (id, key, request, body, run_at, max_attempts)
    SELECT gen_random_uuid(), $3 || n, 'world.Ring', '{"name": "x"}', $2, 10 FROM generate_series(1, $1) AS n
"""


async def figures(servers: Servers) -> AsyncGenerator[Figure]:
    """Ours, the library behind our timetable, the bare library: one after the other on one server."""
    bare, behind = await _bare(servers), await _behind_timetable(servers)
    async with a_stage(servers, [jobs], env=Environment.PRODUCTION) as stage:
        bell = _Bell()
        await stage.bus.answer(Ring, bell.ring)
        yield Figure("Jobs", "scheduled by request", await _scheduled(stage, "later"), "/s", at_least=500)
        rate, meanwhile = await _scheduled_under_load(stage, bell)
        more = f"{meanwhile} jobs made meanwhile"
        yield Figure("Jobs", "the same while jobs are made", rate, "/s", more=more, at_least=500)
        made, p50, p99 = await _made(stage, bell)
    for name, (throughput, median, late) in {
        "": (made, p50, p99),
        "the bare library: ": bare,
        "the library behind our timetable: ": behind,
    }.items():
        yield Figure("Jobs", f"{name}no-op jobs", throughput, "/s")
        yield Figure("Jobs", f"{name}5,000 due at once, lateness p99", late, "s", more=f"p50 {median:.2f}")


class _Bell:
    """Notes how late each ring is."""

    def __init__(self) -> None:
        self.due_at = real_now()
        self.late_s: list[float] = []

    async def ring(self, _: Ring) -> Nothing:
        self.late_s.append((real_now() - self.due_at).total_seconds())
        return Nothing()

    async def count(self) -> int:
        return len(self.late_s)


async def _scheduled(stage: Stage, prefix: str) -> float:
    """Jobs a second that are stored one by one, from 16 callers at once."""
    later = real_now() + timedelta(days=1)
    numbers = iter(range(SCHEDULED))

    async def caller() -> None:
        for number in numbers:
            request = Schedule(job=Job.of(Ring(name="x"), key=f"{prefix}{number}", run_at=later))
            await stage.bus.call(request)

    began = monotonic()
    await asyncio.gather(*(caller() for _ in range(16)))
    return SCHEDULED / (monotonic() - began)


async def _scheduled_under_load(stage: Stage, bell: _Bell) -> tuple[float, int]:
    """The same while more jobs are due than can be made in that time; how many were made."""
    bell.late_s.clear()
    bell.due_at = real_now()
    async with stage.running["jobs"].host.db.transaction() as tx:
        await tx.connection.exec_driver_sql(_FILL, (COUNT * 2, bell.due_at, "load"))
    rate = await _scheduled(stage, "meanwhile")
    made = len(bell.late_s)
    await until(bell.count, lambda found: found >= COUNT * 2)
    return rate, made


async def _made(stage: Stage, bell: _Bell) -> tuple[float, float, float]:
    async def fill(prefix: str, due: timedelta) -> None:
        bell.late_s.clear()
        bell.due_at = real_now() + due
        async with stage.running["jobs"].host.db.transaction() as tx:
            await tx.connection.exec_driver_sql(_FILL, (COUNT, bell.due_at, prefix))

    return await _measured(fill, bell)


async def _measured(
    fill: Callable[[str, timedelta], Awaitable[None]], bell: _Bell
) -> tuple[float, float, float]:
    """Throughput of what is due already; p50 and p99 of lateness when all falls due at one instant."""
    began = monotonic()
    await fill("past", timedelta(seconds=-1))
    await until(bell.count, lambda found: found >= COUNT)
    throughput = COUNT / (monotonic() - began)
    await fill("soon", DUE_IN)
    await until(bell.count, lambda found: found >= COUNT)
    cuts = statistics.quantiles(bell.late_s, n=100)
    return throughput, cuts[49], cuts[98]


@asynccontextmanager
async def _library(
    url: str, make: Callable[[Picked], Awaitable[None]]
) -> AsyncGenerator[tuple[PgQueuer, asyncpg.Pool[Any]]]:
    """PgQueuer at work; the pool is as large as that of a service."""
    async with asyncpg.create_pool(url, min_size=10, max_size=10) as pool:
        library = PgQueuer.from_asyncpg_pool(pool)
        await library.qm.queries.install()
        library.entrypoint("ring")(make)
        work = asyncio.create_task(library.run(batch_size=_BATCH, dequeue_timeout=timedelta(seconds=1)))
        await asyncio.sleep(0.5)
        try:
            yield library, pool
        finally:
            library.shutdown.set()
            await work


async def _bare(servers: Servers) -> tuple[float, float, float]:
    """The library by itself on a database of its own."""
    bell = _Bell()

    async def make(_: Picked) -> None:
        await bell.ring(Ring(name="x"))

    async with a_stage(servers, [jobs], env=Environment.PRODUCTION) as stage:
        await stage.running["jobs"].stop(5)
        async with _library(_address(stage), make) as (library, _pool):

            async def fill(_: str, due: timedelta) -> None:
                bell.late_s.clear()
                bell.due_at = real_now() + due
                after = max(due, timedelta(0))
                await library.qm.queries.enqueue(
                    ["ring"] * COUNT, [None] * COUNT, [0] * COUNT, [*[after] * COUNT]
                )

            return await _measured(fill, bell)


async def _behind_timetable(servers: Servers) -> tuple[float, float, float]:
    """Due rows are claimed under the fence and enqueued in one transaction; the outcome goes to the row."""
    bell = _Bell()
    async with a_stage(servers, [jobs], env=Environment.PRODUCTION) as stage:
        await stage.bus.answer(Ring, bell.ring)
        running = stage.running["jobs"]
        await running.stop(5)
        db = running.host.db
        starts: dict[str, Start] = {}

        async def make(picked: Picked) -> None:
            start = starts.pop((picked.payload or b"").decode())
            await stage.bus.call_raw(start.request, start.body)
            async with db.transaction() as tx:
                await timetable.end(tx, Ending(start, "done"))

        async def fill(prefix: str, due: timedelta) -> None:
            bell.late_s.clear()
            bell.due_at = real_now() + due
            async with db.transaction() as tx:
                await tx.connection.exec_driver_sql(_FILL, (COUNT, bell.due_at, prefix))

        async with _library(_address(stage), make) as (library, _pool):
            feed = asyncio.create_task(_hand_over(db, library, starts))
            try:
                return await _measured(fill, bell)
            finally:
                feed.cancel()


async def _hand_over(db: Any, library: PgQueuer, starts: dict[str, Start]) -> None:  # noqa: ANN401 - Database
    """Claims and enqueues in one transaction, on the connection that SQLAlchemy began it on."""
    while True:
        async with db.transaction() as tx:
            taken = await timetable.claim(tx, now=real_now(), room=500, lease_for=timedelta(seconds=30))
            if taken:
                starts.update((str(start.id), start) for start in taken)
                raw = (await tx.connection.get_raw_connection()).driver_connection
                queries = PgQueuer.from_asyncpg_connection(raw).qm.queries
                ids = [str(start.id).encode() for start in taken]
                await queries.enqueue(["ring"] * len(ids), [*ids], [0] * len(ids))
        if not taken:
            await asyncio.sleep(0.02)


def _address(stage: Stage) -> str:
    return make_url(stage.urls["jobs"]).set(drivername="postgresql").render_as_string(hide_password=False)
