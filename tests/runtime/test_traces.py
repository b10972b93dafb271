"""Traces at a collector: one tree through HTTP, requests, events and databases; nothing where none is set."""

from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from time import perf_counter
from typing import Annotated, Any

import pytest
from fastapi import Depends
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from prometheus_client import REGISTRY
from sqlalchemy import text

from tests.runtime.bakeries import Counter, a_service, open_counter
from tests.runtime.bakery import Bake, Baked, Bread, KeySent
from tests.runtime.collector import Collector, Kept, a_collector, keeping_steps
from tests.servers import Servers
from tests.stage import Stage, a_stage, until
from turnosya.embedded.ports import free_port
from turnosya.runtime import spans, trace_export
from turnosya.runtime.http import context_of, router
from turnosya.runtime.ids import new_id
from turnosya.runtime.redis import open_redis
from turnosya.runtime.service import Service
from turnosya.runtime.settings import ProcessSettings, load
from turnosya.runtime.spans import Kind, Span, enter, enter_untold
from turnosya.runtime.telemetry import current_trace
from turnosya.runtime.trace_export import TraceExport, exporting_traces

TRACE, OUTSIDE = "ab" * 16, "cd" * 8
SECRET = "481516"
# The first test of a worker waits for RabbitMQ.
pytestmark = pytest.mark.timeout(180)
SERVER, CLIENT, PRODUCER, CONSUMER = 2, 3, 4, 5
routes = router("/v1/loaves", tags=["loaves"])


@routes.get("/{name}")
async def order(name: str, shop: Annotated[Counter, Depends(context_of(Counter))]) -> Bread:
    return await shop.host.bus.call(Bake(loaves=1))


async def bake(bakery: Counter, request: Bake) -> Bread:
    async with bakery.db.transaction() as tx:
        await tx.publish(Baked(oven="a", number=request.loaves))
    return Bread(loaves=1)


async def sell(counter: Counter, event: Baked) -> None:
    code = KeySent(to="ana", code=SECRET).code
    async with counter.db.transaction() as tx:
        await tx.execute(text("INSERT INTO sold VALUES (:number, :by)"), {"number": event.number, "by": code})
        if not counter.heard:
            counter.heard.append(event)
            await tx.execute(text("SELECT nothing FROM nowhere WHERE code = :code"), {"code": code})


SERVICES: list[Service[Any]] = [
    Service(name="shop", open=open_counter, web=[routes]),
    a_service("bakery", answers=[Bake.answered_by(bake)]),
    a_service("counter", [Baked.heard_by(sell)]),
]


@pytest.fixture
def collector() -> Generator[Collector]:
    with a_collector() as made:
        yield made


def told_to(url: str, *, share: float = 1) -> ProcessSettings:
    return load(ProcessSettings, {"TURNOSYA_OTLP_ENDPOINT": url, "TURNOSYA_TRACES_SHARE": str(share)})


@asynccontextmanager
async def traced(
    servers: Servers, collector: Collector, broker_url: str | None, *, share: float = 1
) -> AsyncGenerator[Stage]:
    settings = told_to(collector.url, share=share)
    async with (
        exporting_traces(settings, new_id()),
        a_stage(servers, SERVICES, broker_url=broker_url) as stage,
    ):
        yield stage


async def test_a_request_its_messages_its_event_and_its_statements_are_one_tree(
    servers: Servers, broker_url: str | None, collector: Collector
) -> None:
    async with traced(servers, collector, broker_url) as stage, stage.http("shop") as http:
        headers = {"X-Request-Id": "phone-7", "traceparent": f"00-{TRACE}-{OUTSIDE}-01"}
        assert (await http.get("/v1/loaves/de-ana", headers=headers)).status_code == 200
        # The hearer fails once, and is called again.
        await until(collector.names, lambda names: names.count("hear bakery.Baked") == 2)
    assert {one.trace_id for one in collector.told} == {TRACE}
    assert {one.attributes["turnosya.request_id"] for one in collector.told} == {"phone-7"}
    asked, answered = collector.named("ask bakery.Bake"), collector.named("answer bakery.Bake")
    request, told = collector.named("GET /v1/loaves/{name}"), collector.named("tell bakery.Baked")
    stored = collector.named("transaction bakery")
    assert [(one.service, one.kind, one.parent_id) for one in (request, asked, answered, stored, told)] == [
        ("shop", SERVER, OUTSIDE),
        ("shop", CLIENT, request.span_id),
        ("bakery", SERVER, asked.span_id),
        ("bakery", CLIENT, answered.span_id),
        ("bakery", PRODUCER, stored.span_id),
    ]
    heard = [one for one in collector.told if one.name == "hear bakery.Baked"]
    assert {(one.service, one.kind, one.parent_id) for one in heard} == {("counter", CONSUMER, told.span_id)}
    assert [one.failure for one in heard] == ["ProgrammingError", ""]
    assert (request.failure, request.attributes["http.response.status_code"]) == ("", 200)
    failed = collector.named("SELECT counter")
    assert (failed.failure, failed.attributes["db.system.name"]) == ("42P01", "postgresql")
    inserts = [one for one in collector.told if one.name == "INSERT counter"]
    transactions = [one for one in collector.told if one.name == "transaction counter"]
    assert {one.parent_id for one in inserts} == {one.span_id for one in transactions}
    assert all(one.took_ns > 0 for one in collector.told)
    # Values are people's: neither those of statements nor what stands in a path is told.
    body = b"".join(collector.bodies)
    assert SECRET.encode() not in body
    assert b"de-ana" not in body


