"""What a request from one service to another costs, by each transport, one after the other."""

import time
from collections.abc import AsyncGenerator
from statistics import median, quantiles

from cryptography.fernet import Fernet

from tests.bench.figures import Figure
from tests.servers import Servers
from turnosya.runtime.bus import Bus, Transport
from turnosya.runtime.memory import MemoryTransport
from turnosya.runtime.messages import Message, Rpc
from turnosya.runtime.rabbit import RabbitTransport

_WARM_UP, _CALLS = 300, 2000


class Visits(Message):
    completed: int


class CountVisits(Rpc[Visits]):
    """As large as most: two ids and a word."""

    client_id: str = "0199c0de-0000-7000-8000-000000000001"
    business_id: str = "0199c0de-0000-7000-8000-000000000002"
    status: str = "completed"


async def figures(servers: Servers) -> AsyncGenerator[Figure]:
    """In memory and over RabbitMQ, asked and answered by two connections of one process."""
    memory = MemoryTransport({})
    yield _figure("RPC in memory", 0.3, await measure(memory, memory))
    url = servers.broker_url
    rabbit = await measure(RabbitTransport(url, {}), RabbitTransport(url, {}))
    yield _figure("RPC over RabbitMQ", 2.0, rabbit)


async def measure(asking: Transport, answering: Transport) -> list[float]:
    """Milliseconds of each call, sorted."""
    key = Fernet.generate_key().decode()
    await asking.open()
    if answering is not asking:
        await answering.open()
    caller = Bus(asking, source="caller", message_key=key, call_timeout_s=5)
    owner = Bus(answering, source="owner", message_key=key, call_timeout_s=5)

    async def count(_: CountVisits) -> Visits:
        return Visits(completed=7)

    await owner.answer(CountVisits, count)
    took: list[float] = []
    try:
        for number in range(_WARM_UP + _CALLS):
            began = time.perf_counter()
            await caller.call(CountVisits())
            if number >= _WARM_UP:
                took.append((time.perf_counter() - began) * 1000)
    finally:
        await asking.close()
        if answering is not asking:
            await answering.close()
    return sorted(took)


def _figure(name: str, promised: float, took: list[float]) -> Figure:
    p99 = quantiles(took, n=100)[98]
    return Figure("One connection", name, median(took), "ms", promised, more=f"p99 {p99:.2f} ms")
