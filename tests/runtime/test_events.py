"""Events between services, the same over every transport: heard by all, once, in order, or parked."""

# A test may look inside what it tests.
# pyright: reportPrivateUsage=false

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from tests.runtime import bakeries
from tests.runtime.bakeries import (
    Script,
    a_service,
    column,
    heard_by,
    listen,
    praise,
    sell,
    sold_by,
    states,
    tell,
)
from tests.runtime.bakery import Baked, KeySent, ShopOpened
from tests.servers import Servers
from tests.stage import Stage, a_stage, until
from turnosya.runtime import load
from turnosya.runtime.bus import Undelivered
from turnosya.runtime.messages import Event
from turnosya.runtime.service import Service
from turnosya.runtime.telemetry import begin_trace, current_trace, tracing

OVEN = a_service("oven", tells=[Baked])
COUNTER = a_service("counter", [Baked.heard_by(sell)])
CROWD = a_service("crowd", [Baked.heard_by(praise), Baked.heard_by(listen, lane="fast")])
DOOR = a_service("door", [ShopOpened.heard_by(listen, every_copy=True)])
POST = a_service("post", [KeySent.heard_by(listen)])


@pytest.fixture(autouse=True)
def script(monkeypatch: pytest.MonkeyPatch) -> Script:
    """How the hearers misbehave in this test."""
    script = Script()
    monkeypatch.setattr(bakeries, "SCRIPT", script)
    return script


class Stages:
    def __init__(self, servers: Servers, broker_url: str | None) -> None:
        self._servers = servers
        self._broker_url = broker_url

    @asynccontextmanager
    async def with_(self, *services: Service[Any], retries: Sequence[float] = ()) -> AsyncGenerator[Stage]:
        settings = {"TURNOSYA_RETRY_DELAYS_S": ",".join(map(str, retries))} if retries else {}
        async with a_stage(self._servers, services, settings=settings, broker_url=self._broker_url) as stage:
            yield stage


@pytest.fixture
def stages(servers: Servers, broker_url: str | None) -> Stages:
    return Stages(servers, broker_url)


async def test_an_event_reaches_every_hearer_of_every_service_once(stages: Stages) -> None:
    async with stages.with_(OVEN, COUNTER, CROWD) as stage:
        await tell(stage.running["oven"], Baked(oven="a", number=1), Baked(oven="a", number=2))
        assert await sold_by(stage.running["counter"], lambda sold: len(sold) == 2) == [1, 2]
        await states(stage.running["crowd"], lambda found: found == ["done"] * 4)
        heard = [event.number for event in heard_by(stage.running["crowd"]) if isinstance(event, Baked)]
        assert sorted(heard) == [1, 1, 2, 2]
        count = "SELECT count(*) FROM outbox"
        await until(lambda: column(stage.running["oven"], count), lambda left: left == [0])


async def test_an_event_that_is_delivered_again_is_heard_once(stages: Stages) -> None:
    async with stages.with_(COUNTER) as stage:
        first, *_ = await stage.tell(Baked(oven="a", number=1))
        await sold_by(stage.running["counter"], lambda sold: sold == [1])
        await stage.bus.deliver(first)
        await stage.tell(Baked(oven="b", number=2))
        assert await sold_by(stage.running["counter"], lambda sold: 2 in sold) == [1, 2]
        await stage.restart()
        await stage.bus.deliver(first)
        await stage.tell(Baked(oven="b", number=3))
        assert await sold_by(stage.running["counter"], lambda sold: 3 in sold) == [1, 2, 3]


async def test_a_failing_hearer_is_tried_again_then_parked_and_changes_nothing(
    stages: Stages, script: Script
) -> None:
    async with stages.with_(COUNTER, retries=[0.01, 0.02]) as stage:
        script.fails = lambda event: event.number == 1
        with capture_logs() as logs:
            await stage.tell(Baked(oven="a", number=1))
            await states(stage.running["counter"], lambda found: found == ["dead"])
        assert script.tries == ["a1"] * 3
        assert await column(stage.running["counter"], "SELECT number FROM sold") == []
        (error,) = await column(stage.running["counter"], "SELECT error FROM inbox")
        assert error.startswith("ZeroDivisionError at ")
        assert "masa" not in error
        assert [line["event"] for line in logs].count("event_retried") == 2
        assert [line["event"] for line in logs].count("event_dead") == 1


