"""Events that come ten times and late: a job is what was last asked for, and no more."""

import random

from tests.jobs.world import HOUR, NOON, World, a_job
from tests.stage import until
from turnosya.contracts.jobs import ScheduleCancelled, ScheduleRequested
from turnosya.runtime.bus import Envelope


async def test_events_that_come_ten_times_and_late_change_nothing_more(world: World) -> None:
    """At first those of a key come in their order, as the relay tells them; again they come anywhere."""
    chance = random.Random(20270610)
    told = [
        [
            ScheduleRequested(job=a_job(f"old {key}", NOON + HOUR, key=key)),
            ScheduleCancelled(key=key),
            ScheduleRequested(job=a_job(f"new {key}", NOON + HOUR, key=key)),
            *([ScheduleCancelled(key=key)] if key.startswith("gone") else []),
        ]
        for key in ("one", "two", "gone")
    ]
    keys = [
        [world.stage.bus.encode(event, sequence=n) for n, event in enumerate(events, 1)] for events in told
    ]
    order: list[Envelope] = []
    firsts = [envelope for events in keys for envelope in events]
    for envelope in firsts:
        order.append(envelope)
        order += chance.choices(order, k=4)
    order += chance.sample(firsts * 9, k=len(firsts) * 9)
    assert all(order.count(envelope) >= 10 for envelope in firsts)
    for envelope in order:
        await world.stage.bus.deliver(envelope)

    async def heard() -> int:
        async with world.jobs.db.read() as tx:
            rows = await tx.connection.exec_driver_sql("SELECT count(*) FROM inbox WHERE state = 'done'")
            return int(rows.scalar_one())

    await until(heard, lambda count: count == len(firsts))
    await world.stands_at(NOON + HOUR)
    await world.bell.rings("new one", "new two")
    assert (await world.row("gone"))["state"] == "cancelled"
    for envelope in order:
        await world.stage.bus.deliver(envelope)
    await world.stands_at(NOON + 2 * HOUR)
    assert sorted(world.bell.names) == ["new one", "new two"]
    assert await heard() == len(firsts)
