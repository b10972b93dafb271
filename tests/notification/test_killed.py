"""A process is killed at each step of a delivery, or frozen: nothing is lost, only a code is said twice."""

import os
import signal
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import asyncpg
import psutil
import pytest

from tests.forked import code_of, fork
from tests.notification.hands_and_dies import IN_HAND, SERVICES, STEPS, main
from tests.notification.people import Town, a_code, a_town
from tests.notification.providers import Providers
from tests.said import lines_that_tell
from tests.servers import Servers
from tests.stage import a_stage, until
from turnosya.contracts.turnos import AppointmentBooked
from turnosya.runtime.bus import Envelope
from turnosya.runtime.service import Service
from turnosya.runtime.settings import Environment

pytestmark = pytest.mark.asyncio(loop_scope="module")

ASKERS = [f"+54911660000{number}" for number in range(3)]
CLIENTS = [f"+54911770000{number}" for number in range(3)]
# What is in a provider's hands differs by lane; what is not yet there, or over, is the same for both.
KILLS = [
    *(("heard", "news", "rabbitmq"), ("queueing", "codes", "memory"), ("queued", "news", "memory")),
    *(("claiming", "codes", "memory"), ("claimed", "codes", "memory"), ("claimed", "news", "memory")),
    *(("asked", "codes", "rabbitmq"), ("asked", "news", "memory"), ("recording", "codes", "memory")),
    *(("recording", "news", "memory"), ("recorded", "news", "memory")),
]


@pytest.mark.parametrize("kill", KILLS, ids="-".join)
async def test_killed_at_a_step_nothing_is_lost_and_nobody_reads_the_news_twice(
    servers: Servers, outside: Providers, kill: tuple[str, str, str], tmp_path: Path
) -> None:
    step, lane, form = kill
    log = tmp_path / "log"
    async with _asleep(servers, outside, form) as asleep:
        process = asleep.goes_on(step, lane, signal.SIGKILL, log)
        assert await code_of(process) == -signal.SIGKILL, log.read_text()
        assert list(lines_that_tell(log.read_text())) == []

        in_hand = await asleep.wakes_up()
        rows = await asleep.all_is_over()
        _audit(rows, Counter(one["biz_opaque_callback_data"] for one in outside.graph.got), in_hand)
        assert in_hand or step not in IN_HAND


