"""Alerts: one however many copies of checks see it, told to admins, over when it is over."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast
from uuid import UUID

import pytest
import pytest_asyncio

from tests.callers import Callers
from tests.servers import Servers
from tests.stage import Stage, a_stage, until
from turnosya.contracts.checks import AlertCleared, AlertRaised, ProcessLives
from turnosya.contracts.jobs import ScheduleMissed
from turnosya.runtime.clock import real_now
from turnosya.runtime.ids import new_id
from turnosya.services.checks import alarms, alerts, processes
from turnosya.services.checks.context import Checks
from turnosya.services.checks.rules import Health
from turnosya.services.checks.service import service

pytestmark = pytest.mark.asyncio(loop_scope="module")
SILENT = alarms.SILENT_FOR + timedelta(seconds=1)
# Looked at by the test alone.
checks = replace(service, runs=[])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(servers: Servers) -> AsyncGenerator[Stage]:
    async with a_stage(servers, [checks]) as made:
        yield made


async def copies(stage: Stage) -> tuple[Checks, Checks]:
    """Two copies of checks on one database."""
    first = stage.running["checks"]
    second = await stage.put_on(checks)
    stage.running["checks"] = first
    return cast("Checks", first.context), cast("Checks", second.context)


def hear_well(copy: Checks) -> None:
    """As if this copy had heard everybody for long."""
    now = real_now()
    copy.heard_self_at, copy.hears_since = now, now - SILENT
    copy.seen = {name: Health("ok", now, 1.0) for name in ("auth", "chat")}
    copy.queues_at = now


def a_word(number: int = 1, **changes: object) -> ProcessLives:
    values: dict[str, object] = {
        "process_id": UUID(int=number),
        "services": ["turnos"],
        "address": f"a:{number}",
        "pid": 4711,
        "started_at": real_now(),
        "away": [],
    }
    return ProcessLives.model_validate(values | changes)


async def fall_silent(copy: Checks, word: ProcessLives) -> None:
    await processes.hear(copy, word)
    life = copy.lives[word.process_id]
    copy.lives[word.process_id] = replace(life, heard_at=real_now() - SILENT)


async def told(stage: Stage) -> list[tuple[str, str]]:
    """What admins were told of, in order."""
    async with stage.running["checks"].host.db.read() as tx:
        rows = await tx.connection.exec_driver_sql(
            "SELECT kind, subject FROM alerts WHERE told ORDER BY raised_at, id"
        )
        return [(row.kind, row.subject) for row in rows]


async def seen(stage: Stage) -> dict[str, Any]:
    async with stage.http("checks") as http:
        headers = Callers(stage).headers(new_id(), admin=True)
        answer = await http.get("/v1/checks/processes", headers=headers)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def lasting(stage: Stage) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await seen(stage))["alerts"]
    return found


async def test_a_dead_process_is_one_alert_for_two_copies_of_checks_and_over_when_it_is_back(
    stage: Stage,
) -> None:
    both = await copies(stage)
    for copy in both:
        hear_well(copy)
        await fall_silent(copy, a_word(1))
    for _ in range(2):
        await asyncio.gather(*(alerts.look(copy) for copy in both))
    assert [one["subject"] for one in await lasting(stage)] == ["turnos a:1"]
    assert (await told(stage)).count(("process_dead", "turnos a:1")) == 1
    shown = (await seen(stage))["items"]
    assert [(one["address"], one["status"]) for one in shown] == [("a:1", "dead")]
    for copy in both:
        await processes.hear(copy, a_word(2, address="a:1", started_at=real_now()))
    await asyncio.gather(*(alerts.look(copy) for copy in both))
    assert await lasting(stage) == []
    assert all(len(copy.lives) == 1 for copy in both)


async def test_what_comes_and_goes_is_told_once_in_ten_minutes(stage: Stage) -> None:
    copy = cast("Checks", stage.running["checks"].context)
    for number in range(3):
        hear_well(copy)
        copy.unheard = {"events.chat": real_now() - timedelta(seconds=60)}
        await alerts.look(copy)
        assert [one["subject"] for one in await lasting(stage)] == ["events.chat"], number
        copy.unheard = {"events.chat": None}
        await alerts.look(copy)
        assert await lasting(stage) == []
    assert (await told(stage)).count(("queue_unheard", "events.chat")) == 1


async def test_who_says_that_it_ends_is_not_missed(stage: Stage) -> None:
    copy = cast("Checks", stage.running["checks"].context)
    copy.lives.clear()
    hear_well(copy)
    await fall_silent(copy, a_word(5))
    await processes.hear(copy, a_word(5, ends=True))
    await alerts.look(copy)
    assert await lasting(stage) == []


async def test_a_copy_that_hears_nothing_itself_calls_nobody_dead(stage: Stage) -> None:
    copy = cast("Checks", stage.running["checks"].context)
    hear_well(copy)
    await fall_silent(copy, a_word(6))
    copy.heard_self_at = real_now() - SILENT
    await alerts.look(copy)
    # It hears again, and must first hear for long enough.
    copy.heard_self_at = real_now()
    await alerts.look(copy)
    assert await lasting(stage) == []


async def test_a_missed_schedule_is_told_and_no_alert_that_lasts(stage: Stage) -> None:
    missed = ScheduleMissed(key="turnos.ExpirePending", request="turnos.ExpirePending", run_at=real_now())
    [envelope] = await stage.tell(missed)
    await until(lambda: told(stage), lambda found: ("schedule_missed", missed.key) in found)
    await stage.bus.deliver(envelope)
    assert (await told(stage)).count(("schedule_missed", missed.key)) == 1
    assert await lasting(stage) == []


async def test_processes_are_for_admins(stage: Stage) -> None:
    async with stage.http("checks") as http:
        assert (await http.get("/v1/checks/processes")).status_code == 401
        headers = Callers(stage).headers(new_id())
        assert (await http.get("/v1/checks/processes", headers=headers)).status_code == 403


@pytest.mark.parametrize("kind", [AlertRaised, AlertCleared], ids=["raised", "cleared"])
async def test_events_of_alerts_keep_the_order_of_their_subject(
    kind: type[AlertRaised | AlertCleared],
) -> None:
    event = kind(alert_id=new_id(), kind="service_down", subject="chat", since=real_now())
    assert event.aggregate_id() == "chat"
