"""What was scheduled is made when its time has come, once, in order, as it was last asked for."""

from tests.jobs.world import HOUR, NOON, World, a_job
from tests.stage import until
from turnosya.contracts.jobs import CancelScheduled, Schedule, ScheduleCancelled, ScheduleRequested


async def test_a_job_whose_time_has_come_is_made_at_once_with_its_body(world: World) -> None:
    name = "ñandú 🐦 \u0000 שלום"
    await world.stage.bus.call(Schedule(job=a_job(name, NOON - HOUR, key="bird", number=2**53 + 1)))
    await world.bell.rings(name)
    assert world.bell.rung[0].number == 2**53 + 1
    assert (await world.becomes("bird", "done"))["attempts"] == 1


async def test_a_job_waits_for_its_time_and_is_started_before_the_clock_answers(world: World) -> None:
    await world.stage.bus.call(Schedule(job=a_job("one", NOON + HOUR)))
    await world.stands_at(NOON + HOUR / 2)
    assert world.bell.began == []
    await world.stands_at(NOON + HOUR)
    await world.bell.rings("one")


async def test_what_falls_due_together_is_started_in_the_order_of_its_time(world: World) -> None:
    names = [f"{number:03}" for number in range(60)]
    for name in reversed(names):
        await world.stage.bus.call(Schedule(job=a_job(name, NOON + int(name) * HOUR / 60 + HOUR)))
    await world.stands_at(NOON + 3 * HOUR)
    await world.bell.rings(*names)
    assert world.bell.began == names


async def test_a_clock_set_back_starts_nothing_and_forwards_again_starts_it_once(world: World) -> None:
    await world.stage.bus.call(Schedule(job=a_job("one", NOON + HOUR)))
    await world.stands_at(NOON - 24 * HOUR)
    await world.stands_at(NOON + 2 * HOUR)
    await world.bell.rings("one")
    await world.becomes("one", "done")
    await world.stands_at(NOON)
    await world.stands_at(NOON + 2 * HOUR)
    assert world.bell.names == ["one"]


async def test_on_real_time_a_job_comes_by_itself(world: World) -> None:
    await world.is_released()
    soon = world.jobs.clock.now() + HOUR / 12000
    await world.stage.bus.call(Schedule(job=a_job("soon", soon)))
    await world.bell.rings("soon")
    assert world.jobs.clock.now() >= soon


async def test_the_same_key_replaces(world: World) -> None:
    await world.stage.bus.call(Schedule(job=a_job("old", NOON + HOUR, key="k")))
    await world.stage.bus.call(Schedule(job=a_job("new", NOON + 2 * HOUR, key="k")))
    await world.stands_at(NOON + HOUR)
    assert world.bell.began == []
    await world.stands_at(NOON + 2 * HOUR)
    await world.bell.rings("new")


async def test_a_key_may_be_used_again_when_its_job_was_done(world: World) -> None:
    for name in ("first", "second"):
        await world.stage.bus.call(Schedule(job=a_job(name, key="k")))
        await world.becomes("k", "done")
    assert world.bell.names == ["first", "second"]


async def test_a_cancelled_job_is_not_made(world: World) -> None:
    await world.stage.bus.call(Schedule(job=a_job("one", NOON + HOUR)))
    await world.stage.bus.call(Schedule(job=a_job("two", NOON + HOUR)))
    await world.stage.bus.call(CancelScheduled(key="one"))
    await world.stage.bus.call(CancelScheduled(key="never was"))
    await world.stands_at(NOON + HOUR)
    await world.bell.rings("two")
    assert (await world.row("one"))["state"] == "cancelled"


async def test_events_schedule_and_cancel_in_the_order_they_were_told(world: World) -> None:
    told = await world.stage.tell(
        ScheduleRequested(job=a_job("gone", NOON + HOUR)),
        ScheduleCancelled(key="gone"),
        ScheduleRequested(job=a_job("old", NOON + HOUR, key="k")),
        ScheduleRequested(job=a_job("new", NOON + HOUR, key="k")),
    )
    await until(lambda: heard(world), lambda count: count == len(told))
    # The broker delivers the first once more: it was heard already, and wakes nothing up.
    await world.stage.bus.deliver(told[0])
    await until(lambda: heard(world), lambda count: count == len(told))
    await world.stands_at(NOON + HOUR)
    await world.bell.rings("new")
    assert (await world.row("gone"))["state"] == "cancelled"


async def heard(world: World) -> int:
    async with world.jobs.db.read() as tx:
        rows = await tx.connection.exec_driver_sql("SELECT count(*) FROM inbox WHERE state = 'done'")
        return int(rows.scalar_one())


async def test_what_was_scheduled_outlives_a_restart(world: World) -> None:
    await world.stage.bus.call(Schedule(job=a_job("one", NOON + HOUR)))
    await world.is_restarted()
    await world.stands_at(NOON + HOUR)
    await world.bell.rings("one")
