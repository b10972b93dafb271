"""At least once, never two at a time: failures, killed and frozen workers, two copies at work."""

import asyncio
from datetime import timedelta
from typing import Any

from tests.jobs.world import HOUR, NOON, Ring, World, a_job
from tests.runtime.collector import keeping_steps
from tests.stage import until
from turnosya.contracts.jobs import CancelScheduled, Schedule
from turnosya.runtime.spans import Kind
from turnosya.services.jobs import engine
from turnosya.services.jobs.store import timetable
from turnosya.services.jobs.store.timetable import Ending, Start


async def scheduled(world: World, *names: str, **fields: Any) -> None:  # noqa: ANN401 - fields of a job
    for name in names:
        await world.stage.bus.call(Schedule(job=a_job(name, **fields)))


async def taken_by_a_worker_that_is_not_heard_of(world: World, name: str) -> Start:
    """As a process does just before it is killed or frozen."""
    async with world.jobs.db.at_once() as tx:
        (start,) = await timetable.claim(tx, now=NOON + HOUR, room=1, lease_for=timedelta(seconds=30))
    assert start.key == name
    return start


async def test_two_copies_share_the_work_and_make_each_job_once(world: World) -> None:
    await world.one_more_copy()
    names = [f"{number:03}" for number in range(120)]
    await scheduled(world, *names, run_at=NOON + HOUR)
    await world.stands_at(NOON + HOUR)
    await world.bell.rings(*names)
    for name in names:
        assert (await world.becomes(name, "done"))["attempts"] == 1


async def test_a_failing_job_is_tried_again_until_it_succeeds(world: World) -> None:
    world.bell.broken = True
    await scheduled(world, "one")
    await world.bell.begins(3)
    world.bell.broken = False
    await world.bell.rings("one")
    row = await world.becomes("one", "done")
    assert row["attempts"] == len(row["errors"]) + 1 >= 4


async def test_each_start_of_a_job_begins_a_trace_and_says_which_and_why_it_failed(world: World) -> None:
    with keeping_steps() as kept:
        world.bell.broken = True
        await scheduled(world, "one", max_attempts=2)
        await world.becomes("one", "failed")
    made = [step for step in kept.steps if step.name == f"job {Ring.wire_name}"]
    assert [(step.service, step.kind, step.failure) for step in made] == [
        ("jobs", Kind.CONSUMER, "Unavailable")
    ] * 2
    assert [step.attributes["turnosya.attempt"] for step in made] == [1, 2]
    assert [step.trace.parent_id for step in made] == [None, None]
    assert made[0].trace.trace_id != made[1].trace.trace_id
    # The request and its answer are further down in the same tree.
    for step in made:
        asked = next(one for one in kept.steps if one.trace.parent_id == step.trace.span_id)
        answered = next(one for one in kept.steps if one.trace.parent_id == asked.trace.span_id)
        assert [asked.name, answered.name] == [f"ask {Ring.wire_name}", f"answer {Ring.wire_name}"]


async def test_a_job_that_never_succeeds_is_kept_with_its_last_errors(world: World) -> None:
    world.bell.broken = True
    await scheduled(world, "one", max_attempts=25)
    row = await world.becomes("one", "failed")
    assert len(world.bell.began) == row["attempts"] == 25
    assert [error["attempt"] for error in row["errors"]] == list(range(6, 26))
    assert {error["error"] for error in row["errors"]} == {"service_unavailable"}
    assert row["ended_at"] is not None


async def test_a_request_that_nobody_answers_is_tried_again_and_harms_no_other(world: World) -> None:
    unknown = a_job("lost").model_copy(update={"request": "nowhere.Ring", "max_attempts": 3})
    await world.stage.bus.call(Schedule(job=unknown))
    await scheduled(world, "other")
    await world.bell.rings("other")
    assert (await world.becomes("lost", "failed"))["attempts"] == 3


async def test_a_killed_workers_job_is_started_again_when_its_lease_is_over(world: World) -> None:
    await scheduled(world, "one", run_at=NOON + HOUR)
    await taken_by_a_worker_that_is_not_heard_of(world, "one")
    await world.stands_at(NOON + HOUR)
    assert world.bell.began == []
    await world.every_lease_is_over()
    await world.bell.rings("one")
    assert (await world.becomes("one", "done"))["attempts"] == 2


