"""The service clock over HTTP: set, moved, released, kept, followed by everybody, and only in development."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from tests.jobs.world import HOUR, NOON, Bell, World, a_job
from tests.servers import Servers
from tests.stage import a_stage
from turnosya.contracts.jobs import ClockState, Schedule, UseClock
from turnosya.runtime.clock import real_now
from turnosya.runtime.ids import new_id
from turnosya.runtime.settings import Environment
from turnosya.services.jobs.service import service as jobs

SENSELESS: list[object] = [
    {},
    {"now": None},
    {"now": "2027-06-10T12:00:00Z", "advance_minutes": 1},
    {"now": "2027-06-10T12:00:00"},
    {"now": "9999-12-31T23:59:59Z"},
    {"now": "10000-01-01T00:00:00Z"},
    {"now": "1969-12-31T23:59:59Z"},
    {"now": 1_800_000_000},
    {"now": "mañana"},
    {"now": "2027-06-10T12:00:00Z\u0000"},
    {"advance_minutes": 1.5},
    {"advance_minutes": "1"},
    {"advance_minutes": True},
    {"advance_minutes": 10**30},
    {"advance_minutes": 9_999_999_999},
    {"advance_minutes": -9_999_999_999},
    {"advance_minutes": 1, "zone": "UTC"},
    [],
    "noon",
    None,
]


async def shown(world: World) -> tuple[datetime, bool]:
    async with world.stage.http("jobs") as http:
        answer = await http.get("/v1/dev/clock")
    assert answer.status_code == 200
    assert answer.json()["now"].endswith("Z")
    return datetime.fromisoformat(answer.json()["now"]), answer.json()["set"]


async def test_it_stands_where_it_was_set_and_runs_when_released(world: World) -> None:
    assert await shown(world) == (NOON, True)
    assert await shown(world) == (NOON, True)
    await world.is_released()
    now, is_set = await shown(world)
    assert abs(now - real_now()) < timedelta(seconds=10)
    assert not is_set
    await world.is_released()


@pytest.mark.parametrize("minutes", [90, -90, 0])
async def test_it_moves_by_minutes_from_where_it_stands(world: World, minutes: int) -> None:
    answer = await world.sets_clock(advance_minutes=minutes)
    assert answer.status_code == 200
    assert await shown(world) == (NOON + timedelta(minutes=minutes), True)


async def test_it_moves_by_minutes_from_real_time(world: World) -> None:
    await world.is_released()
    await world.sets_clock(advance_minutes=60)
    now, is_set = await shown(world)
    assert abs(now - real_now() - HOUR) < timedelta(seconds=10)
    assert is_set


async def test_any_offset_is_the_same_instant(world: World) -> None:
    answer = await world.sets_clock(now="2027-06-10T09:30:00-03:00")
    assert answer.json() == {"now": "2027-06-10T12:30:00Z", "set": True}


async def test_what_makes_no_sense_is_refused_and_moves_nothing(world: World) -> None:
    async with world.stage.http("jobs") as http:
        for body in SENSELESS:
            answer = await http.put("/v1/dev/clock", json=body)
            assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed"), body
    assert await shown(world) == (NOON, True)


async def test_what_is_no_json_is_malformed(world: World) -> None:
    async with world.stage.http("jobs") as http:
        answer = await http.put(
            "/v1/dev/clock", content=b'{"now":', headers={"content-type": "application/json"}
        )
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_request")


async def test_it_is_kept_across_a_restart_and_a_job_of_then_still_waits(world: World) -> None:
    await world.stage.bus.call(Schedule(job=a_job("later", NOON + HOUR)))
    await world.is_restarted()
    assert await shown(world) == (NOON, True)
    await world.stands_at(NOON + HOUR)
    await world.bell.rings("later")


async def test_a_process_learns_the_clock_from_its_heartbeat(world: World) -> None:
    state = await world.stage.bus.call(UseClock(process_id=new_id(), version=0))
    assert state == ClockState(version=world.jobs.clock.version, set_to=NOON)


async def test_a_move_waits_for_every_process_that_lives(world: World) -> None:
    process_id = new_id()
    await world.process_says(process_id, version=world.jobs.clock.version)
    answer = await world.sets_clock(advance_minutes=60)
    assert (answer.status_code, answer.json()["code"]) == (503, "service_unavailable")
    assert answer.headers["retry-after"]
    await world.process_says(process_id, version=2**62)
    assert (await world.sets_clock(advance_minutes=60)).status_code == 200
    assert await shown(world) == (NOON + 2 * HOUR, True)


async def test_no_job_is_made_before_every_process_has_the_new_clock(world: World) -> None:
    process_id = new_id()
    await world.stage.bus.call(Schedule(job=a_job("one", NOON + HOUR)))
    await world.process_says(process_id, version=world.jobs.clock.version)
    assert (await world.sets_clock(advance_minutes=60)).status_code == 503
    assert world.bell.began == []
    await world.process_says(process_id, version=world.jobs.clock.version)
    await world.bell.rings("one")


async def test_a_process_that_is_gone_is_not_waited_for(servers: Servers) -> None:
    short = {"TURNOSYA_CLOCK_WAIT_S": "9", "TURNOSYA_CLOCK_SILENT_S": "0.2"}
    async with a_stage(servers, [jobs], settings=short) as stage:
        world = World(stage, Bell())
        await world.process_says(new_id())
        await world.stands_at(NOON)


async def test_two_who_move_it_at_once_are_both_answered_and_one_is_last(world: World) -> None:
    async def moves(hours: int) -> int:
        return (await world.sets_clock(now=(NOON + hours * HOUR).isoformat())).status_code

    assert set(await asyncio.gather(*(moves(hours) for hours in range(8)))) == {200}
    now, is_set = await shown(world)
    assert now == world.jobs.clock.now()
    assert is_set


async def test_outside_of_development_there_is_no_such_clock(servers: Servers) -> None:
    async with a_stage(servers, [jobs], env=Environment.PRODUCTION) as stage:
        world = World(stage, Bell())
        async with stage.http("jobs") as http:
            answers = [
                await http.get("/v1/dev/clock"),
                await http.put("/v1/dev/clock", json={"advance_minutes": 60}),
                await http.put("/v1/dev/clock", json={}),
                await http.delete("/v1/dev/clock"),
            ]
        assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(404, "not_found")}
        assert not world.jobs.clock.is_set
        state = await stage.bus.call(UseClock(process_id=new_id(), version=0))
        assert state == ClockState(version=0, set_to=None)


async def test_in_production_jobs_are_made_on_real_time(servers: Servers) -> None:
    async with a_stage(servers, [jobs], env=Environment.PRODUCTION) as stage:
        bell = Bell()
        await bell.open(stage.bus)
        await stage.bus.call(Schedule(job=a_job("past", datetime(2020, 1, 1, tzinfo=UTC))))
        await stage.bus.call(Schedule(job=a_job("future", datetime(8999, 1, 1, tzinfo=UTC))))
        await bell.rings("past")
