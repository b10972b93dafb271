"""Real processes over a real broker: a worker that is killed, and one that is frozen and wakes up."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import NamedTemporaryFile

import httpx
import pytest_asyncio

from tests.jobs.world import Bell, World, a_job
from tests.said import lines_that_tell
from tests.servers import Servers
from tests.stage import a_stage, until
from turnosya.contracts.jobs import Schedule
from turnosya.embedded.ports import free_port
from turnosya.runtime.clock import real_now
from turnosya.services.jobs.service import service as jobs

LEASE_S = 2
SETTINGS = {"TURNOSYA_JOBS_LEASE_S": str(LEASE_S), "TURNOSYA_JOBS_POLL_S": "0.1"}


@pytest_asyncio.fixture
async def world(servers: Servers) -> AsyncGenerator[World]:
    """A timetable that nobody works on, and a bell that rings until it is let end."""
    async with a_stage(servers, [jobs], settings=SETTINGS, broker_url=servers.broker_url) as stage:
        await stage.running["jobs"].stop(5)
        bell = Bell()
        await bell.open(stage.bus)
        bell.may_end.clear()
        yield World(stage, bell)
        bell.may_end.set()


@dataclass
class Running:
    """A process, and the file that it logs to."""

    process: Process
    log: Path

    async def says(self, event: str) -> None:
        """Returns when it has logged this event."""

        async def said() -> str:
            return self.log.read_text()

        await until(said, lambda text: event in text)


@asynccontextmanager
async def a_process(world: World) -> AsyncGenerator[Running]:
    """``turnosya serve jobs``, ready; killed at the end, and what it said told nothing of anybody."""
    port = free_port()
    env = {
        **os.environ,
        **world.stage.settings,
        "TURNOSYA_ENV": "development",
        "TURNOSYA_BROKER_URL": world.stage.broker_url or "",
        "TURNOSYA_JOBS_DATABASE_URL": world.stage.urls["jobs"],
        "TURNOSYA_PORT": str(free_port()),
        "TURNOSYA_OPERATIONS_PORT": str(port),
    }
    with NamedTemporaryFile() as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "turnosya", "serve", "jobs"), env=env, stdout=log, stderr=log
        )
        try:
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
                await until(lambda: _is_ready(http), lambda ready: ready)
            yield Running(process, Path(log.name))
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()
        assert list(lines_that_tell(Path(log.name).read_text())) == []


async def _is_ready(http: httpx.AsyncClient) -> bool:
    try:
        return (await http.get("/readyz")).status_code == 200
    except httpx.TransportError:
        return False


async def begun_by_a_process(world: World) -> None:
    job = a_job("one", real_now() - timedelta(minutes=1))
    await world.stage.bus.call(Schedule(job=job))
    await world.bell.begins(1)


async def test_a_killed_process_loses_no_job(world: World) -> None:
    async with a_process(world) as first:
        await begun_by_a_process(world)
        first.process.kill()
        await first.process.wait()
    world.bell.may_end.set()
    await world.stage.put_on(jobs)
    row = await world.becomes("one", "done")
    assert (row["attempts"], world.bell.began) == (2, ["one", "one"])


async def test_a_frozen_process_that_wakes_changes_nothing(world: World) -> None:
    async with a_process(world) as frozen:
        await begun_by_a_process(world)
        frozen.process.send_signal(signal.SIGSTOP)
        await world.stage.put_on(jobs)
        await world.bell.begins(2)
        frozen.process.send_signal(signal.SIGCONT)
        await frozen.says("job_outcome_fenced")
        world.bell.may_end.set()
        row = await world.becomes("one", "done")
    # Twice, or more often where the other one was late as well; the frozen one wrote nothing.
    assert row["attempts"] >= 2
    assert row["errors"] == []
