"""What it costs to be watched: a log call, a scrape, log lines stored, a booking with and without it all."""

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncGenerator
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Final

import httpx
import psutil
from prometheus_client import REGISTRY, Histogram

from tests.bench.figures import Figure
from tests.bench.healing import healing
from tests.bench.load import Connection
from tests.bench.town import Town, a_town
from tests.bench.whole import serving
from tests.flows.systems import Zygote
from tests.servers import Servers
from tests.stage import a_stage
from turnosya.contracts.checks import KeepLogs, LogLine
from turnosya.runtime.clock import real_now
from turnosya.runtime.exposition import exposition
from turnosya.runtime.ids import new_id
from turnosya.runtime.metrics import SECONDS
from turnosya.runtime.serving import operations_app
from turnosya.services.checks.service import service as checks
from turnosya.tour.client import Api

LINES, SCRAPES = 5_000, 40
STORED, BATCH, AT_ONCE = 30_000, 500, 4
ROUNDS, BOOKINGS = 60, 10
# What follows from bookings after their answers belongs to them; what a process does anyway does not.
_SETTLED_S, _IDLE_S = 0.4, 8.0
_WITHIN_S = 60.0
_GROUP: Final = "Being watched"


async def figures(servers: Servers, zygote: Zygote, folder: Path) -> AsyncGenerator[Figure]:
    """All of it, from the cheapest to the dearest to measure."""
    folder.mkdir()
    yield await _log_call(servers, folder)
    async for figure in _scrape():
        yield figure
    yield await _stored(servers)
    async for figure in _instrumentation(folder):
        yield figure
    async for figure in healing(servers, zygote, folder):
        yield figure


async def _log_call(servers: Servers, folder: Path) -> Figure:
    """Wall time, in many rounds: on a shared machine some meet somebody else who takes the processor."""
    ready, dead = folder / "ready", folder / "dead"
    with servers.private("rabbitmq") as broker, (folder / "lines.log").open("wb") as lines:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.bench.log_calls", broker.url, str(ready), str(dead)),
            stdout=asyncio.subprocess.PIPE,
            stderr=lines,
        )
        async with asyncio.timeout(_WITHIN_S):
            while not ready.exists():  # noqa: ASYNC110 - a file tells nobody
                await asyncio.sleep(0.05)
        await asyncio.to_thread(broker.kill)
        dead.touch()
        said, _ = await process.communicate()
    found = json.loads(said)
    by_round = found["p99_us"]
    more = (
        f"of the calmest of {len(by_round)} rounds {by_round[0]:.0f},"
        f" of all calls p50 {found['all_p50_us']:.0f} and p99 {found['all_p99_us']:.0f}"
    )
    return Figure(_GROUP, "log call, broker dead, p99, median of rounds", median(by_round), "µs", 60, more)


async def _scrape() -> AsyncGenerator[Figure]:
    """Of this process's operations port, while its loop has something to do every millisecond."""
    many = Histogram("turnosya_bench_seconds", "Many lines.", ("route",), buckets=SECONDS)
    route = 0
    while await asyncio.to_thread(_lines) < LINES:
        for _ in range(20):
            many.labels(f"/v1/turnos/businesses/{{business_id}}/{route}").observe(route / 100)
            route += 1

    async def ready() -> bool:
        return True

    late: list[float] = []
    ticking = asyncio.create_task(_tick(late))
    took: list[float] = []
    try:
        transport = httpx.ASGITransport(operations_app(ready))
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as http:
            for _ in range(SCRAPES):
                began = perf_counter()
                answer = await http.get("/metrics")
                took.append((perf_counter() - began) * 1000)
                assert answer.text.count("\n") >= LINES
    finally:
        ticking.cancel()
        REGISTRY.unregister(many)
    more = f"median of {SCRAPES} {median(took):.1f}, longest {max(took):.1f}"
    yield Figure(_GROUP, f"scrape of {LINES:,} lines, shortest", min(took), "ms", 80, more)
    ordered = sorted(late)
    more = f"p50 {median(late):.2f}, longest {ordered[-1]:.1f}"
    p99 = ordered[int(len(ordered) * 0.99)]
    yield Figure(_GROUP, "the loop is late meanwhile, p99", p99, "ms", None, more)


def _lines() -> int:
    return exposition(REGISTRY).count(b"\n")


async def _tick(late: list[float]) -> None:
    while True:
        due = perf_counter() + 0.001
        await asyncio.sleep(0.001)
        late.append((perf_counter() - due) * 1000)


