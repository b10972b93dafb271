"""Every process is on the service clock within moments, and keeps what it has while jobs is away."""

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio

from tests.servers import Servers
from tests.stage import Stage, a_stage, until
from turnosya.clock_follower import HEARTBEAT_S, follow_clock
from turnosya.contracts.jobs import ClockMoved, ClockState
from turnosya.runtime.clock import Clock
from turnosya.runtime.ids import new_id
from turnosya.services.jobs.service import service as jobs

NOON = datetime(2027, 6, 10, 12, tzinfo=UTC)


@pytest_asyncio.fixture
async def stage(servers: Servers) -> AsyncGenerator[Stage]:
    async with a_stage(servers, [jobs]) as made:
        yield made


@contextmanager
def a_process(stage: Stage) -> Generator[Clock]:
    """The clock of another process that follows."""
    clock = Clock()
    following = asyncio.get_running_loop().create_task(follow_clock(stage.bus, clock, new_id()))
    yield clock
    assert not following.done()
    following.cancel()


async def set_clock(stage: Stage, now: datetime) -> None:
    async with stage.http("jobs") as http:
        answer = await http.put("/v1/dev/clock", json={"now": now.isoformat()})
    assert answer.status_code == 200, answer.text


async def stands(clock: Clock, instant: datetime | None) -> None:
    async def look() -> datetime | None:
        return clock.now() if clock.is_set else None

    await until(look, lambda found: found == instant)


async def test_a_process_that_starts_later_stands_where_the_clock_was_set(stage: Stage) -> None:
    await set_clock(stage, NOON)
    with a_process(stage) as clock:
        await stands(clock, NOON)


async def test_when_the_move_is_answered_every_process_is_there(stage: Stage) -> None:
    with a_process(stage) as one, a_process(stage) as other:
        for hours in (0, 3, -3):
            await set_clock(stage, NOON + timedelta(hours=hours))
            assert one.now() == other.now() == NOON + timedelta(hours=hours)


async def test_a_release_reaches_every_process(stage: Stage) -> None:
    with a_process(stage) as clock:
        await set_clock(stage, NOON)
        async with stage.http("jobs") as http:
            assert (await http.delete("/v1/dev/clock")).status_code == 204
        assert not clock.is_set


async def test_a_move_is_answered_long_before_the_next_heartbeat(stage: Stage) -> None:
    with a_process(stage) as clock:
        await set_clock(stage, NOON)
        began = asyncio.get_running_loop().time()
        for minutes in range(1, 6):
            await set_clock(stage, NOON + timedelta(minutes=minutes))
        assert asyncio.get_running_loop().time() - began < 2.5 * HEARTBEAT_S
        assert clock.now() == NOON + timedelta(minutes=5)


async def test_an_older_move_that_comes_late_is_ignored(stage: Stage) -> None:
    with a_process(stage) as clock:
        await set_clock(stage, NOON)
        await stage.bus.publish_every_copy(ClockMoved(state=ClockState(version=1, set_to=None)))
        await set_clock(stage, NOON + timedelta(hours=1))
        assert clock.now() == NOON + timedelta(hours=1)


async def test_without_jobs_a_process_lives_on_and_says_so_once(
    servers: Servers, capsys: pytest.CaptureFixture[str]
) -> None:
    async with a_stage(servers, []) as stage:
        with a_process(stage) as clock:
            said: list[str] = []

            async def beats() -> int:
                said.append(capsys.readouterr().out)
                return "".join(said).count("request_not_answered")

            await until(beats, lambda count: count >= 2)
            assert "".join(said).count("clock_not_followed") == 1
            assert not clock.is_set
            await stage.put_on(jobs)
            await set_clock(stage, NOON)
            await stands(clock, NOON)
