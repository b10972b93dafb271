"""A load generator that costs little beside what it measures: raw connections, one request each at a time."""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import quantiles
from time import perf_counter
from typing import Self, cast
from urllib.parse import urlsplit

import httptools

_WARM = 20
_OVERLOADED = (503, 504)


class _Answer:
    """What the parser of one connection has read so far."""

    def __init__(self) -> None:
        self.body = b""
        self.is_whole = False

    def on_body(self, part: bytes) -> None:
        self.body += part

    def on_message_complete(self) -> None:
        self.is_whole = True


class Connection(asyncio.Protocol):
    """One kept connection; ``ask`` sends a request and returns status and body."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._waiting: asyncio.Future[tuple[int, bytes]] | None = None
        self._begin()

    @classmethod
    async def to(cls, url: str) -> Self:
        parts = urlsplit(url)
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(cls, str(parts.hostname), parts.port or 80)
        return connection

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        assert self._transport is not None
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._waiting

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Of uvloop, whose transports do not derive from asyncio's.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)
        if self._answer.is_whole and self._waiting is not None:
            found = int(self._parser.get_status_code()), self._answer.body
            waiting, self._waiting = self._waiting, None
            self._begin()
            waiting.set_result(found)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(exc or ConnectionError("the server closed the connection"))

    def _begin(self) -> None:
        self._answer = _Answer()
        self._parser = httptools.HttpResponseParser(self._answer)


def request(
    method: str, path: str, *, token: str | None = None, body: bytes = b"", key: str | None = None
) -> bytes:
    """The bytes of a request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", "Accept: */*"]
    if token:
        lines.append(f"Authorization: Bearer {token}")
    if key:
        lines.append(f"Idempotency-Key: {key}")
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


@dataclass(frozen=True, slots=True)
class Measured:
    """Times of single calls, in milliseconds, and how many there were a second."""

    times_ms: Sequence[float]
    a_second: float
    refused: int
    """Answers that the system had no time for: 503 and 504. Not among the times."""

    @property
    def p50(self) -> float:
        return quantiles(self.times_ms, n=100)[49]

    @property
    def p95(self) -> float:
        return quantiles(self.times_ms, n=100)[94]

    @property
    def p99(self) -> float:
        return quantiles(self.times_ms, n=100)[98]


async def measure(
    url: str, lines: Sequence[Iterable[bytes]], *, status: int, within_s: float, warm: int = _WARM
) -> Measured:
    """One connection for each line of requests, until they or the time are used up.

    The first ``warm`` calls of each connection are not counted. Raises for any other status but
    503 and 504.
    """
    connections = [await Connection.to(url) for _ in lines]
    sources = [iter(line) for line in lines]
    times: list[float] = []
    refused: list[int] = []
    await asyncio.gather(
        *(
            _run(one, source, _Tally(status, [], []), count=warm)
            for one, source in zip(connections, sources, strict=True)
        )
    )
    began = perf_counter()
    until = began + within_s
    await asyncio.gather(
        *(
            _run(one, source, _Tally(status, times, refused), until=until)
            for one, source in zip(connections, sources, strict=True)
        )
    )
    took_s = perf_counter() - began
    for connection in connections:
        connection.close()
    return Measured(times, len(times) / took_s, len(refused))


@dataclass(frozen=True, slots=True)
class _Tally:
    wanted: int
    times: list[float]
    refused: list[int]

    def count(self, status: int, began: float) -> bool:
        """Whether this is an answer to be expected."""
        if status == self.wanted:
            self.times.append((perf_counter() - began) * 1000)
        elif status in _OVERLOADED:
            self.refused.append(status)
        else:
            return False
        return True


async def _run(
    connection: Connection,
    source: Iterator[bytes],
    tally: _Tally,
    *,
    count: int | None = None,
    until: float = float("inf"),
) -> None:
    for number, asked in enumerate(source, 1):
        began = perf_counter()
        got, body = await connection.ask(asked)
        if not tally.count(got, began):
            raise RuntimeError(
                f"{asked.splitlines()[0]!r} answered {got}, not {tally.wanted}: {body[:300]!r}"
            )
        if number == count or perf_counter() > until:
            return
