"""Servers end and come back under jobs: what was scheduled is made, and what was done is not made again."""

import asyncio
from collections.abc import Callable

import pytest

from tests.jobs.conftest import SETTINGS
from tests.jobs.world import Bell, World, a_job
from tests.servers import PrivateServer, Servers, ServersOn
from tests.stage import a_stage, until
from turnosya.contracts.jobs import Job, Schedule, ScheduleRequested
from turnosya.runtime.clock import real_now
from turnosya.runtime.messages import Unavailable
from turnosya.services.jobs.service import service as jobs


def a_lasting_job(name: str) -> Job:
    """Due now, and tried for as long as a server may be away."""
    return a_job(name, real_now(), max_attempts=1_000)


@pytest.mark.timeout(240)
async def test_postgresql_and_rabbitmq_end_in_the_middle_of_a_job_and_all_are_made(servers: Servers) -> None:
    settings = {
        **SETTINGS,
        "TURNOSYA_JOBS_LEASE_S": "2",
        "TURNOSYA_JOBS_RETRY_DELAYS_S": "0.2",
        # An event in hand is not left until then: what became of it is written when that can be done.
        "TURNOSYA_LEASE_S": "3600",
    }
    with servers.private("postgres") as postgres, servers.private("rabbitmq") as broker:
        async with a_stage(
            ServersOn(postgres), [jobs], settings=settings, broker_url=f"{broker.url}main"
        ) as stage:
            bell = Bell()
            await bell.open(stage.bus)
            world = World(stage, bell)
            ends: list[tuple[PrivateServer, Callable[[], None]]] = [
                (postgres, postgres.stop),
                (postgres, postgres.kill),
                # Not killed: what RabbitMQ 3.10 does then is told in tests/runtime/test_broker.py.
                (broker, broker.stop),
            ]
            for number, (server, end) in enumerate(ends):
                await _ends_and_comes_back(world, server, end, f"{number}")
            # What was done before a server ended is not made again when it is back.
            assert all(bell.names.count(f"{number} before") == 1 for number in range(len(ends)))
            bell.may_end.set()


async def _ends_and_comes_back(
    world: World, server: PrivateServer, end: Callable[[], None], number: str
) -> None:
    bell, stage = world.bell, world.stage

    async def begun() -> list[str]:
        return bell.began

    bell.may_end.set()
    await stage.bus.call(Schedule(job=a_lasting_job(f"{number} before")))
    await world.becomes(f"{number} before", "done")
    bell.may_end.clear()
    await stage.bus.call(Schedule(job=a_lasting_job(f"{number} in hand")))
    await until(begun, lambda names: f"{number} in hand" in names)
    await stage.tell(ScheduleRequested(job=a_lasting_job(f"{number} told")))
    await asyncio.to_thread(end)
    with pytest.raises(Unavailable):
        await stage.bus.call(Schedule(job=a_lasting_job(f"{number} unanswered")), timeout_s=3)
    bell.may_end.set()
    await asyncio.to_thread(server.start)

    async def rung() -> list[str]:
        return bell.names

    async def is_ready() -> bool:
        running = stage.running["jobs"]
        return stage.bus.healthy and await running._ask_ready()  # pyright: ignore[reportPrivateUsage]

    await until(is_ready, bool)
    await stage.bus.call(Schedule(job=a_lasting_job(f"{number} after")))
    names = {f"{number} {name}" for name in ("in hand", "told", "after")}
    await until(rung, lambda found: names <= set(found))
    for name in names:
        await world.becomes(name, "done")
