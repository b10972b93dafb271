"""Health: who lives, since when, and what that means for the whole."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.servers import Servers
from tests.stage import Stage, a_stage, until
from turnosya import app
from turnosya.runtime.clock import real_now
from turnosya.runtime.service import Host, Service
from turnosya.services.chat.service import service as chat
from turnosya.services.checks import rules
from turnosya.services.checks.rules import Health, next_health, overall
from turnosya.services.checks.service import service as checks
from turnosya.services.files.service import service as files

NOW = datetime(2027, 6, 10, 12, tzinfo=UTC)
QUICK = {"TURNOSYA_HEALTH_EVERY_S": "0.1"}


@asynccontextmanager
async def nothing(_: Host) -> AsyncGenerator[None]:
    yield


def alone(name: str) -> Service[None]:
    """A service of this name with nothing but its health."""
    return Service(name=name, open=nothing)


async def health(stage: Stage) -> dict[str, Any]:
    async with stage.http("checks") as http:
        answer = await http.get("/v1/checks/health")
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


async def test_all_ten_are_well(servers: Servers) -> None:
    others = [alone(name) for name in rules.WATCHED if name not in ("chat", "files", "checks")]
    async with a_stage(servers, [*others, chat, files, checks], settings=QUICK) as stage:
        found = await until(lambda: health(stage), lambda seen: seen["status"] == "ok")
    assert set(found["services"]) == set(app.SERVICES)
    for one in found["services"].values():
        assert set(one) == {"status", "since", "latency_ms"}
        assert one["status"] == "ok"
        assert 0 <= one["latency_ms"] < 2000
        assert one["since"].endswith("Z")


async def test_the_first_answer_is_there_at_once_and_names_who_does_not_answer(servers: Servers) -> None:
    async with a_stage(servers, [chat, checks], settings={"TURNOSYA_HEALTH_EVERY_S": "5"}) as stage:
        found = await health(stage)
    assert found["status"] == "degraded"
    assert found["services"]["chat"]["status"] == "ok"
    assert found["services"]["auth"] | {"since": ""} == {
        "status": "degraded",
        "since": "",
        "latency_ms": None,
    }


async def test_many_who_come_first_wait_for_one_look(
    servers: Servers, capsys: pytest.CaptureFixture[str]
) -> None:
    async with a_stage(servers, [checks], settings={"TURNOSYA_HEALTH_EVERY_S": "5"}) as stage:
        answers = await asyncio.gather(*(health(stage) for _ in range(50)))
    assert all(answer == answers[0] for answer in answers)
    assert capsys.readouterr().out.count("request=turnos.Ping") == 1


async def test_a_dead_service_is_seen_within_seconds_and_with_the_moment_it_was_missed(
    servers: Servers,
) -> None:
    others = [alone(name) for name in rules.WATCHED if name not in ("chat", "checks")]
    async with a_stage(servers, [*others, chat, checks], settings=QUICK) as stage:
        before = await until(lambda: health(stage), lambda seen: seen["status"] == "ok")
        died_at = real_now()
        await stage.running["chat"].stop(1)
        found = await until(lambda: health(stage), lambda seen: seen["services"]["chat"]["status"] == "down")
    assert found["status"] == "degraded"
    assert found["services"]["chat"]["latency_ms"] is None
    assert datetime.fromisoformat(found["services"]["chat"]["since"]) > died_at
    assert found["services"]["auth"]["since"] == before["services"]["auth"]["since"]


async def test_health_needs_no_token_and_nothing_else_is_built(servers: Servers) -> None:
    async with a_stage(servers, [checks]) as stage, stage.http("checks") as http:
        for path in ("/v1/checks/alerts", "/v1/checks"):
            answer = await http.get(path)
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        answer = await http.post("/v1/checks/health")
        assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")


def after(*latencies_ms: float | None, every_s: float = 2) -> Health:
    """The health after these answers, one every so many seconds; None is no answer."""
    health = None
    for number, latency_ms in enumerate(latencies_ms):
        at = NOW + timedelta(seconds=every_s * number)
        health = next_health(health, latency_ms=latency_ms, at=at)
    assert health is not None
    return health


@pytest.mark.parametrize(
    ("latencies_ms", "status", "since_s"),
    [
        ([5.0], "ok", 0),
        ([5.0, 7.0, 3.0], "ok", 0),
        ([1500.0], "degraded", 0),
        ([5.0, 1500.0, 1500.0], "degraded", 2),
        ([None], "degraded", 0),
        ([5.0, None], "degraded", 2),
        ([5.0, None, None], "degraded", 2),
        ([5.0, None, None, None], "down", 6),
        ([5.0, None, None, None, None, None], "down", 6),
        ([None, None, None, 4.0], "ok", 6),
        ([5.0, None, 4.0, None], "degraded", 6),
    ],
)
def test_silence_of_three_seconds_is_down_and_one_answer_is_well_again(
    latencies_ms: list[float | None], status: str, since_s: int
) -> None:
    found = after(*latencies_ms)
    assert (found.status, found.since) == (status, NOW + timedelta(seconds=since_s))
    assert found.latency_ms == latencies_ms[-1]


@pytest.mark.parametrize("name", rules.WATCHED)
def test_the_whole_is_down_only_without_what_nobody_can_do_without(name: str) -> None:
    services = dict.fromkeys(rules.WATCHED, after(5.0))
    assert overall(services) == "ok"
    missed = overall(services | {name: after(5.0, None)})
    down = overall(services | {name: after(None, None, None)})
    assert (missed, down) == ("degraded", "down" if name in rules.ESSENTIAL else "degraded")


def test_every_service_is_watched() -> None:
    assert set(rules.WATCHED) == set(app.SERVICES)
