"""Case 46, its second half: the service dies after three of six offers."""

import signal
from collections import Counter
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import make_url

from tests.forked import code_of, fork
from tests.servers import Servers
from tests.stage import Stage, a_stage, until
from tests.turnos.closes_and_dies import GO_OUT, SERVICES, main
from tests.turnos.closings import F1, MONDAY, a_day
from tests.turnos.town import a_town, everybody_has_an_account


@pytest.mark.parametrize("form", ["memory", "rabbitmq"])
async def test_46_killed_after_three_of_six_offers_the_other_three_go_out_and_each_is_told_once(
    servers: Servers, form: str, tmp_path: Path
) -> None:
    broker_url = servers.broker_url if form == "rabbitmq" else None
    settings = {"TURNOSYA_LEASE_S": "1"}
    async with (
        a_stage(servers, SERVICES, settings=settings, broker_url=broker_url) as stage,
        a_town(stage) as town,
    ):
        day = await a_day(town)
        services = await stage.fall_asleep()
        told = {
            "broker_url": broker_url,
            "settings": dict(stage.settings),
            "urls": stage.urls,
            "now": "2027-06-13T15:00:00+00:00",
            "business_id": day.shop.id,
            "owner_id": str(day.shop.owner.id),
            "from": f"{MONDAY}T00:00:00-03:00",
            "to": "2027-06-15T00:00:00-03:00",
        }
        log = tmp_path / "log"
        assert await code_of(fork(main, told, log)) == -signal.SIGKILL, log.read_text()

        left = await _texts(stage.urls["turnos"], "SELECT wire_name FROM outbox")
        assert left.count("turnos.AppointmentProposed") == len(F1), "none is struck off before all are out"
        assert len(await _texts(stage.urls["notification"], "SELECT body::text FROM inbox")) >= GO_OUT
        await stage.begin_again(services)
        await everybody_has_an_account(stage.bus)

        async def proposed() -> list[str]:
            query = "SELECT data->>'appointment_id' FROM messages WHERE template = 'appointment_proposed'"
            return await _texts(stage.urls["notification"], query)

        wanted = Counter(turno["id"] for turno in day.turnos.values())
        await until(proposed, lambda found: len(found) >= len(F1))
        await until(lambda: _waiting(stage), lambda found: not found)
        assert Counter(await proposed()) == wanted
        assert len(await _texts(stage.urls["turnos"], "SELECT id::text FROM closures")) == 1


async def _waiting(stage: Stage) -> list[str]:
    """What is not yet delivered, handled or sent."""
    inbox = "SELECT hearer FROM inbox WHERE state = 'waiting'"
    outbox = "SELECT wire_name FROM outbox"
    queued = "SELECT template FROM deliveries WHERE state = 'queued'"
    # In the order in which an event passes.
    turnos = await _texts(stage.urls["turnos"], f"{inbox} UNION ALL {outbox}")
    return turnos + await _texts(stage.urls["notification"], f"{inbox} UNION ALL {queued}")


async def _texts(url: str, query: str) -> list[str]:
    """The first column of what the database of a service answers, whoever runs it."""
    address = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    connection = await asyncpg.connect(address)
    try:
        return [str(row[0]) for row in await connection.fetch(query)]
    finally:
        await connection.close()
