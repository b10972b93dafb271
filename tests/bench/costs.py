"""``python -m tests.bench costs``: what a call costs of processors and disk, with all that follows from it.

On the split system, so that each part's share shows; the figures of docs/capacity.md.
"""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Final
from urllib.parse import quote
from uuid import UUID, uuid4

import psutil

from tests.bench.figures import Figure
from tests.bench.load import Connection, request
from tests.bench.town import BUSINESSES, Town, a_town
from tests.flows.systems import ALONE, REST, Stores, System, Zygote, system_on
from tests.servers import Servers
from turnosya.tour.client import Api

CALLS, AT_REST_S = 300, 10.0
# Books at the first business, as every eighth does, and does not own it.
_CLIENT = BUSINESSES
_GROUP: Final = "What a call costs"


@dataclass(frozen=True, slots=True)
class _Kind:
    """One kind of call: its requests, and the status of their answers."""

    name: str
    requests: Iterator[bytes]
    status: int
    count: int = CALLS


async def figures(servers: Servers, zygote: Zygote, folder: Path) -> AsyncGenerator[Figure]:
    """Each kind of call, one after the other by one client, on servers of its own."""
    folder.mkdir()
    with (
        servers.private("rabbitmq") as broker,
        servers.private("postgres") as postgres,
        servers.private("redis") as redis,
    ):
        stores = Stores(postgres.url, redis.url, broker.url)
        # Two processors have room for seven processes.
        system = system_on(stores, [*((name,) for name in ALONE), REST], zygote, folder, is_hurried=False)
        try:
            await system.start()
            pids = {"PostgreSQL": postgres.start(), "Redis": redis.start(), "RabbitMQ": broker.start()}
            async for figure in _measured(system, _Clocks(system, pids)):
                yield figure
        finally:
            await system.stop()


async def _measured(system: System, clocks: "_Clocks") -> AsyncGenerator[Figure]:
    async with Api(system.url) as api:
        town = await a_town(api, people=_CLIENT + 1, businesses=1)
        conversation = await town.people[_CLIENT].ask(
            "POST", "/v1/chat/conversations", {"business_id": str(town.shops[0].id)}
        )
        talk = UUID(conversation.promised(201).answer["id"])
    await system.until_settled()
    at_rest = await clocks.rate(AT_REST_S)
    connection = await Connection.to(system.url)
    for kind in _kinds(town, talk):
        for _ in range(20):
            await _ask(connection, kind)
        await system.until_settled()
        before, began, kept = clocks.now(), time.monotonic(), await _bytes(system)
        for _ in range(kind.count):
            await _ask(connection, kind)
        await system.until_settled()
        took_s = time.monotonic() - began
        spent = {
            name: max(0.0, (now - before[name] - at_rest[name] * took_s) / kind.count * 1000)
            for name, now in clocks.now().items()
        }
        grown = (await _bytes(system) - kept) / kind.count
        shares = ", ".join(f"{name} {ms:.1f}" for name, ms in spent.items() if ms >= 0.1)
        more = f"{shares}; {grown / 1024:.1f} KiB of databases"
        yield Figure(_GROUP, kind.name, sum(spent.values()), "ms of a core", None, more)
    connection.close()
    shares = ", ".join(f"{name} {share * 100:.1f}" for name, share in at_rest.items())
    yield Figure(_GROUP, "at rest, all processes", sum(at_rest.values()) * 100, "% of a core", None, shares)


async def _ask(connection: Connection, kind: _Kind) -> None:
    status, body = await connection.ask(next(kind.requests))
    assert status == kind.status, (kind.name, status, body[:300])


def _kinds(town: Town, talk: UUID) -> list[_Kind]:
    person, shop = town.people[_CLIENT], town.shops[0]
    slots = f"/v1/turnos/businesses/{shop.id}/slots?service_id={shop.service.id}"

    def codes() -> Iterator[bytes]:
        for number in count():
            body = {"phone": f"+54911{30_000_000 + number}", "purpose": "register"}
            yield request("POST", "/v1/auth/otp", body=json.dumps(body).encode())

    def again(path: str, token: str | None = None) -> Iterator[bytes]:
        while True:
            yield request("GET", path, token=token)

    def messages() -> Iterator[bytes]:
        for number in count():
            body = {"text": f"¿Tienen lugar el jueves? ({number})", "client_message_id": str(uuid4())}
            yield request(
                "POST",
                f"/v1/chat/conversations/{talk}/messages",
                token=person.token,
                body=json.dumps(body).encode(),
            )

    return [
        _Kind("booking", town.bookings(_CLIENT), 201),
        _Kind("code by message", codes(), 202),
        _Kind("log-in, its code included", town.logins(_CLIENT), 202, 60),
        _Kind("chat message", messages(), 201),
        _Kind("search of few businesses", again(f"/v1/businesses?q={quote('local')}"), 200),
        _Kind("free times of a day", again(f"{slots}&from=2099-01-01&to=2099-01-01"), 200),
        _Kind("profile read", town.profiles(_CLIENT), 200),
    ]


class _Clocks:
    """The processor time of each process of the system and of each server."""

    def __init__(self, system: System, servers: Mapping[str, int]) -> None:
        self._ours = {"+".join(one.names[:1]): one.pid for one in system.processes}
        self._servers = servers

    def now(self) -> dict[str, float]:
        """Seconds so far; of servers with all their children."""
        found: dict[str, float] = {}
        for name, pid in self._ours.items():
            assert pid is not None
            # The processor's clock of another process, in Linux's own numbering.
            found["others" if name == REST[0] else name] = time.clock_gettime((~pid << 3) | 2)
        for name, pid in self._servers.items():
            parent = psutil.Process(pid)
            own = parent.cpu_times()
            total = own.user + own.system + own.children_user + own.children_system
            for child in parent.children(recursive=True):
                times = child.cpu_times()
                total += times.user + times.system
            found[name] = total
        return found

    async def rate(self, seconds: float) -> dict[str, float]:
        """Seconds of a processor that each takes in a second while nobody asks anything."""
        before, began = self.now(), time.monotonic()
        await asyncio.sleep(seconds)
        took_s = time.monotonic() - began
        return {name: (now - before[name]) / took_s for name, now in self.now().items()}


async def _bytes(system: System) -> int:
    """What all databases take on disk."""
    sizes = await asyncio.gather(
        *(
            system.rows(name, "SELECT pg_database_size(current_database()) AS size")
            for name in system.databases
        )
    )
    return sum(int(found[0]["size"]) for found in sizes)
