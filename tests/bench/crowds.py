"""Honest requests while hundreds of clients send a byte a second."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import suppress
from statistics import median, quantiles
from time import perf_counter
from urllib.parse import urlsplit

from tests.bench.figures import Figure
from tests.bench.load import Connection

SLOW, HONEST_A_SECOND, WITHIN_S = 500, 100, 10
_CONNECTIONS = 10
_HEAD = b"GET /v1/users/me HTTP/1.1\r\nHost: a\r\nX-A: "
_BODY = b"POST /v1/users HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 900\r\n\r\n"


async def slow_crowd(url: str, requests: Callable[[], Iterator[bytes]]) -> AsyncGenerator[Figure]:
    """Half of the crowd never ends its head, half its body; whoever is cut off comes again."""
    crowd = [asyncio.ensure_future(_trickle(url, (_HEAD, _BODY)[n % 2], n / SLOW)) for n in range(SLOW)]
    await asyncio.sleep(2)
    times = await honest(url, requests, within_s=WITHIN_S)
    for one in crowd:
        assert not one.done(), "the crowd is not whole"
        one.cancel()
    await asyncio.gather(*crowd, return_exceptions=True)
    more = f"p50 {median(times):.1f} ms, {len(times) / WITHIN_S:.0f} a second"
    name = f"profile reads while {SLOW} clients trickle, p99"
    yield Figure("The door", name, quantiles(times, n=100)[98], "ms", 100, more)


async def _trickle(url: str, begun: bytes, after_s: float) -> None:
    parts = urlsplit(url)
    await asyncio.sleep(after_s)
    while True:
        with suppress(ConnectionError):
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
            cut_off = asyncio.ensure_future(reader.read())
            try:
                writer.write(begun)
                while not cut_off.done():
                    writer.write(b"1")
                    await asyncio.wait({cut_off}, timeout=1)
            finally:
                cut_off.cancel()
                writer.close()


async def honest(url: str, requests: Callable[[], Iterator[bytes]], *, within_s: float) -> list[float]:
    """Begins a request every hundredth of a second, however long the ones before take; times in ms."""
    connections: asyncio.Queue[Connection] = asyncio.Queue()
    for _ in range(_CONNECTIONS):
        connections.put_nowait(await Connection.to(url))
    source = requests()
    times: list[float] = []

    async def one(due: float) -> None:
        connection = await connections.get()
        status, answer = await connection.ask(next(source))
        # From when it was due: one that had to wait for a connection has waited.
        times.append((perf_counter() - due) * 1000)
        assert status == 200, answer
        connections.put_nowait(connection)

    began = perf_counter()
    async with asyncio.TaskGroup() as group:
        for number in range(int(HONEST_A_SECOND * within_s)):
            due = began + number / HONEST_A_SECOND
            await asyncio.sleep(max(0.0, due - perf_counter()))
            group.create_task(one(due))
    while not connections.empty():
        connections.get_nowait().close()
    return times
