"""What notification logs on its worst days: ids, and nothing that people are called or reached by."""

import re
from collections.abc import AsyncGenerator
from typing import Any

import pytest
import pytest_asyncio
import structlog

from tests.notification.people import CLIENT_PHONE, Town, a_code, a_town
from tests.notification.providers import (
    HTML,
    HTML_200,
    Providers,
    a_status,
    a_webhook,
    an_error,
    signed,
)
from tests.servers import Servers
from tests.stage import Stage, a_stage, until
from turnosya.contracts.turnos import AppointmentBooked
from turnosya.runtime.settings import Environment
from turnosya.services.notification.service import service as notification
from turnosya.services.users.service import service as users

pytestmark = pytest.mark.asyncio(loop_scope="module")
NAMES = ("Carla", "Otto", "Barbería", "Ñandú", "carla@mail.example", "secreto", "wamid")
NUMBERS = ("22334455", "55667788", "123456", "654321")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(servers: Servers, outside: Providers) -> AsyncGenerator[Stage]:
    settings = {**outside.settings, "TURNOSYA_CODE_FALLBACK_S": "0.5", "TURNOSYA_PROVIDER_TIMEOUT_S": "1"}
    async with a_stage(servers, [users, notification], env=Environment.PRODUCTION, settings=settings) as made:
        yield made


async def states(town: Town) -> list[str]:
    async with town.stage.running["notification"].host.db.read() as tx:
        found = await tx.connection.exec_driver_sql("SELECT state FROM deliveries")
        return [str(state) for state in found.scalars()]


async def test_no_log_names_a_person_a_number_a_code_or_a_token(stage: Stage, outside: Providers) -> None:
    with structlog.testing.capture_logs() as logs:
        town = await a_town(stage, welcomed=False)
        async with stage.running["users"].host.db.transaction() as tx:
            await tx.connection.exec_driver_sql(
                "UPDATE people SET email = 'carla@mail.example' WHERE id = $1", (town.client_id,)
            )
        outside.post.refusals["carla@mail.example"] = "550 carla@mail.example secreto"
        await until(lambda: states(town), lambda found: len(found) == 2 and "queued" not in found)
        # Ways in which a provider errs; each must leave a line, and none of what it is about.
        outside.graph.tricks += [HTML, HTML_200, an_error(190, 401), an_error(132001, 404), an_error(131026)]
        for code in ("123456", "654321"):
            await stage.tell(a_code(CLIENT_PHONE, "login", code=code, user_id=town.client_id))
        turno = town.appointment(client_name="Carla {{ secreto")
        await stage.tell(AppointmentBooked(appointment=turno, actor_id=town.client_id))
        word = {
            "from": "5491122334455",
            "id": "wamid.1",
            "timestamp": "1793000000",
            "text": {"body": "secreto"},
        }
        for body in (a_webhook(messages=[word]), a_webhook(a_status("wamid.9", "read")), b"secreto"):
            async with stage.http("notification") as http:
                path = "/v1/notification/webhooks/whatsapp"
                assert (await http.post(path, content=body, headers=signed(body))).status_code == 200
        await until(
            lambda: states(town), lambda found: len(found) >= 6 and "sent" in found and "failed" in found
        )
    said: list[str] = [repr(line) for line in logs]
    kinds: set[Any] = {line["event"] for line in logs}
    assert {"delivery_not_sent", "webhook_not_understood"} <= kinds
    for line in said:
        # An id may have any digits in it.
        rest = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "id", line)
        assert not [word for word in (*NAMES, *NUMBERS) if word in rest], line