async def test_a_frozen_worker_cannot_write_over_the_newer_ones_outcome(world: World) -> None:
    await scheduled(world, "one", run_at=NOON + HOUR)
    frozen = await taken_by_a_worker_that_is_not_heard_of(world, "one")
    await world.every_lease_is_over()
    await world.stands_at(NOON + HOUR)
    await world.bell.rings("one")
    done = await world.becomes("one", "done")
    async with world.jobs.db.transaction() as tx:
        assert not await timetable.end(tx, Ending(frozen, "failed", error="too late"))
    assert await world.row("one") == done


async def test_a_worker_that_wakes_after_its_lease_does_not_make_the_request(world: World) -> None:
    await scheduled(world, "one", run_at=NOON + HOUR)
    frozen = await taken_by_a_worker_that_is_not_heard_of(world, "one")
    await engine.make(world.jobs, frozen, begins_before=asyncio.get_running_loop().time() - 30)
    assert world.bell.began == []
    assert (await world.row("one"))["state"] == "waiting"


async def test_a_frozen_worker_cannot_end_the_lease_of_the_newer_one(world: World) -> None:
    await scheduled(world, "one", run_at=NOON + HOUR)
    frozen = await taken_by_a_worker_that_is_not_heard_of(world, "one")
    await world.every_lease_is_over()
    world.bell.may_end.clear()
    await world.stands_at(NOON + HOUR)
    await world.bell.begins(1)
    async with world.jobs.db.transaction() as tx:
        assert not await timetable.end(tx, Ending(frozen, "retried", error="x", retry_s=0))
    assert (await world.row("one"))["leased_until"] is not None
    world.bell.may_end.set()
    await world.bell.rings("one")


async def test_a_job_whose_last_worker_was_lost_has_failed(world: World) -> None:
    await scheduled(world, "one", run_at=NOON + HOUR, max_attempts=1)
    await taken_by_a_worker_that_is_not_heard_of(world, "one")
    await world.stands_at(NOON + HOUR)
    await world.every_lease_is_over()
    row = await world.becomes("one", "failed")
    assert (row["errors"][0]["error"], world.bell.began) == ("worker lost", [])


async def test_scheduling_anew_what_runs_waits_for_its_end_and_is_made_as_well(world: World) -> None:
    world.bell.may_end.clear()
    await scheduled(world, "old", key="k")
    await world.bell.begins(1)
    await scheduled(world, "new", key="k")
    assert world.bell.began == ["old"]
    world.bell.may_end.set()
    await world.bell.rings("old", "new")
    assert world.bell.names == ["old", "new"]
    assert world.bell.most_at_once == 1
    assert (await world.becomes("k", "done"))["attempts"] == 1


async def test_a_job_cancelled_while_it_runs_is_not_tried_again(world: World) -> None:
    world.bell.broken = True
    world.bell.may_end.clear()
    await scheduled(world, "one")
    await world.bell.begins(1)
    await world.stage.bus.call(CancelScheduled(key="one"))
    world.bell.may_end.set()
    row = await world.becomes("one", "cancelled")
    assert (row["errors"], row["retry_at"], world.bell.began) == ([], None, ["one"])


async def test_no_more_jobs_run_at_once_than_there_are_workers(world: World) -> None:
    world.bell.may_end.clear()
    names = [f"{number:02}" for number in range(80)]
    await scheduled(world, *names)
    workers = world.jobs.settings.jobs_workers
    await world.bell.begins(workers)
    assert len(world.bell.began) == workers
    world.bell.may_end.set()
    await world.bell.rings(*names)
    assert world.bell.most_at_once == workers


async def test_what_ended_long_ago_is_forgotten(world: World) -> None:
    await scheduled(world, "done")
    await world.becomes("done", "done")
    world.bell.broken = True
    await scheduled(world, "failed", max_attempts=1)
    await world.becomes("failed", "failed")

    async def kept() -> int:
        async with world.jobs.db.read() as tx:
            rows = await tx.connection.exec_driver_sql("SELECT count(*) FROM timetable")
            return int(rows.scalar_one())

    day = timedelta(days=1)
    async with world.jobs.db.transaction() as tx:
        assert await timetable.forget(tx, done_kept=day, failed_kept=day) == 0
        assert await timetable.forget(tx, done_kept=-day, failed_kept=day) == 1
    await until(kept, lambda count: count == 1)
    assert (await world.row("failed"))["state"] == "failed"
