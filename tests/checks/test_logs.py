"""The central log: shipped without a delay for who logs, stored once, found again, kept for its days."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from datetime import timedelta
from time import perf_counter
from typing import Any, cast

import httpx
import pytest
import pytest_asyncio

from tests.callers import Callers
from tests.servers import Servers
from tests.stage import Stage, a_stage, until
from turnosya.contracts.checks import KeepLogs, LogLine, TendLogs
from turnosya.log_shipping import ship_one
from turnosya.runtime import log_queue
from turnosya.runtime.clock import real_now
from turnosya.runtime.ids import new_id
from turnosya.runtime.log_queue import LogQueue, redact
from turnosya.runtime.messages import Unavailable
from turnosya.services.checks import logs
from turnosya.services.checks.context import Checks
from turnosya.services.checks.service import service as checks
from turnosya.services.checks.store import logs as store

pytestmark = pytest.mark.asyncio(loop_scope="module")

LOGS = "/v1/checks/logs"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(servers: Servers) -> AsyncGenerator[Stage]:
    async with a_stage(servers, [checks]) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def http(stage: Stage) -> AsyncGenerator[httpx.AsyncClient]:
    async with stage.running["checks"].host.db.transaction() as tx:
        await tx.connection.exec_driver_sql("TRUNCATE log_lines")
    async with stage.http("checks") as client:
        client.headers.update(Callers(stage).headers(new_id(), admin=True))
        yield client


def an_open_queue() -> LogQueue:
    queue = LogQueue()
    queue.is_open = True
    return queue


def line(event: str, *, level: str = "info", minutes_ago: float = 0, **more: Any) -> LogLine:  # noqa: ANN401 - fields of the line
    at = real_now() - timedelta(minutes=minutes_ago)
    values: dict[str, Any] = {"service": "turnos", "request_id": None, "fields": "{}", **more}
    return LogLine(id=new_id(), at=at, level=level, event=event, **values)


async def read(http: httpx.AsyncClient, **query: str) -> list[dict[str, Any]]:
    answer = await http.get(LOGS, params=query)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def events(http: httpx.AsyncClient, **query: str) -> list[str]:
    return [one["event"] for one in await read(http, **query)]


async def test_what_is_logged_is_shipped_stored_once_and_shown(stage: Stage, http: httpx.AsyncClient) -> None:
    queue = an_open_queue()
    queue.put("warning", {"event": "slow", "request_id": "r-1", "service": "turnos", "took_ms": 7})
    batch = queue.head()
    assert await ship_one(stage.bus, queue) == 1
    assert len(queue) == 0
    await stage.bus.call(KeepLogs(lines=[LogLine.model_validate(one, from_attributes=True) for one in batch]))
    [shown] = await read(http)
    assert {name: shown[name] for name in ("level", "service", "event", "request_id", "fields")} == {
        "level": "warning",
        "service": "turnos",
        "event": "slow",
        "request_id": "r-1",
        "fields": {"took_ms": 7},
    }


async def test_it_is_searched_and_paged(stage: Stage, http: httpx.AsyncClient) -> None:
    lines = [
        line("old", minutes_ago=30, request_id="a"),
        line("broken", level="error", minutes_ago=20, service="auth", fields='{"why": "100%_sure"}'),
        line("new", minutes_ago=10, request_id="a"),
        line("two_days_old", minutes_ago=2 * 24 * 60),
    ]
    await stage.bus.call(KeepLogs(lines=lines))
    assert await events(http) == ["new", "broken", "old"]
    assert await events(http, level="error") == await events(http, service="auth") == ["broken"]
    assert await events(http, request_id="a") == ["new", "old"]
    assert await events(http, q="100%_SURE") == ["broken"]
    assert await events(http, q="100_%") == []
    since = (real_now() - timedelta(minutes=25)).isoformat()
    before = (real_now() - timedelta(minutes=15)).isoformat()
    assert await events(http, since=since, until=before) == ["broken"]
    assert await events(http, since=(real_now() - timedelta(days=3)).isoformat()) == [
        "new", "broken", "old", "two_days_old",
    ]  # fmt: skip
    first = (await http.get(LOGS, params={"limit": "2"})).json()
    assert await events(http, cursor=first["next_cursor"]) == ["old"]


async def test_days_are_made_ahead_and_dropped_errors_later(stage: Stage, http: httpx.AsyncClient) -> None:
    context = cast("Checks", stage.running["checks"].context)
    day = 24 * 60
    await stage.bus.call(
        KeepLogs(
            lines=[
                line("plain", minutes_ago=3 * day),
                line("grave", level="error", minutes_ago=3 * day),
                line("next_week", minutes_ago=-7 * day),
            ]
        )
    )
    async with context.db.transaction() as tx:
        await tx.connection.exec_driver_sql(
            "UPDATE log_lines SET stored_at = stored_at - interval '20 days'"
            " WHERE at < now() - interval '2 days'"
        )
    await stage.bus.call(TendLogs())
    found = await events(
        http,
        since=(real_now() - timedelta(days=30)).isoformat(),
        until=(real_now() + timedelta(days=8)).isoformat(),
    )
    assert found == ["next_week", "grave"]
    async with context.db.read() as tx:
        strays = await tx.connection.exec_driver_sql("SELECT event FROM log_plain_default")
        assert [row.event for row in strays] == []


async def test_a_day_is_made_although_lines_of_it_came_first(stage: Stage, http: httpx.AsyncClient) -> None:
    context = cast("Checks", stage.running["checks"].context)
    await stage.bus.call(KeepLogs(lines=[line("early", minutes_ago=-10 * 24 * 60)]))
    day = (real_now() + timedelta(days=10)).date()
    async with context.db.transaction() as tx:
        await store.hold_all(tx)
        await store.make_day(tx, "log_plain", day)
    until_then = (real_now() + timedelta(days=11)).isoformat()
    assert await events(http, until=until_then, since=real_now().isoformat()) == ["early"]
    async with context.db.read() as tx:
        strays = await tx.connection.exec_driver_sql("SELECT count(*) FROM log_plain_default")
        assert strays.scalar_one() == 0


@pytest.mark.parametrize(
    "query",
    [{"level": "loud"}, {"service": "A"}, {"since": "x"}, {"request_id": "a b"}, {"q": ""}, {"q": "\0"},
     {"cursor": "x"}],
    ids=["level", "service", "since", "request", "empty", "nul", "cursor"],
)  # fmt: skip
async def test_a_wrong_question_is_refused(http: httpx.AsyncClient, query: dict[str, str]) -> None:
    answer = await http.get(LOGS, params=query)
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")


@pytest.mark.parametrize("path", [LOGS, f"{LOGS}/stream", "/v1/checks/dead-letters"])
async def test_it_is_for_admins(stage: Stage, http: httpx.AsyncClient, path: str) -> None:
    answer = await http.get(path, headers=Callers(stage).headers(new_id()))
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    http.headers.pop("Authorization")
    assert (await http.get(path)).status_code == 401


async def test_the_stream_shows_what_is_stored_once(stage: Stage, http: httpx.AsyncClient) -> None:
    del http
    context = cast("Checks", stage.running["checks"].context)
    coming = logs.coming(context, level="error", service=None)
    assert await anext(coming) == ": the log\n\n"
    await stage.bus.call(KeepLogs(lines=[line("quiet"), line("a\nb", level="error")]))
    [told] = [told for told in [await anext(coming), await anext(coming)] if told != ": nothing\n\n"]
    assert told.count("\n\n") == 1
    assert json.loads(told.partition("data: ")[2])["event"] == "a\nb"


async def test_a_batch_that_was_not_stored_stays(servers: Servers) -> None:
    async with AsyncExitStack() as stack:
        stage = await stack.enter_async_context(a_stage(servers, []))
        queue = an_open_queue()
        queue.put("info", {"event": "kept"})
        with pytest.raises(Unavailable):
            await ship_one(stage.bus, queue)
        assert [one.event for one in queue.head()] == ["kept"]
        await stage.put_on(checks)
        await until(lambda: _shipped(stage, queue), lambda left: left == 0)


async def _shipped(stage: Stage, queue: LogQueue) -> int:
    await ship_one(stage.bus, queue)
    return len(queue)


async def test_the_queue_is_bounded_drops_the_oldest_and_counts() -> None:
    queue = an_open_queue()
    for number in range(log_queue.MOST_LINES + 5):
        queue.put("info", {"event": str(number)})
    assert (len(queue), queue.dropped, queue.head()[0].event) == (log_queue.MOST_LINES, 5, "5")
    huge = an_open_queue()
    for _ in range(1000):
        huge.put("info", {"event": "x" * 10_000, "text": "y" * 1_000_000})
    assert sum(len(one.fields) + len(one.event) for one in huge.head()) < 2 * log_queue.BATCH_BYTES
    assert huge.dropped + len(huge) == 1000


async def test_a_line_on_standard_error_is_the_one_that_is_kept_with_its_fields_once() -> None:
    queue = an_open_queue()
    event = {
        "event": 'said "no"\n',
        "level": "info",
        "timestamp": "2027-06-10T12:00:00Z",
        "request_id": "r-1",
    }
    text = queue.renderer(None, "info", {**event, "took_ms": 7, "id": new_id()})
    assert "\n" not in text
    assert json.loads(text).items() >= {**event, "took_ms": 7}.items()
    assert json.loads(queue.renderer(None, "info", dict(event))) == event
    first, second = queue.head()
    assert (first.event, first.request_id, json.loads(first.fields)["took_ms"]) == ('said "no"\\n', "r-1", 7)
    assert second.fields == "{}"
    # A batch that is handed over again is known by the ids of its lines.
    assert [one.id for one in queue.head()] == [first.id, second.id]


async def test_a_call_costs_little_while_nobody_takes_the_lines() -> None:
    queue = an_open_queue()
    took: list[float] = []
    for number in range(20_000):
        began = perf_counter()
        queue.renderer(
            None, "info", redact(None, "info", {"event": "booked", "number": number, "why": "a" * 80})
        )
        took.append(perf_counter() - began)
    assert sorted(took)[len(took) // 2] < 60e-6


async def test_lines_name_nobody_and_stay_lines() -> None:
    queue = an_open_queue()
    told = {
        "event": "sent\n{forged}\0\ud800",
        "to": "to +54 9 11 2233-4455 and ana.b@mail.com.ar",
        "password": "una clave",
        "token": "x",
        "header": "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiIxIn0.c2ln",
        "nested": {"phone": "+5491122334455"},
        "exception": [{"exc_value": "no +5491122334455"}],
        "at": "2027-06-10T12:00:00+00:00",
    }
    queue.put("info", redact(None, "info", dict(told)))
    [kept] = queue.head()
    assert not set("\n\0\ud800") & set(kept.event)
    shown = json.loads(kept.fields)
    assert shown["to"] == "to [hidden] and [hidden]"
    assert (shown["password"], shown["token"], shown["header"]) == ("[hidden]",) * 3
    assert "22334455" not in kept.fields
    assert shown["at"] == told["at"]


async def test_a_thousand_lines_are_stored_in_one_statement_each_five_hundred(stage: Stage) -> None:
    lines = [line("many", minutes_ago=n / 1000) for n in range(1000)]
    await asyncio.gather(*(stage.bus.call(KeepLogs(lines=lines[n : n + 500])) for n in (0, 500, 0)))
    async with stage.running["checks"].host.db.read() as tx:
        count = await tx.connection.exec_driver_sql("SELECT count(*) FROM log_lines WHERE event = 'many'")
        assert count.scalar_one() == 1000
