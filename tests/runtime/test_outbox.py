"""The outbox: data and events together or not at all, and one relay a service that survives a kill."""

# A test may look inside what it tests.
# pyright: reportPrivateUsage=false

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from sqlalchemy import text

from tests.runtime import bakeries
from tests.runtime.bakeries import Counter, Script, a_service, column, sell, sold_by, tell, the_database
from tests.runtime.bakery import Baked, ShopOpened
from tests.servers import Servers
from tests.stage import Stage, a_stage, until

ROOT = Path(__file__).parents[2]
OVEN = a_service("oven", tells=[Baked])
COUNTER = a_service("counter", [Baked.heard_by(sell)])


@pytest.fixture
async def stage(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Stage]:
    monkeypatch.setattr(bakeries, "SCRIPT", Script())
    async with a_stage(servers, [OVEN, COUNTER]) as stage:
        yield stage


async def test_a_transaction_that_fails_takes_its_events_back_with_its_data(stage: Stage) -> None:
    oven = stage.running["oven"]

    async def burn() -> None:
        async with the_database(oven).transaction() as tx:
            await tx.execute(text("INSERT INTO sold VALUES (1, '')"))
            await tx.publish(Baked(oven="a", number=1))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await burn()
    await tell(oven, Baked(oven="a", number=2))
    assert await sold_by(stage.running["counter"], bool) == [2]
    assert await column(oven, "SELECT number FROM sold") == []


async def test_what_was_committed_is_delivered_after_a_sigkill_before_it_could_be(stage: Stage) -> None:
    url = stage.urls["oven"]
    ended = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.runtime.killed_after_commit",
        url,
        cwd=ROOT,
        env={**os.environ, "TURNOSYA_MESSAGE_KEY": stage.settings["TURNOSYA_MESSAGE_KEY"]},
    )
    assert await ended.wait() == -signal.SIGKILL
    assert await sold_by(stage.running["counter"], bool) == [481]


async def test_of_two_copies_one_relays_and_the_other_takes_over(stage: Stage) -> None:
    first = stage.running["oven"]
    second = await stage.put_on(OVEN)
    await tell(first, Baked(oven="a", number=1))
    await sold_by(stage.running["counter"], lambda sold: len(sold) == 1)
    held = "SELECT count(DISTINCT pid) FROM pg_locks WHERE locktype = 'advisory' AND granted"
    held += " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    assert await column(first, held) == [1]
    await tell(second, Baked(oven="a", number=2))
    await sold_by(stage.running["counter"], lambda sold: len(sold) == 2)
    await stage.take_off(first)
    await tell(second, Baked(oven="a", number=3))
    assert await sold_by(stage.running["counter"], lambda sold: len(sold) == 3) == [1, 2, 3]


async def test_a_hearer_whose_copy_does_not_relay_wakes_the_one_that_does(servers: Servers) -> None:
    async def pass_on(context: Counter, event: Baked) -> None:
        async with context.db.transaction() as tx:
            await tx.publish(ShopOpened(name=event.oven))

    async def write_down(context: Counter, _: ShopOpened) -> None:
        async with context.db.transaction() as tx:
            await tx.execute(text("INSERT INTO sold VALUES (1, '')"))

    middle = a_service("middle", [Baked.heard_by(pass_on)])
    end = a_service("end", [ShopOpened.heard_by(write_down)])
    settings = {"TURNOSYA_POLL_S": "30", "TURNOSYA_CALL_TIMEOUT_S": "5"}
    async with a_stage(servers, [end, middle], settings=settings) as stage:
        relay = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted"
        await until(lambda: column(stage.running["middle"], relay), lambda found: found >= [1])
        # The second copy hears nothing of the first's relay, which waits 30 s unless it is told.
        first = stage.running["middle"]
        second = await stage.put_on(middle)
        first._inboxes[0]._stopping = True
        first._inboxes[0]._wake.set()
        await second._inboxes[0].store(stage.bus.encode(Baked(oven="a"), sequence=1))
        await sold_by(stage.running["end"], lambda sold: sold == [1])


async def test_a_hearer_that_opens_a_second_transaction_is_told_so(servers: Servers) -> None:
    async def two(context: Counter, event: Baked) -> None:
        for _ in range(2):
            async with context.db.transaction() as tx:
                await tx.execute(text("INSERT INTO sold VALUES (:number, '')"), {"number": event.number})

    async with a_stage(servers, [a_service("two", [Baked.heard_by(two)])]) as stage:
        await stage.tell(Baked(oven="a", number=1))
        assert await sold_by(stage.running["two"], bool) == [1]
        await stage.tell(Baked(oven="b", number=2))
        assert await sold_by(stage.running["two"], lambda sold: len(sold) == 2) == [1, 2]
