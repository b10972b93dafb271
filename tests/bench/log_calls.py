"""``python -m tests.bench.log_calls``: what a log call costs in a process whose broker is dead.

A process of its own, since its log is set up as that of a service. One line of JSON says what was measured.
"""

import asyncio
import gc
import json
import sys
from pathlib import Path
from statistics import quantiles
from time import perf_counter, thread_time

import structlog
import uvloop
from cryptography.fernet import Fernet

from turnosya.log_shipping import shipping_logs
from turnosya.runtime import log_queue
from turnosya.runtime.bus import Bus
from turnosya.runtime.ids import new_id
from turnosya.runtime.rabbit import RabbitTransport
from turnosya.runtime.telemetry import begin_trace, set_up_logging, tracing

ROUNDS, CALLS = 60, 1_000
_QUEUED_S = 60.0

log = structlog.get_logger()


async def main(broker_url: str, ready: Path, dead: Path) -> None:
    """Connects, says so, waits until the broker is dead, and logs."""
    set_up_logging("info", "json")
    transport = RabbitTransport(broker_url, {})
    await transport.open()
    bus = Bus(transport, source="bench", message_key=Fernet.generate_key().decode(), call_timeout_s=5)
    async with shipping_logs(bus, log_queue.queue):
        ready.touch()
        async with asyncio.timeout(_QUEUED_S):
            while not dead.exists() or bus.healthy:  # noqa: ASYNC110 - another process kills it
                await asyncio.sleep(0.05)
        rounds, processor = await _rounds()
    every = [took for one in rounds for took in one]
    found = {
        "p99_us": sorted(_p99(one) for one in rounds),
        "all_p50_us": quantiles(every, n=100)[49],
        "all_p99_us": _p99(every),
        "processor_p50_us": quantiles(processor, n=100)[49],
        "dropped": log_queue.queue.dropped,
    }
    sys.stdout.write(json.dumps(found) + "\n")


async def _rounds() -> tuple[list[list[float]], list[float]]:
    """Microseconds of calls, in rounds between which the process does other work; then by processor time."""
    subject = str(new_id())
    rounds: list[list[float]] = []
    gc.collect()
    with tracing(begin_trace(None, None)):
        for _ in range(ROUNDS):
            rounds.append([_one(subject, number) for number in range(CALLS)])
            await asyncio.sleep(0.01)
        processor: list[float] = []
        for number in range(CALLS):
            began = thread_time()
            _one(subject, number)
            processor.append((thread_time() - began) * 1e6)
    return rounds, processor


def _one(subject: str, number: int) -> float:
    began = perf_counter()
    log.info("appointment_booked", appointment_id=subject, business_id=subject, took_ms=12.5, number=number)
    return (perf_counter() - began) * 1e6


def _p99(found: list[float]) -> float:
    return quantiles(found, n=100)[98]


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])))
