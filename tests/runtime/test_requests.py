"""Requests between services, the same over every transport."""

import asyncio
from contextvars import ContextVar
from datetime import UTC, datetime

import pytest
from structlog.testing import capture_logs

from tests.runtime.bakery import Bake, Bread, Deliver, NeverDeclared, OvenHot
from tests.runtime.processes import Processes
from turnosya.runtime.bus import deadline_in, time_left_s
from turnosya.runtime.messages import Invalid, NotFound, Say, TimedOut, Unavailable, invalid
from turnosya.runtime.telemetry import begin_trace, current_trace, tracing

NOON = datetime(2027, 3, 1, 12, tzinfo=UTC)
AT_MOST = Say("como máximo 9", "at most 9", "no máximo 9")
LEFT_BEHIND: ContextVar[str] = ContextVar("left_behind", default="nothing")


async def test_a_request_gets_its_typed_answer(processes: Processes) -> None:
    bakery, shop = await processes.one("bakery"), await processes.one()

    async def bake(request: Bake) -> Bread:
        return Bread(loaves=request.loaves * 2, baker=request.how)

    await bakery.answer(Bake, bake)
    assert await shop.call(Bake(loaves=3, how="ñandú 🍞 مرحبا")) == Bread(loaves=6, baker="ñandú 🍞 مرحبا")


async def test_many_requests_at_once_get_each_its_own_answer(processes: Processes) -> None:
    bakery, shop = await processes.one("bakery"), await processes.one()

    async def bake(request: Bake) -> Bread:
        return Bread(loaves=request.loaves)

    await bakery.answer(Bake, bake)
    answers = await asyncio.gather(*(shop.call(Bake(loaves=number)) for number in range(200)))
    assert [bread.loaves for bread in answers] == list(range(200))


async def test_a_declared_error_crosses_with_its_fields(processes: Processes) -> None:
    bakery, shop = await processes.one("bakery"), await processes.one()

    async def bake(_: Bake) -> Bread:
        raise OvenHot(until=NOON, loaves=7)

    await bakery.answer(Bake, bake)
    with pytest.raises(OvenHot) as caught:
        await shop.call(Bake())
    assert (caught.value.until, caught.value.loaves) == (NOON, 7)


async def test_errors_that_every_request_may_give_cross_too(processes: Processes) -> None:
    bakery, shop = await processes.one("bakery"), await processes.one()

    async def bake(request: Bake) -> Bread:
        raise invalid("loaves", "too_many", AT_MOST) if request.loaves else NotFound

    await bakery.answer(Bake, bake)
    with pytest.raises(NotFound):
        await shop.call(Bake(loaves=0))
    with pytest.raises(Invalid) as caught:
        await shop.call(Bake(loaves=10))
    assert [(one.field, one.code, one.says) for one in caught.value.errors] == [
        ("loaves", "too_many", AT_MOST)
    ]


@pytest.mark.parametrize("surprise", [ZeroDivisionError("7"), NeverDeclared()], ids=["defect", "undeclared"])
async def test_a_surprise_is_logged_where_it_happened_and_unavailable_to_the_caller(
    processes: Processes, surprise: Exception
) -> None:
    bakery, shop = await processes.one("bakery"), await processes.one()

    async def bake(_: Bake) -> Bread:
        raise surprise

    await bakery.answer(Bake, bake)
    with capture_logs() as logs, pytest.raises(Unavailable) as caught:
        await shop.call(Bake())
    assert type(caught.value) is Unavailable
    assert [line["request"] for line in logs if line["event"] == "request_failed"] == ["bakery.Bake"]


async def test_that_nobody_answers_is_known_at_once(processes: Processes) -> None:
    shop = await processes.one()
    with capture_logs() as logs, pytest.raises(Unavailable) as caught:
        await shop.call(Deliver(), timeout_s=20)
    assert type(caught.value) is Unavailable
    # Not because time passed.
    assert [line["why"] for line in logs if line["event"] == "request_not_answered"] == ["NobodyAnswers"]


async def test_the_deadline_passes_and_the_caller_knows(processes: Processes) -> None:
    bakery, shop = await processes.one("bakery"), await processes.one()
    never = asyncio.Event()

    async def bake(_: Bake) -> Bread:
        await never.wait()
        return Bread(loaves=1)

    await bakery.answer(Bake, bake)
    with pytest.raises(TimedOut):
        await shop.call(Bake(), timeout_s=0.1)
    never.set()
    await bakery.finish(1)


async def test_an_inner_request_gets_what_is_left_of_the_outer_one(processes: Processes) -> None:
    bakery, shop = await processes.one("bakery"), await processes.one()
    left: list[float] = []

    async def bake(_: Bake) -> Bread:
        left.append(time_left_s() or 0)
        return Bread(loaves=1)

    await bakery.answer(Bake, bake)
    with deadline_in(0.8):
        await shop.call(Bake())
        await shop.call(Bake(), timeout_s=0.2)
        await shop.call(Bake(), timeout_s=60)
    assert 0.5 < left[0] <= 0.8
    assert left[1] <= 0.2
    assert left[2] <= 0.8
    assert time_left_s() is None
    with deadline_in(0), pytest.raises(TimedOut):
        await shop.call(Bake())
    assert len(left) == 3


