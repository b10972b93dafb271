"""What is measured of queues, connections and the loop is what is the case."""

import asyncio
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
from prometheus_client import (
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    Info,
    generate_latest,
)
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tests.runtime import bakeries
from tests.runtime.bakeries import Script, a_service, column, listen, sell, tell
from tests.runtime.bakery import Baked
from tests.servers import Servers
from tests.stage import Stage, a_stage, until
from turnosya.runtime import inbox, outbox
from turnosya.runtime.bus import Depth
from turnosya.runtime.exposition import exposition
from turnosya.runtime.measuring import measure, watch_loop
from turnosya.services.checks.service import service as checks

OVEN = a_service("oven", tells=[Baked])
COUNTER = a_service("counter", [Baked.heard_by(sell), Baked.heard_by(listen, lane="fast")])
LABEL_SETS = 200


def value(name: str, **labels: str) -> float:
    found = REGISTRY.get_sample_value(name, labels)
    assert found is not None, name
    return found


@pytest.fixture(autouse=True)
def script(monkeypatch: pytest.MonkeyPatch) -> Script:
    script = Script()
    monkeypatch.setattr(bakeries, "SCRIPT", script)
    return script


@asynccontextmanager
async def bakery(servers: Servers, broker_url: str | None) -> AsyncGenerator[Stage]:
    async with a_stage(servers, [OVEN, COUNTER], broker_url=broker_url) as stage:
        yield stage


async def test_queues_and_who_takes_from_them_are_counted(servers: Servers, broker_url: str | None) -> None:
    async with bakery(servers, broker_url) as stage:
        taken = {"events.counter": Depth(0, 1), "events.counter.fast": Depth(0, 1)}
        await until(stage.bus.depths, lambda found: found == taken)
        await stage.take_off(stage.running["counter"])
        if broker_url is not None:
            await tell(stage.running["oven"], Baked(oven="a", number=1))
            left = {"events.counter": Depth(1, 0), "events.counter.fast": Depth(1, 0)}
            await until(stage.bus.depths, lambda found: found == left)


async def test_what_waits_in_a_database_is_counted_with_its_age(servers: Servers, script: Script) -> None:
    async with bakery(servers, None) as stage:
        oven, counter = (stage.running[name].host.db for name in ("oven", "counter"))
        assert await outbox.depth(oven) == (0, 0.0)
        script.waits = lambda _: True
        await tell(stage.running["oven"], Baked(oven="a", number=1), Baked(oven="a", number=2))
        states = "SELECT state FROM inbox ORDER BY state"
        # The fast lane is done with both, the other holds both: else the two might be of one event.
        wanted = ["done", "done", "waiting", "waiting"]
        await until(lambda: column(stage.running["counter"], states), lambda found: found == wanted)
        count, age_s = await inbox.depth(counter)
        assert (count, age_s > 0) == (2, True)
        await measure(counter, "counter")
        assert value("turnosya_inbox_waiting", service="counter") == 2
        assert value("turnosya_pool_size", service="counter") == counter.pool_size
        async with counter.read() as tx:
            await tx.connection.exec_driver_sql("SELECT 1")
            assert counter.connections_in_use >= 1
        script.held.set()
        await until(lambda: inbox.depth(counter), lambda found: found[0] == 0)


async def test_a_blocked_loop_is_late() -> None:
    before = value("turnosya_loop_lag_seconds_sum")
    task = asyncio.create_task(watch_loop())
    await asyncio.sleep(0)
    loop = asyncio.get_running_loop()
    until_s = loop.time() + 0.8
    while loop.time() < until_s:
        pass

    async def lag() -> float:
        return value("turnosya_loop_lag_seconds_sum") - before

    await until(lag, lambda found: found > 0.2)
    task.cancel()


@pytest.mark.timeout(180)
async def test_a_hundred_thousand_unknown_paths_add_no_series(servers: Servers) -> None:
    async with a_stage(servers, [checks]) as stage:
        app = cast("Any", stage.running["checks"].app)
        statuses: set[int] = set()

        async def receive() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Message) -> None:
            statuses.add(cast("int", message.get("status", 404)))

        async def not_there(_scope: Scope, _receive: Receive, send: Send) -> None:
            await send({"type": "http.response.start", "status": 404, "headers": []})

        # The edge is what counts: of the whole application, and of one that costs a tenth to say the same.
        edges = [app, *[type(app)("checks", cast("Any", not_there))] * 39]
        for number in range(40):
            await ask(edges[number], number, receive, send)
        before = lines()
        for number in range(40, 100_000):
            await ask(edges[number % 40], number, receive, send)
        assert statuses == {404}
    assert lines() == before


async def ask(app: ASGIApp, number: int, receive: Receive, send: Send) -> None:
    path = f"/v1/checks/{number}/{number:x}"
    scope: Scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET",
        "scheme": "http", "path": path, "raw_path": path.encode(), "query_string": b"",
        "root_path": "", "headers": [], "client": ("127.0.0.1", 1), "server": ("test", 80),
    }  # fmt: skip
    await app(scope, receive, send)


def lines() -> set[str]:
    """Every series of ours, without its value; not those of measurements that begin by themselves."""
    found = {line.rpartition(" ")[0] for line in generate_latest().decode().splitlines() if line[:1] != "#"}
    return {line for line in found if line.startswith(("turnosya_http", "turnosya_refusals"))}


def test_no_metric_of_this_process_has_more_than_200_label_sets() -> None:
    counts: dict[str, set[str]] = {}
    for line in generate_latest().decode().splitlines():
        if line[:1] != "#":
            name, _, labels = line.rpartition(" ")[0].partition("{")
            of = re.sub(r"_(bucket|sum|count|created|total)$", "", name)
            counts.setdefault(of, set()).add(re.sub(r'le="[^"]*",?', "", labels).strip(",}"))
    assert {name: len(found) for name, found in counts.items() if len(found) > LABEL_SETS} == {}


def test_what_prometheus_reads_is_what_its_library_would_write() -> None:
    registry = CollectorRegistry()
    seconds = Histogram("t_seconds", "How\nlong.", ("route", "status"), buckets=(0.5, 1), registry=registry)
    Gauge("t_up", 'A "gauge" with \\.', registry=registry).set(3)
    for route, took in (('/v1/"a\\b"\n', 0.3), ("/v1/ñandú", 12_345_678.9), ("", float("inf"))):
        seconds.labels(route, 200).observe(took)
    Counter("t_total", "None yet.", ("code",), registry=registry)
    GCCollector(registry=registry)
    Info("t_build", "What.", registry=registry).info({"version": "1"})
    for _ in range(2):
        assert exposition(registry) == generate_latest(registry)
        seconds.labels("/v1/x", 500).observe(0.7)