@pytest.mark.parametrize("traceparent", [f"00-{TRACE}-{OUTSIDE}-00", ""], ids=["unflagged", "new"])
async def test_what_is_not_chosen_is_told_to_nobody(
    servers: Servers, collector: Collector, traceparent: str
) -> None:
    async with traced(servers, collector, None, share=0) as stage, stage.http("shop") as http:
        assert (await http.get("/v1/loaves/x", headers={"traceparent": traceparent})).status_code == 200
        assert (await http.get("/readyz")).status_code == 200
        await stage.bus.ping("bakery")
    assert collector.told == []


async def test_a_command_of_redis_is_a_step_by_its_name_alone(servers: Servers, collector: Collector) -> None:
    settings = told_to(collector.url)
    async with exporting_traces(settings, new_id()):
        redis = open_redis(servers.redis_url, service="auth")
        with Span(enter(None, None), "auth", Kind.SERVER, "POST /v1/auth/login"):
            await redis.get(f"phone:{SECRET}")
        await redis.aclose()
    asked = collector.named("GET auth")
    assert (asked.service, asked.kind) == ("auth", CLIENT)
    assert asked.parent_id == collector.named("POST /v1/auth/login").span_id
    assert SECRET.encode() not in b"".join(collector.bodies)


@pytest.fixture
def kept() -> Generator[Kept]:
    with keeping_steps() as kept:
        kept.share = 0
        yield kept


async def test_a_stranger_does_not_choose_what_is_told(kept: Kept) -> None:
    flagged, unflagged = f"00-{TRACE}-{OUTSIDE}-01", f"00-{TRACE}-{OUTSIDE}-00"
    assert not enter(None, flagged).sampled
    kept.share = 1.0
    assert enter(None, unflagged).traceparent.endswith("-01")
    assert not enter_untold(None, flagged).sampled
    assert enter(None, flagged).parent_id == OUTSIDE


async def test_work_after_a_step_belongs_to_what_was_before_and_its_error_is_told(kept: Kept) -> None:
    kept.share = 1.0
    with Span(enter("r", None), "shop", Kind.SERVER, "outer") as outer:
        with (
            pytest.raises(ZeroDivisionError),
            spans.step("shop", Kind.CLIENT, "inner"),
        ):
            raise ZeroDivisionError
        assert current_trace() is outer.trace
    assert current_trace() is None
    assert [(one.name, one.failure) for one in kept.steps] == [
        ("inner", "ZeroDivisionError"),
        ("outer", None),
    ]
    assert kept.steps[0].trace.parent_id == outer.trace.span_id


def counted(outcome: str) -> float:
    return REGISTRY.get_sample_value("turnosya_trace_steps_total", {"outcome": outcome}) or 0.0


async def test_a_collector_that_refuses_or_is_away_costs_nobody_anything_and_is_counted(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trace_export, "_LAST_WITHIN_S", 0.3)
    collector.status = 400
    refused = counted("refused")
    away = f"http://127.0.0.1:{free_port()}"
    for url in (collector.url, away):
        async with exporting_traces(told_to(url), new_id()):
            began = perf_counter()
            with Span(enter(None, None), "shop", Kind.SERVER, "a request"):
                pass
            assert perf_counter() - began < 1
    assert counted("refused") - refused >= 1


async def test_the_queue_is_bounded_and_drops_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace_export, "MOST_STEPS", 3)
    export = TraceExport(OTLPSpanExporter(), new_id(), share=1)
    dropped = counted("dropped")
    for number in range(5):
        export.keep(Span(enter(None, None), "shop", Kind.SERVER, str(number)))
    assert counted("dropped") - dropped == 2
    assert [one.name for one in export.batch()] == ["2", "3", "4"]