async def test_a_failing_first_event_holds_back_its_own_aggregate_and_nothing_else(
    stages: Stages, script: Script
) -> None:
    async with stages.with_(COUNTER, retries=[0.05] * 40) as stage:
        one = stage.running["counter"]
        await stage.put_on(COUNTER)
        script.fails = lambda event: (event.oven, event.number) == ("a", 1)
        await stage.tell(*(Baked(oven="a", number=n) for n in (1, 2, 3)))
        await stage.tell(*(Baked(oven="b", number=n) for n in (11, 12, 13)))
        assert await sold_by(one, lambda sold: len(sold) == 3) == [11, 12, 13]
        await until(_tries(script), lambda tries: tries.count("a1") >= 3)
        assert not {"a2", "a3"} & set(script.tries)
        script.fails = lambda _: False
        assert await sold_by(one, lambda sold: len(sold) == 6) == [11, 12, 13, 1, 2, 3]


async def test_once_the_first_event_is_dead_the_next_of_its_aggregate_go_on(
    stages: Stages, script: Script
) -> None:
    async with stages.with_(COUNTER, retries=[0.01]) as stage:
        one = stage.running["counter"]
        await stage.put_on(COUNTER)
        script.fails = lambda event: event.number == 1
        await stage.tell(*(Baked(oven="a", number=n) for n in (1, 2, 3)))
        assert await sold_by(one, lambda sold: len(sold) == 2) == [2, 3]
        assert await states(one, lambda found: "waiting" not in found) == ["dead", "done", "done"]


async def test_two_copies_keep_the_order_of_each_aggregate(stages: Stages) -> None:
    async with stages.with_(OVEN, COUNTER) as stage:
        await stage.put_on(COUNTER)
        await stage.put_on(OVEN)
        for n in range(10):
            await tell(stage.running["oven"], *(Baked(oven=oven, number=n) for oven in "abcdef"))
        one = stage.running["counter"]
        await sold_by(one, lambda sold: len(sold) == 60)
        for oven in "abcdef":
            assert await column(one, f"SELECT number FROM sold WHERE by = '{oven}' ORDER BY ctid") == list(  # noqa: S608
                range(10)
            )


async def test_a_restart_between_two_tries_loses_neither_the_event_nor_its_place(
    stages: Stages, script: Script
) -> None:
    async with stages.with_(COUNTER, retries=[0.4] * 5) as stage:
        script.fails = lambda event: event.number == 1
        await stage.tell(Baked(oven="a", number=1), Baked(oven="a", number=2))
        one = stage.running["counter"]
        await until(lambda: column(one, "SELECT error FROM inbox WHERE error IS NOT NULL"), bool)
        script.fails = lambda _: False
        await stage.restart()
        assert await sold_by(stage.running["counter"], lambda sold: len(sold) == 2) == [1, 2]
        assert script.tries == ["a1", "a1", "a2"]


async def test_every_copy_hears_what_every_copy_must(stages: Stages) -> None:
    async with stages.with_(DOOR) as stage:
        copies = [stage.running["door"], await stage.put_on(DOOR)]
        await stage.bus.publish_every_copy(ShopOpened(name="La Espiga"))

        async def heard() -> list[list[Event]]:
            return [heard_by(copy) for copy in copies]

        await until(heard, lambda found: [len(one) for one in found] == [1, 1])


