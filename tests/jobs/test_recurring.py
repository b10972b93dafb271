"""What recurs, on the engine: daily in twelve zones, cancelled, failing, declared by services, missed."""

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta

from tests.jobs.test_recurrence import ZONES
from tests.jobs.world import HOUR, NOON, Ring, World
from tests.stage import until
from turnosya.contracts.jobs import (
    CancelScheduled,
    Declared,
    DeclareSchedules,
    Job,
    Recurrence,
    Schedule,
)
from turnosya.services.jobs import schedules
from turnosya.services.jobs.recurrence import _zone as zone_called  # pyright: ignore[reportPrivateUsage]

HOURLY = Recurrence(every_s=3600)


async def recurring(world: World, name: str, recurs: Recurrence) -> None:
    await world.stage.bus.call(Schedule(job=Job.of(Ring(name=name), key=name, recurs=recurs)))


async def waits(world: World, key: str) -> datetime:
    """When it comes next, once nothing runs and nothing is due."""
    row = await until(
        lambda: world.row(key),
        lambda row: row["leased_until"] is None and row["run_at"] > world.jobs.clock.now(),
    )
    return row["run_at"]  # type: ignore[no-any-return]


async def rung_and_at_rest(world: World, key: str) -> int:
    await waits(world, key)
    return world.bell.names.count(key)


async def test_daily_jobs_of_twelve_zones_ring_once_a_local_day_through_a_change_and_steps_back(
    world: World,
) -> None:
    start = datetime(2027, 11, 5, 12, tzinfo=UTC)
    await world.stands_at(start)
    for zone in ZONES:
        await recurring(world, zone, Recurrence(cron="30 1 * * *", timezone=zone))
    at = start
    # Three days by six hours; an hour back after each step, as a clock that is put right.
    for _ in range(12):
        at += 6 * HOUR
        for instant in (at, at - HOUR):
            await world.stands_at(instant)
            for zone in ZONES:
                await waits(world, zone)
    async with world.jobs.db.read() as tx:
        rows = await tx.connection.exec_driver_sql(
            "SELECT key, runs.run_at FROM runs JOIN timetable ON timetable.id = job_id"
        )
        days = Counter(
            (zone, run_at.astimezone(zone_called(zone)).date()) for zone, run_at in map(tuple, rows)
        )
    assert set(days.values()) == {1}
    assert Counter(zone for zone, _ in days) == Counter(world.bell.names) == dict.fromkeys(ZONES, 3)


async def test_a_failed_time_is_followed_by_the_next(world: World) -> None:
    world.bell.broken = True
    await recurring(world, "tick", HOURLY.model_copy(update={"grace_s": 5}))
    async with world.jobs.db.transaction() as tx:
        await tx.connection.exec_driver_sql("UPDATE timetable SET max_attempts = 2")
    await world.stands_at(NOON + HOUR)
    assert await waits(world, "tick") == NOON + 2 * HOUR
    assert len(world.bell.began) == 2
    world.bell.broken = False
    await world.stands_at(NOON + 2 * HOUR)
    await world.bell.rings("tick")
    assert len((await world.row("tick"))["errors"]) == 2


async def test_a_lost_worker_ends_a_time_and_not_the_schedule(world: World) -> None:
    await recurring(world, "tick", HOURLY)
    async with world.jobs.db.transaction() as tx:
        await tx.connection.exec_driver_sql(
            "UPDATE timetable SET attempts = 10, leased_until = clock_timestamp() - interval '1 s'"
        )
    await world.stands_at(NOON + HOUR)
    assert await waits(world, "tick") == NOON + 2 * HOUR
    assert world.bell.began == []


async def test_what_was_missed_is_made_up_for_as_asked(world: World) -> None:
    for name in ("skip", "run_once", "catch_up"):
        await recurring(world, name, Recurrence.model_validate({"every_s": 3600, "missed": name}))
    await world.stands_at(NOON + 5 * HOUR + HOUR / 2)
    rung = {name: await rung_and_at_rest(world, name) for name in ("skip", "run_once", "catch_up")}
    assert rung == {"skip": 0, "run_once": 1, "catch_up": 5}