async def _stored(servers: Servers) -> Figure:
    """By one copy of checks, over RabbitMQ, in batches as processes hand them over; four at once."""
    async with a_stage(servers, [checks], broker_url=servers.broker_url) as stage:
        batches = [_batch(number) for number in range(STORED // BATCH)]
        await stage.bus.call(KeepLogs(lines=_batch(-1)), timeout_s=30)
        began = perf_counter()
        limit = asyncio.Semaphore(AT_ONCE)

        async def one(lines: list[LogLine]) -> None:
            async with limit:
                await stage.bus.call(KeepLogs(lines=lines), timeout_s=30)

        await asyncio.gather(*(one(batch) for batch in batches))
        took_s = perf_counter() - began
        async with stage.running["checks"].host.db.read() as tx:
            count = await tx.connection.exec_driver_sql(
                "SELECT count(*) FROM log_lines WHERE event = 'booked'"
            )
            assert count.scalar_one() == STORED + BATCH
    return Figure(_GROUP, "log lines stored", STORED / took_s, "a second", at_least=5_000)


def _batch(number: int) -> list[LogLine]:
    fields = json.dumps({"appointment_id": str(new_id()), "took_ms": 12.5, "trace_id": os.urandom(16).hex()})
    return [
        LogLine(
            id=new_id(), at=real_now(), level="info", service="turnos", event="booked",
            request_id=f"r-{number}-{place}", fields=fields,
        )
        for place in range(BATCH)
    ]  # fmt: skip


async def _instrumentation(folder: Path) -> AsyncGenerator[Figure]:
    """Bookings, in turns, of a system as it is and of one in which nothing is counted, told or logged."""
    watched, bare = folder / "watched", folder / "bare"
    watched.mkdir()
    bare.mkdir()
    settings = {"TURNOSYA_LOG_LEVEL": "info"}
    async with (
        serving(watched, settings=settings) as (url, process, _),
        serving(bare, settings=settings, program="tests.bench.bare") as (bare_url, bare_process, _),
    ):
        sides = [await _side(url, process), await _side(bare_url, bare_process)]
        for side in sides:
            await side.round()
        await asyncio.gather(*(side.rest() for side in sides))
        pairs: list[tuple[float, float]] = []
        for number in range(ROUNDS):
            # Who goes first changes, for whatever else the machine does.
            first, second = sides if number % 2 == 0 else sides[::-1]
            found = {id(first): await first.round(), id(second): await second.round()}
            pairs.append((found[id(sides[0])], found[id(sides[1])]))
        for side in sides:
            side.connection.close()
    shares = sorted((one / other - 1) * 100 for one, other in pairs)
    with_ms, without_ms = median(one for one, _ in pairs), median(other for _, other in pairs)
    more = (
        f"{with_ms:.2f} and {without_ms:.2f} ms of the processor, medians of {ROUNDS} pairs of rounds;"
        f" half of the pairs between {shares[ROUNDS // 4]:.1f} and {shares[-ROUNDS // 4]:.1f} %"
    )
    yield Figure(_GROUP, "instrumentation, of a booking, median of pairs", median(shares), "%", 5, more)
    of_a_core = (sides[0].at_rest - sides[1].at_rest) * 100
    more = (
        f"{sides[0].at_rest * 100:.2f} and {sides[1].at_rest * 100:.2f} % of a core at rest, all ten services"
    )
    yield Figure(_GROUP, "instrumentation, of a process at rest", of_a_core, "% of a core", None, more)


class _Side:
    """One of the two systems."""

    def __init__(self, town: Town, connection: Connection, process: psutil.Process) -> None:
        self.connection = connection
        self.at_rest = 0.0
        """Seconds of its processor that it takes in a second without being asked anything."""
        self._bookings = town.bookings(0)
        self._process = process

    async def rest(self) -> None:
        """Measures what it takes when nobody books."""
        before, began = self._used(), perf_counter()
        await asyncio.sleep(_IDLE_S)
        self.at_rest = (self._used() - before) / (perf_counter() - began)

    async def round(self) -> float:
        """Milliseconds of the process's processor that a booking took, with all that follows from it."""
        before, began = self._used(), perf_counter()
        for _ in range(BOOKINGS):
            status, body = await self.connection.ask(next(self._bookings))
            assert status == 201, body
        await asyncio.sleep(_SETTLED_S)
        at_rest = self.at_rest * (perf_counter() - began)
        return (self._used() - before - at_rest) / BOOKINGS * 1000

    def _used(self) -> float:
        # The processor's clock of another process, in Linux's own numbering: to the nanosecond, not to 10 ms.
        return time.clock_gettime((~self._process.pid << 3) | 2)


async def _side(url: str, process: psutil.Process) -> _Side:
    async with Api(url) as api:
        town = await a_town(api, people=1, businesses=1)
    return _Side(town, await Connection.to(url), process)