@pytest.mark.parametrize("lane", ["codes", "news"])
async def test_frozen_with_deliveries_in_hand_it_wakes_up_and_says_nothing_once_more_than_it_may(
    servers: Servers, outside: Providers, lane: str, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    async with _asleep(servers, outside, "memory") as asleep:
        process = asleep.goes_on("claimed", lane, signal.SIGSTOP, log)
        assert process.pid is not None
        try:
            frozen = psutil.Process(process.pid)

            async def status() -> str:
                return frozen.status()

            await until(status, lambda found: found == psutil.STATUS_STOPPED)
            await _transactions_run_out(asleep.town)
            in_hand = await asleep.wakes_up()
            await asleep.all_is_over()
        finally:
            os.kill(process.pid, signal.SIGCONT)
            # What it had in its hands may go out now, and changes nothing that is known.
            code = await code_of(process)
        assert code == 0, log.read_text()
        assert list(lines_that_tell(log.read_text())) == []
        rows = await asleep.all_is_over()
        _audit(rows, Counter(one["biz_opaque_callback_data"] for one in outside.graph.got), in_hand)
        assert in_hand


async def test_every_step_is_killed_at() -> None:
    assert {step for step, _, _ in KILLS} == set(STEPS)


@dataclass
class _Asleep:
    """A stage that was left to another process, with what that is to tell."""

    town: Town
    broker_url: str | None
    services: list[Service[Any]]
    events: list[Envelope]

    def goes_on(self, step: str, lane: str, number: int, log: Path) -> BaseProcess:
        """The other process, which gets a signal at a step."""
        stage = self.town.stage
        told = {
            "broker_url": self.broker_url,
            "settings": dict(stage.settings),
            "urls": stage.urls,
            "step": step,
            "lane": lane,
            "signal": number,
            "envelopes": [(one.wire_name, one.body.decode(), dict(one.headers)) for one in self.events],
        }
        return fork(main, told, log)

    async def wakes_up(self) -> set[str]:
        """It plays on, and the time of what the other has in its hands is over; which deliveries that are."""
        await self.town.stage.begin_again(self.services)
        in_hand = await _claims_run_out(self.town)
        # As a relay that was killed as well: it says everything again.
        for envelope in self.events:
            await self.town.stage.bus.deliver(envelope)
        return in_hand

    async def all_is_over(self) -> list[dict[str, Any]]:
        return await until(
            lambda: _rows(self.town),
            lambda rows: len(rows) == 9 and all(one["state"] != "queued" for one in rows),
        )


@asynccontextmanager
async def _asleep(servers: Servers, outside: Providers, form: str) -> AsyncGenerator[_Asleep]:
    broker_url = servers.broker_url if form == "rabbitmq" else None
    settings = {**outside.settings, "TURNOSYA_LEASE_S": "1", "TURNOSYA_NOTIFICATION_POLL_S": "0.05"}
    async with a_stage(
        servers, SERVICES, env=Environment.PRODUCTION, settings=settings, broker_url=broker_url
    ) as stage:
        town = await a_town(stage, welcomed=False)
        await until(lambda: _rows(town), lambda rows: [one["state"] for one in rows] == ["sent"] * 2)
        outside.graph.got.clear()
        events = _three_of_each(town)
        yield _Asleep(town, broker_url, await stage.fall_asleep(), events)


def _three_of_each(town: Town) -> list[Envelope]:
    """Three codes to strangers, and three turnos of people without an account, told to them and the owner."""
    bus = town.stage.bus
    codes = [bus.encode(a_code(phone), sequence=1) for phone in ASKERS]
    nobody: dict[str, Any] = {"client_id": None, "client_name": "Dora"}
    turnos = [
        AppointmentBooked(appointment=town.appointment(client_phone=phone, **nobody), actor_id=town.owner_id)
        for phone in CLIENTS
    ]
    return codes + [bus.encode(booked, sequence=1) for booked in turnos]


async def _transactions_run_out(town: Town) -> None:
    """What a frozen process had begun is ended, as PostgreSQL does by itself after thirty seconds."""
    for url in town.stage.urls.values():
        connection = await asyncpg.connect(url)
        try:
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
                " AND xact_start IS NOT NULL AND pid <> pg_backend_pid()"
            )
        finally:
            await connection.close()


async def _claims_run_out(town: Town) -> set[str]:
    """The time of what the killed process had in its hands is over; which deliveries that were."""
    async with town.stage.running["notification"].host.db.transaction() as tx:
        found = await tx.connection.exec_driver_sql(
            "UPDATE deliveries SET claimed_until = now() WHERE claim IS NOT NULL RETURNING id"
        )
        return {str(id_) for id_ in found.scalars()}


async def _rows(town: Town) -> list[dict[str, Any]]:
    async with town.stage.running["notification"].host.db.read() as tx:
        found = await tx.connection.exec_driver_sql(
            "SELECT id::text, lane, state, reason, address FROM deliveries"
            " WHERE template <> 'user_registered'"
            " OR NOT EXISTS (SELECT 1 FROM deliveries one WHERE one.template <> 'user_registered')"
        )
        return [dict(row) for row in found.mappings()]


def _audit(rows: list[dict[str, Any]], taken: Counter[str], in_hand: set[str]) -> None:
    """What became of each delivery, and how often the provider was asked for it."""
    assert Counter(one["lane"] for one in rows) == {"codes": 3, "news": 6}
    assert {one["address"] for one in rows if one["lane"] == "codes"} == set(ASKERS)
    assert set(CLIENTS) < {one["address"] for one in rows if one["lane"] == "news"}
    assert set(taken) <= {one["id"] for one in rows}
    for one in rows:
        times = taken[one["id"]]
        if one["id"] not in in_hand:
            assert (one["state"], times) == ("sent", 1), one
        elif one["lane"] == "codes":
            # Somebody waits for it: said once more rather than not at all.
            assert one["state"] == "sent", one
            assert 1 <= times <= 2, one
        else:
            # Nobody knows, nobody guesses, and it can be seen.
            assert (one["state"], one["reason"]) == ("unknown_outcome", "worker_lost"), one
            assert times <= 1, one
