"""Words of the tests with providers: a stage that is led to stand-ins, and what became of deliveries."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, cast

from tests.notification.people import CLIENT_PHONE, Town, a_code, a_town, as_new
from tests.notification.providers import Providers, signed
from tests.servers import Servers
from tests.stage import Stage, a_stage, until
from turnosya.contracts.auth import CodeRequested
from turnosya.contracts.turnos import AppointmentBooked
from turnosya.contracts.users import Device, NotificationSettings
from turnosya.runtime.ids import new_id
from turnosya.runtime.settings import Environment
from turnosya.services.notification.service import service as notification
from turnosya.services.users import reach
from turnosya.services.users.context import Users
from turnosya.services.users.service import service as users

PATH = "/v1/notification/webhooks/whatsapp"


@asynccontextmanager
async def a_stage_with_providers(
    servers: Servers, outside: Providers, *, broker_url: str | None = None, **more: str
) -> AsyncGenerator[Stage]:
    """Users and notification as in production, short waits."""
    waits = {"TURNOSYA_CODE_FALLBACK_S": "1", "TURNOSYA_NOTIFICATION_POLL_S": "0.05"}
    settings = {**outside.settings, **waits, **more}
    production = Environment.PRODUCTION
    async with a_stage(
        servers, [users, notification], env=production, settings=settings, broker_url=broker_url
    ) as stage:
        yield stage


async def a_town_told_nothing(stage: Stage, outside: Providers) -> Town:
    """A stage and providers as new: people are welcomed, and that is forgotten."""
    await as_new(stage)
    outside.graph.tricks.clear()
    outside.firebase.tricks.clear()
    outside.firebase.tokens_that_hang.clear()
    outside.browsers.tricks.clear()
    outside.post.refusals.clear()
    outside.post.tricks.clear()
    town = await a_town(stage, welcomed=False)
    await until(lambda: rows(town), lambda found: [one["state"] for one in found] == ["sent", "sent"])
    for got in (outside.graph.got, outside.firebase.got, outside.browsers.got, outside.post.got):
        cast("list[Any]", got).clear()
    return town


async def rows(town: Town, template: str | None = None) -> list[dict[str, Any]]:
    async with town.stage.running["notification"].host.db.read() as tx:
        found = await tx.connection.exec_driver_sql("SELECT * FROM deliveries ORDER BY number")
        return [dict(row) for row in found.mappings() if template in (None, row["template"])]


async def ended(town: Town, template: str, *states: str) -> list[dict[str, Any]]:
    """The deliveries of a template, once they are in these states."""
    return await until(
        lambda: rows(town, template), lambda found: [one["state"] for one in found] == list(states)
    )


async def put_off(town: Town, template: str) -> None:
    """Returns when the first delivery of a template waits for another try."""
    await until(lambda: rows(town, template), lambda found: any(one["retry_at"] for one in found[:1]))


async def called(town: Town, body: bytes, headers: dict[str, str] | None = None) -> int:
    async with town.stage.http("notification") as http:
        answer = await http.post(PATH, content=body, headers=signed(body) if headers is None else headers)
    return answer.status_code


async def a_booking(town: Town) -> None:
    turno = town.appointment(owner_id=town.client_id)
    await town.stage.tell(AppointmentBooked(appointment=turno, actor_id=town.client_id))


async def with_devices(town: Town, *devices: Device, **settings: bool) -> None:
    context = cast("Users", town.stage.running["users"].context)
    await reach.choose(context, town.client_id, NotificationSettings.model_validate(settings))
    for device in devices:
        await reach.add_device(context, town.client_id, new_id(), device=device)


async def set_email(town: Town, email: str | None) -> None:
    async with town.stage.running["users"].host.db.transaction() as tx:
        await tx.connection.exec_driver_sql(
            "UPDATE people SET email = $1 WHERE id = $2", (email, town.client_id)
        )


def a_login(town: Town) -> CodeRequested:
    return a_code(CLIENT_PHONE, "login", user_id=town.client_id)