async def test_a_cancelled_schedule_comes_no_more(world: World) -> None:
    await recurring(world, "tick", HOURLY)
    await world.stage.bus.call(CancelScheduled(key="tick"))
    await world.stands_at(NOON + 3 * HOUR)
    assert ((await world.row("tick"))["state"], world.bell.began) == ("cancelled", [])


async def test_a_schedule_cancelled_while_it_runs_comes_no_more(world: World) -> None:
    world.bell.may_end.clear()
    await recurring(world, "tick", HOURLY)
    await world.stands_at(NOON + HOUR)
    await world.bell.begins(1)
    await world.stage.bus.call(CancelScheduled(key="tick"))
    world.bell.may_end.set()
    await world.becomes("tick", "cancelled")
    await world.stands_at(NOON + 3 * HOUR)
    assert world.bell.began == ["tick"]


def declaration(*names: str, every_s: float = 3600, revision: str = "") -> DeclareSchedules:
    jobs = [Job.of(Ring(name=name), key=name, recurs=Recurrence(every_s=every_s)) for name in names]
    return DeclareSchedules(service="bells", schedules=[Declared(job=job, revision=revision) for job in jobs])


async def test_what_a_service_declares_begins_at_once_and_again_changes_nothing(world: World) -> None:
    told = [world.stage.bus.call(declaration("tick")) for _ in range(8)]
    await asyncio.gather(*told)
    await world.bell.rings("tick")
    assert await waits(world, "tick") == NOON + HOUR
    await world.stage.bus.call(declaration("tick"))
    assert (await world.row("tick"))["run_at"] == NOON + HOUR
    await world.stage.bus.call(declaration("tick", revision="2"))
    await world.bell.rings("tick", "tick")


async def test_what_is_not_declared_any_more_is_cancelled(world: World) -> None:
    await world.stage.bus.call(declaration("old", "kept"))
    await world.bell.rings("kept", "old")
    await world.stage.bus.call(declaration("kept"))
    assert (await world.row("old"))["state"] == "cancelled"
    assert (await world.row("kept"))["state"] == "waiting"


async def test_a_clock_set_back_for_long_does_not_silence_a_schedule(world: World) -> None:
    await recurring(world, "tick", HOURLY)
    await world.stands_at(NOON + 1000 * HOUR)
    await world.bell.rings("tick")
    await waits(world, "tick")
    await world.stands_at(NOON)
    assert await waits(world, "tick") == NOON + HOUR


async def test_a_missed_time_is_told_once(world: World) -> None:
    await world.is_released()
    late = world.jobs.clock.now() - 2 * HOUR
    await recurring(world, "tick", HOURLY)
    async with world.jobs.db.transaction() as tx:
        # As if no worker had been there: held by nobody's lease until it is looked at.
        await tx.connection.exec_driver_sql(
            "UPDATE timetable SET run_at = $1, retry_at = clock_timestamp() + interval '1 h'", (late,)
        )
    told = await until(lambda: missed(world), bool)
    await schedules.tell_of_missed(world.jobs)
    await schedules.tell_of_missed(world.jobs)
    assert await missed(world) == told == [late]


async def missed(world: World) -> list[datetime]:
    async with world.jobs.db.read() as tx:
        rows = await tx.connection.exec_driver_sql(
            "SELECT missed_at FROM timetable WHERE missed_at IS NOT NULL"
        )
        return list(rows.scalars())


async def test_a_leap_of_the_set_clock_is_no_alarm(world: World) -> None:
    await recurring(world, "tick", HOURLY)
    await world.stands_at(NOON + timedelta(days=9))
    await world.bell.rings("tick")
    await schedules.tell_of_missed(world.jobs)
    assert await missed(world) == []
