"""One request is one search in the logs, through HTTP, requests and events; and no secret is in them."""

import asyncio
import json
import logging
import sys
from collections.abc import Iterator
from io import StringIO
from typing import Annotated, Any

import pytest
import structlog
from fastapi import Depends
from sqlalchemy import text

from tests.runtime.bakeries import Counter, a_service, open_counter
from tests.runtime.bakery import Bake, Baked, Bread, KeySent
from tests.servers import Servers
from tests.stage import a_stage, until
from turnosya.runtime.http import context_of, router
from turnosya.runtime.service import Service
from turnosya.runtime.telemetry import LogFormat, begin_trace, set_up_logging

log = structlog.get_logger()
routes = router("/v1/loaves", tags=["loaves"])
TRACE = "ab" * 16


@routes.get("")
async def order(shop: Annotated[Counter, Depends(context_of(Counter))]) -> Bread:
    log.info("ordered")
    return await shop.host.bus.call(Bake(loaves=1))


async def bake(bakery: Counter, request: Bake) -> Bread:
    log.info("baked")
    async with bakery.db.transaction() as tx:
        await tx.publish(Baked(oven="a", number=request.loaves))
    return Bread(loaves=1)


async def sell(counter: Counter, event: Baked) -> None:
    log.info("sold")
    code = KeySent(to="ana", code="481516").code
    async with counter.db.transaction() as tx:
        await tx.execute(text("INSERT INTO sold VALUES (:number, :by)"), {"number": event.number, "by": code})
        await tx.execute(text("SELECT nothing FROM nowhere WHERE code = :code"), {"code": code})


class Terminal(StringIO):
    """Where a process writes: a file, or a terminal."""

    is_terminal = False

    def isatty(self) -> bool:
        return self.is_terminal


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    """What a process would write to standard error."""
    before = structlog.get_config()
    handlers, level = logging.root.handlers[:], logging.root.level
    written = Terminal()
    monkeypatch.setattr(sys, "stderr", written)
    set_up_logging("info")
    # A logger that keeps its configuration would take it to the tests that follow.
    structlog.configure(cache_logger_on_first_use=False)
    yield written
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)
    structlog.configure(**before)


def lines_of(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


async def test_the_logs_of_a_request_its_messages_and_its_events_carry_its_ids_and_no_secret(
    servers: Servers, broker_url: str | None, logged: StringIO
) -> None:
    services: list[Service[Any]] = [
        Service(name="shop", open=open_counter, web=[routes]),
        a_service("bakery", answers=[Bake.answered_by(bake)]),
        a_service("counter", [Baked.heard_by(sell)]),
    ]
    async with a_stage(servers, services, broker_url=broker_url) as stage, stage.http("shop") as http:
        headers = {"X-Request-Id": "phone-7", "traceparent": f"00-{TRACE}-{'cd' * 8}-01"}
        assert (await http.get("/v1/loaves", headers=headers)).status_code == 200

        async def seen() -> str:
            return logged.getvalue()

        await until(seen, lambda found: "event_retried" in found)
    lines = [line for line in lines_of(logged.getvalue()) if line.get("request_id") == "phone-7"]
    assert {"ordered", "baked", "sold", "event_retried"} <= {line["event"] for line in lines}
    assert {line["trace_id"] for line in lines} == {TRACE}
    assert {"level", "timestamp"} <= lines[0].keys()
    (retried, *_) = [line for line in lines if line["event"] == "event_retried"]
    assert "UndefinedTable" in json.dumps(retried)
    assert "481516" not in logged.getvalue()


@pytest.mark.parametrize(
    ("form", "terminal", "readable"),
    [("auto", True, True), ("auto", False, False), ("json", True, False), ("console", False, True)],
)
def test_a_terminal_gets_lines_to_read_and_all_else_json(
    logged: Terminal, monkeypatch: pytest.MonkeyPatch, form: LogFormat, *, terminal: bool, readable: bool
) -> None:
    logged.is_terminal = terminal
    # Both here: between fixtures and test pytest puts its own streams back.
    monkeypatch.setattr(sys, "stdout", logged)
    monkeypatch.setattr(sys, "stderr", logged)
    set_up_logging("info", form)
    structlog.configure(cache_logger_on_first_use=False)
    _secret = "a horse"
    try:
        log.info("ordered", loaves=2)
        raise ValueError("burnt\nby a person")
    except ValueError:
        log.exception("broke")
    text = logged.getvalue()
    assert (lines_of(text) == []) is readable
    assert "ordered" in text
    assert "ValueError" in text
    assert "burnt" in text
    assert "by a person" not in text
    assert "a horse" not in text, "the variables of frames are never shown"


def test_logs_of_libraries_are_json_too_and_a_value_that_broke_something_is_not_shown(
    logged: StringIO,
) -> None:
    password = "a horse"
    try:
        Bake.model_validate({"loaves": password})
    except ValueError:
        log.exception("broke")
        logging.getLogger("some.library").exception("broke too")
    error = logged.getvalue()
    assert [line["event"] for line in lines_of(error)] == ["broke", "broke too"]
    assert "ValidationError" in error
    assert password not in error


def test_a_malformed_trace_begins_a_new_one() -> None:
    for given in (None, "", "00-" + "0" * 32 + "-" + "1" * 16 + "-01", "01-x", "00-" + "AB" * 16 + "-" + "1" * 16 + "-01"):  # fmt: skip # noqa: E501
        trace = begin_trace(None, given)
        assert len(trace.trace_id) == 32
        assert trace.trace_id != "0" * 32
        assert trace.traceparent == f"00-{trace.trace_id}-{trace.span_id}-00"
    kept = begin_trace("r", f"00-{TRACE}-{'1' * 16}-00")
    assert (kept.trace_id, kept.request_id) == (TRACE, "r")
    assert (kept.parent_id, kept.span_id != "1" * 16) == ("1" * 16, True)
    assert begin_trace(None, f"00-{TRACE}-{'1' * 16}-01").traceparent.endswith("-01")


async def test_ids_of_one_process_sort_by_their_making() -> None:
    from turnosya.runtime.ids import new_id

    ids = [new_id() for _ in range(5000)]
    assert ids == sorted(set(ids))
    assert {one.version for one in ids} == {7}
    assert await asyncio.to_thread(lambda: new_id() > ids[-1])