async def test_secret_fields_are_encrypted_on_the_way_and_gone_when_parked(
    stages: Stages, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with stages.with_(OVEN, POST, retries=[0.01]) as stage:
        envelope = stage.bus.encode(KeySent(to="ana", code="481516"))
        assert b"481516" not in envelope.body
        await tell(stage.running["oven"], KeySent(to="ana", code="481516"))
        post = stage.running["post"]
        await states(post, lambda found: found == ["done"])
        assert heard_by(post) == [KeySent(to="ana", code="481516")]
        (body,) = await column(post, "SELECT convert_from(body, 'UTF8') FROM inbox")
        assert "481516" not in body
        await post._inboxes[0].sweep()
        assert await column(post, "SELECT convert_from(body, 'UTF8') FROM inbox") == [""]
        # What cannot be handled is parked without it.
        monkeypatch.setattr(post.context, "heard", None)
        await tell(stage.running["oven"], KeySent(to="eva", code="108108"))
        await states(post, lambda found: found == ["done", "dead"])
        assert await column(post, "SELECT convert_from(body, 'UTF8') FROM inbox WHERE state = 'dead'") == [
            "{}"
        ]


async def test_the_trace_of_a_request_goes_with_its_events(
    stages: Stages, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with stages.with_(OVEN, COUNTER) as stage:
        with capture_logs(processors=[_with_trace]) as logs, tracing(begin_trace("request-9", None)) as _:
            bakeries.SCRIPT.fails = lambda event: event.number == 9
            await tell(stage.running["oven"], Baked(oven="a", number=9))
            await until(_tries(bakeries.SCRIPT), lambda tries: len(tries) >= 2)
        retried = [line for line in logs if line["event"] == "event_retried"]
        assert {line["request_id"] for line in retried} == {"request-9"}


async def test_an_event_that_one_must_hear_and_cannot_is_not_delivered(stages: Stages) -> None:
    async with stages.with_(COUNTER) as stage:
        if stage.broker_url is None:
            await stage.transport.close()
        else:
            # A queue that somebody deleted: RabbitMQ confirms what it could not route, and returns it.
            queues = {"events.nobody": frozenset({ShopOpened.wire_name})}
            transport = type(stage.transport)(stage.broker_url, queues)  # type: ignore[call-arg]
            await transport.open()
            from tests.stage import delete_queues

            await delete_queues(stage.broker_url, queues)
            with pytest.raises(Undelivered):
                await transport.publish(stage.bus.encode(ShopOpened(name="x")))
            await transport.close()
            return
        with pytest.raises(Undelivered):
            await stage.tell(Baked(oven="a", number=1))


async def test_what_is_running_ends_before_a_copy_stops_and_nothing_new_begins(
    stages: Stages, script: Script
) -> None:
    async with stages.with_(COUNTER) as stage:
        counter = stage.running["counter"]
        script.waits = lambda event: event.number == 1
        await stage.tell(Baked(oven="a", number=1))
        await script.began.wait()
        stopping = asyncio.create_task(stage.take_off(counter))

        async def begins_nothing_more() -> bool:
            return not await counter.ready() and counter._inboxes[0]._stopping

        await until(begins_nothing_more, bool)
        await _store_another(stage, counter)
        script.held.set()
        await stopping
        assert script.tries == ["a1"]
        await stage.put_on(COUNTER)
        assert await sold_by(stage.running["counter"], lambda sold: len(sold) == 2) == [1, 2]


async def test_while_many_requests_wait_events_are_handled_one_by_one_but_codes(
    stages: Stages, script: Script
) -> None:
    async with stages.with_(a_service("counter", [Baked.heard_by(sell), KeySent.heard_by(listen)])) as stage:
        counter = stage.running["counter"]
        script.waits = lambda event: event.number == 1
        answered = [load.begin() for _ in range(load.BUSY_FROM)]
        await stage.tell(Baked(oven="a", number=1))
        await script.began.wait()
        await stage.tell(Baked(oven="b", number=2), KeySent(to="ana", code="1234"))
        # The key overtakes the loaf that waits.
        await states(counter, lambda found: found == ["waiting", "waiting", "done"])
        assert script.tries == ["a1"]
        for end in answered:
            end()
        counter._inboxes[0]._wake.set()
        assert await sold_by(counter, lambda sold: len(sold) == 1) == [2]
        script.held.set()
        assert await sold_by(counter, lambda sold: len(sold) == 2) == [2, 1]


async def _store_another(stage: Stage, counter: Any) -> None:  # noqa: ANN401
    """Stored by the copy that is stopping, whose loop looks for work while the first still runs."""
    await counter._inboxes[0].store(stage.bus.encode(Baked(oven="b", number=2), sequence=2))
    for _ in range(20):
        async with counter.host.db.read() as tx:
            await tx.execute(text("SELECT 1"))


def _tries(script: Script) -> Any:  # noqa: ANN401
    async def look() -> list[str]:
        return script.tries

    return look


def _with_trace(_: object, __: str, event: Any) -> Any:  # noqa: ANN401 - a processor of structlog
    trace = current_trace()
    if trace is not None:
        event["request_id"] = trace.request_id
    return event