async def test_a_caller_gives_up_and_the_handler_ends_its_work(processes: Processes) -> None:
    bakery, shop = await processes.one("bakery"), await processes.one()
    began, go_on, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def bake(_: Bake) -> Bread:
        began.set()
        await go_on.wait()
        ended.set()
        return Bread(loaves=1)

    await bakery.answer(Bake, bake)
    asking = asyncio.create_task(shop.call(Bake()))
    await began.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    go_on.set()
    async with asyncio.timeout(2):
        await ended.wait()
    # The answer that nobody waits for disturbs no later one.
    began.clear()
    assert (await shop.call(Bake())).loaves == 1


async def test_a_request_whose_time_is_over_is_dropped_unread(broker_url: str | None) -> None:
    processes = Processes(broker_url, requests_at_once=1)
    bakery, shop = await processes.one("bakery"), await processes.one()
    read: list[int] = []
    busy, go_on = asyncio.Event(), asyncio.Event()

    async def bake(request: Bake) -> Bread:
        read.append(request.loaves)
        busy.set()
        await go_on.wait()
        return Bread(loaves=request.loaves)

    await bakery.answer(Bake, bake)
    first = asyncio.create_task(shop.call(Bake(loaves=1)))
    await busy.wait()
    with pytest.raises(TimedOut):
        await shop.call(Bake(loaves=2), timeout_s=0.1)
    # Its time is counted from when it arrives, which on a busy machine is later than when it was sent.
    with pytest.raises(TimedOut):
        await shop.call(Bake(loaves=20), timeout_s=1)
    go_on.set()
    assert (await first).loaves == 1
    assert (await shop.call(Bake(loaves=3))).loaves == 3
    await processes.close()
    assert 2 not in read


async def test_context_does_not_leak_either_way_but_the_trace_goes_with_the_request(
    processes: Processes,
) -> None:
    bakery, shop = await processes.one("bakery"), await processes.one()
    seen: list[object] = []

    async def bake(_: Bake) -> Bread:
        seen.extend([LEFT_BEHIND.get(), current_trace()])
        LEFT_BEHIND.set("by the baker")
        return Bread(loaves=1)

    await bakery.answer(Bake, bake)
    LEFT_BEHIND.set("by the shop")
    trace = begin_trace("request-7", f"00-{'ab' * 16}-{'cd' * 8}-01")
    with tracing(trace):
        await shop.call(Bake())
    assert LEFT_BEHIND.get() == "by the shop"
    assert seen[0] == "nothing"
    there = seen[1]
    assert there is not None
    assert (getattr(there, "request_id", ""), getattr(there, "trace_id", "")) == ("request-7", "ab" * 16)
    assert getattr(there, "span_id", "") != trace.span_id


async def test_two_copies_share_the_work(processes: Processes) -> None:
    copies = [await processes.one("bakery") for _ in range(2)]
    shop = await processes.one()
    meet = asyncio.Barrier(2)

    for number, copy in enumerate(copies):

        async def bake(_: Bake, number: int = number) -> Bread:
            # Answers only if the other copy works at the same time.
            await meet.wait()
            return Bread(loaves=number)

        await copy.answer(Bake, bake)
    async with asyncio.timeout(5):
        answers = [
            bread.loaves
            for _ in range(10)
            for bread in await asyncio.gather(shop.call(Bake()), shop.call(Bake()))
        ]
    assert sorted(answers) == [0] * 10 + [1] * 10


async def test_what_a_newer_caller_adds_is_ignored_and_what_cannot_be_read_is_unavailable(
    processes: Processes,
) -> None:
    bakery, shop = await processes.one("bakery"), await processes.one()

    async def bake(request: Bake) -> Bread:
        return Bread(loaves=request.loaves)

    await bakery.answer(Bake, bake)
    await shop.call_raw(Bake.wire_name, {"loaves": 2, "sesame": True})
    with capture_logs() as logs, pytest.raises(Unavailable):
        await shop.call_raw(Bake.wire_name, {"loaves": "hunter2 is my password"})
    assert "request_failed" in {line["event"] for line in logs}


async def test_running_answers_end_before_a_service_stops_and_late_ones_are_ended(
    processes: Processes,
) -> None:
    bakery, shop = await processes.one("bakery"), await processes.one()
    busy, go_on = asyncio.Event(), asyncio.Event()

    async def bake(request: Bake) -> Bread:
        busy.set()
        await (go_on.wait() if request.loaves == 1 else asyncio.Event().wait())
        return Bread(loaves=request.loaves)

    await bakery.answer(Bake, bake)
    good = asyncio.create_task(shop.call(Bake(loaves=1)))
    await busy.wait()
    stopping = asyncio.create_task(bakery.finish(5))
    go_on.set()
    await stopping
    assert (await good).loaves == 1
    busy.clear()
    endless = asyncio.create_task(shop.call(Bake(loaves=2), timeout_s=0.3))
    await busy.wait()
    await bakery.finish(0.01)
    with pytest.raises(Unavailable):
        await endless
