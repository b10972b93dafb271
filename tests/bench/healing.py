"""How soon a death is seen, and how soon calls succeed again after each kind of kill."""

import asyncio
import signal
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from time import perf_counter
from typing import Final

from tests.bench.figures import Figure
from tests.bench.load import Connection
from tests.bench.town import Town, a_town
from tests.flows.systems import ALONE, REST, Stores, System, Zygote, system_on
from tests.servers import PrivateServer, Servers
from tests.split.supervisor import Supervisor
from turnosya.tour.client import Api

_GROUP: Final = "Being watched"
_SEEN_OF = ("business", "users", "notification")
_PROCESSES = ("gateway", "auth", "turnos")
_ROUNDS = 2
# Checks judges nobody before it has heard everybody for ten seconds.
_HEARD_S = 14.0
_DEAD = "SELECT 1 FROM alerts WHERE kind = 'process_dead' AND subject LIKE $1 AND cleared_at IS NULL"
_PROBE_S, _CALM, _AT_LEAST_S, _WITHIN_S = 3.0, 5, 4.0, 90.0


async def healing(servers: Servers, zygote: Zygote, folder: Path) -> AsyncGenerator[Figure]:
    """On a split system, each service in one copy, so that nobody stands in for the dead."""
    home = folder / "healing"
    home.mkdir()
    with (
        servers.private("rabbitmq") as broker,
        servers.private("postgres") as postgres,
        servers.private("redis") as redis,
    ):
        stores = Stores(postgres.url, redis.url, broker.url)
        system = system_on(stores, [*((name,) for name in ALONE), REST], zygote, home)
        try:
            await system.start()
            yield await _seen(system)
            kinds = {"RabbitMQ": broker, "Redis": redis, "PostgreSQL": postgres}
            async for figure in _recovered(system, kinds):
                yield figure
        finally:
            await system.stop()


async def _seen(system: System) -> Figure:
    await asyncio.sleep(_HEARD_S)
    took: list[float] = []
    for name in _SEEN_OF:
        process = system.process_of(name)
        began = perf_counter()
        await system.kill(name)
        async with asyncio.timeout(_WITHIN_S):
            subject = f"{name} %:{process.port}"
            while not await system.rows("checks", _DEAD, subject):  # noqa: ASYNC110 - a table tells nobody
                await asyncio.sleep(0.05)
        took.append(perf_counter() - began)
        await system.start_again(name)
    return Figure(_GROUP, "a dead process is an alert in, longest of 3", max(took), "s", 15)


@dataclass(frozen=True, slots=True)
class _Probe:
    """A booking, a log-in and a profile, one after the other, each by a connection of its own."""

    url: str
    calls: Iterator[tuple[tuple[bytes, int], ...]]

    @classmethod
    def of(cls, town: Town, url: str) -> "_Probe":
        """What the first person of a town does again and again."""
        kinds = zip(town.bookings(0), town.logins(0), town.profiles(0), strict=False)
        return cls(url, (((book, 201), (log_in, 202), (read, 200)) for book, log_in, read in kinds))

    async def succeeds(self) -> bool:
        """Whether each is answered as it should be, in three seconds."""
        try:
            async with asyncio.timeout(_PROBE_S):
                for request, wanted in next(self.calls):
                    connection = await Connection.to(self.url)
                    try:
                        if (await connection.ask(request))[0] != wanted:
                            return False
                    finally:
                        connection.close()
        except (OSError, TimeoutError):
            return False
        return True


async def _recovered(system: System, servers: dict[str, PrivateServer]) -> AsyncGenerator[Figure]:
    async with Api(system.url) as api:
        probe = _Probe.of(await a_town(api, people=1, businesses=1), system.url)
    supervisor = Supervisor(system, servers, lambda _: None)
    watching = asyncio.create_task(supervisor.watch())
    try:
        found: list[float] = []
        for name in _PROCESSES:
            process = system.process_of(name)
            found.append(await _again(probe, partial(process.signal, signal.SIGKILL)))
            await system.until_ready()
        each = ", ".join(f"{name} {took:.1f}" for name, took in zip(_PROCESSES, found, strict=True))
        yield Figure(
            _GROUP, "calls succeed after the kill of a process, longest", max(found), "s", None, each
        )
        for name, server in servers.items():
            found = []
            for _ in range(_ROUNDS):
                found.append(await _again(probe, server.kill))
                await system.until_ready()
            yield Figure(_GROUP, f"calls succeed after the kill of {name} in", max(found), "s")
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching


async def _again(probe: _Probe, kill: Callable[[], object]) -> float:
    """Seconds from the kill to the end of the first probe after which five in a row succeed."""
    began = perf_counter()
    await asyncio.to_thread(kill)
    since, calm = None, 0
    async with asyncio.timeout(_WITHIN_S):
        for _ in count():
            if await probe.succeeds():
                since = perf_counter() if calm == 0 else since
                calm += 1
            else:
                since, calm = None, 0
            if since is not None and calm >= _CALM and perf_counter() - began > _AT_LEAST_S:
                return since - began
    raise AssertionError("the loop above ends")
