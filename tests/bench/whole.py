"""The system that `make run` starts: its start, its memory, and what it carries."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from time import perf_counter

import httpx
import psutil

from tests.bench.figures import Figure
from tests.bench.load import Measured, measure
from tests.bench.town import PEOPLE, Town, a_town
from turnosya.embedded.ports import free_port
from turnosya.tour.client import Api

CONNECTIONS = (1, 8, 32)
WITHIN_S = 4.0
START_S, STOP_S = 60.0, 30.0
_MIB = 2**20


async def whole(folder: Path) -> AsyncGenerator[Figure]:
    """Starts it twice: on no data, then on what the first run left."""
    folder.mkdir()
    async with serving(folder) as (_, _, cold_s):
        yield Figure("The process", "first answer after a first start", cold_s, "s", 60)
    async with serving(folder) as (url, process, warm_s):
        yield Figure("The process", "first answer after a later start", warm_s, "s", 5)
        async with Api(url) as api:
            town = await a_town(api)
        async for figure in _carried(url, town):
            yield figure
        used = process.memory_info().rss / _MIB
        yield Figure("The process", "memory of all ten services after that", used, "MiB", 350)


async def _carried(url: str, town: Town) -> AsyncGenerator[Figure]:
    kinds = (
        ("booking", town.bookings, 201),
        ("log-in", town.logins, 202),
        ("profile read", town.profiles, 200),
    )
    for count in CONNECTIONS:
        for name, lines, status in kinds:
            sources = [lines(number) for number in range(min(count, PEOPLE))]
            found = await measure(url, sources, status=status, within_s=WITHIN_S, warm=3)
            yield _figure(name, count, found)


def _figure(name: str, count: int, found: Measured) -> Figure:
    more = f"p99 {found.p99:.1f} ms, {found.a_second:.0f} a second"
    if found.refused:
        more += f", {found.refused} refused"
    if count == 1:
        return Figure("One connection", name, found.p50, "ms", 8 if name == "booking" else None, more)
    return Figure("Several connections", f"{name}, {count} connections", found.p50, "ms", None, more)


@asynccontextmanager
async def serving(
    folder: Path, *, settings: Mapping[str, str] | None = None, program: str = "turnosya"
) -> AsyncGenerator[tuple[str, psutil.Process, float]]:
    """All services in one process on embedded servers: where, which, and ready after how many seconds."""
    port, operations_port = free_port(), free_port()
    url = f"http://127.0.0.1:{port}"
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("TURNOSYA_")}
    given = {
        "TURNOSYA_DATA_DIR": str(folder / "data"),
        "TURNOSYA_PORT": str(port),
        "TURNOSYA_OPERATIONS_PORT": str(operations_port),
        "TURNOSYA_RATE_LIMITS": "off",
        "TURNOSYA_LOG_LEVEL": "warning",
        **(settings or {}),
    }
    began = perf_counter()
    with (folder / "serve.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", program, "serve"),
            env={**inherited, **given},
            stdout=log,
            stderr=log,
        )
    try:
        await _until_it_answers(url)
        yield url, psutil.Process(process.pid), perf_counter() - began
    finally:
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(STOP_S):
            await process.wait()


async def _until_it_answers(url: str) -> None:
    async with asyncio.timeout(START_S), httpx.AsyncClient() as http:
        while True:
            with suppress(httpx.HTTPError):
                if (await http.get(f"{url}/readyz")).is_success:
                    return
            await asyncio.sleep(0.02)
