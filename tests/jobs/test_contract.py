"""What may be said of a job: in so many seconds, priority, time limits, keys; and what may not."""

import asyncio
from datetime import datetime, timedelta

import pytest
from pydantic import ValidationError

from tests.jobs.world import HOUR, NOON, Ring, World, a_job
from turnosya.contracts.jobs import Job, JobExists, Recurrence, Schedule
from turnosya.runtime.messages import Invalid


async def schedule(world: World, job: Job, **more: object) -> None:
    await world.stage.bus.call(Schedule(job=job.model_copy(update=more)))


async def test_in_so_many_seconds_is_from_the_clocks_now(world: World) -> None:
    await schedule(world, Job.of(Ring(name="one"), key="one", in_s=3600))
    assert (await world.row("one"))["run_at"] == NOON + HOUR
    await schedule(world, Job.of(Ring(name="two"), key="two"))
    await world.bell.rings("two")


async def test_of_those_that_are_due_the_highest_priority_begins_first(world: World) -> None:
    for number, priority in enumerate((0, -5, 7, 0)):
        await schedule(world, a_job(f"{priority}/{number}", NOON + HOUR), priority=priority)
    await world.stands_at(NOON + HOUR)
    await world.bell.rings("0/0", "-5/1", "7/2", "0/3")
    assert world.bell.began == ["7/2", "0/0", "0/3", "-5/1"]


async def test_of_one_concurrency_key_no_more_run_at_once_in_two_copies(world: World) -> None:
    await world.one_more_copy()
    names = [f"{number:02}" for number in range(20)]
    for name in names:
        await schedule(world, a_job(name, NOON + HOUR), concurrency_key="narrow", concurrency=2)
    world.bell.may_end.clear()
    await schedule(world, a_job("wide", NOON + HOUR))
    await world.sets_clock(now=(NOON + HOUR).isoformat())
    await world.bell.begins(3)
    assert "wide" in world.bell.began
    world.bell.may_end.set()
    await world.bell.rings(*names, "wide")
    assert world.bell.most_at_once <= 3


async def test_a_job_that_takes_longer_than_it_may_has_failed(world: World) -> None:
    world.bell.may_end.clear()
    await schedule(world, a_job("slow", max_attempts=1), timeout_s=0.1)
    row = await world.becomes("slow", "failed")
    assert row["errors"][0]["error"] == "service_timeout"


async def test_a_job_has_waits_of_its_own_between_tries(world: World) -> None:
    world.bell.broken = True
    await schedule(world, a_job("one", max_attempts=2), backoff_s=[3600.0])
    row = await world.becomes("one", "waiting")
    while row["retry_at"] is None:
        row = await world.becomes("one", "waiting")
    left = row["retry_at"] - datetime.now(tz=row["retry_at"].tzinfo)
    assert timedelta(minutes=59) < left <= timedelta(minutes=73)


async def test_a_key_that_waits_is_kept_or_refused_as_asked(world: World) -> None:
    await schedule(world, a_job("old", NOON + HOUR, key="k"))
    await schedule(world, a_job("new", NOON, key="k"), if_waiting="keep")
    with pytest.raises(JobExists):
        await schedule(world, a_job("new", NOON, key="k"), if_waiting="refuse")
    await world.stands_at(NOON + HOUR)
    await world.bell.rings("old")
    await world.becomes("k", "done")
    await schedule(world, a_job("new", NOON, key="k"), if_waiting="refuse")
    await world.bell.rings("new", "old")


async def test_of_two_who_schedule_one_key_at_once_one_is_refused(world: World) -> None:
    job = a_job("one", NOON + HOUR).model_copy(update={"if_waiting": "refuse"})
    told = [world.stage.bus.call(Schedule(job=job)) for _ in range(8)]
    outcomes = await asyncio.gather(*told, return_exceptions=True)
    assert sorted(type(one).__name__ for one in outcomes) == ["JobExists"] * 7 + ["Nothing"]
    replaced = [world.stage.bus.call(Schedule(job=a_job("one", NOON + HOUR))) for _ in range(8)]
    await asyncio.gather(*replaced)
    await world.stands_at(NOON + HOUR)
    await world.bell.rings("one")


async def test_what_can_never_be_made_is_refused(world: World) -> None:
    good = a_job("one", NOON + HOUR)
    wrong: list[dict[str, object]] = [
        {"key": ""},
        {"key": "x" * 301},
        {"key": "a\u0000b"},
        {"request": ""},
        {"concurrency_key": "\n"},
        {"body": {"name": "x" * 65_536}},
        {"run_at": datetime(2027, 6, 10, 12)},  # noqa: DTZ001 - that is what is wrong
        {"in_s": 1.0},
        {"recurs": Recurrence(cron="0 0 30 2 *")},
        {"recurs": Recurrence(cron="0 0 * * *", timezone="Mars/Olympus")},
        {"recurs": Recurrence()},
    ]
    for update in wrong:
        with pytest.raises(Invalid):
            await schedule(world, good, **update)
    assert (await world.stage.bus.call(Schedule(job=good))) is not None


def test_senseless_numbers_do_not_become_a_job() -> None:
    good = a_job("one").model_dump()
    wrong: list[dict[str, object]] = [
        {"in_s": -1},
        {"in_s": float("nan")},
        {"timeout_s": 0},
        {"timeout_s": 901},
        {"priority": 101},
        {"concurrency": 0},
        {"backoff_s": [0]},
        {"backoff_s": [float("inf")]},
        {"recurs": {"every_s": 0.5}},
        {"recurs": {"every_s": 1e300}},
        {"recurs": {"every_s": 60, "missed": "maybe"}},
    ]
    for update in wrong:
        with pytest.raises(ValidationError):
            Job.model_validate({**good, **update})
