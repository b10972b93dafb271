"""A process that closes a day, and is killed when half of its six offers have gone out."""

import asyncio
import os
import signal
from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from tests.servers import Servers
from tests.stage import Stage, a_bus, a_transport
from tests.turnos.town import everybody_has_an_account
from turnosya.contracts.turnos import AppointmentProposed
from turnosya.runtime.bus import Bus, Envelope
from turnosya.runtime.idempotency import Once
from turnosya.runtime.identity import TokenVerifier
from turnosya.runtime.settings import Environment, MessagingSettings, load
from turnosya.services.business.service import service as business
from turnosya.services.notification.service import service as notification
from turnosya.services.turnos import closures
from turnosya.services.turnos.context import Turnos
from turnosya.services.turnos.service import service as turnos
from turnosya.services.turnos.windows import Window

SERVICES = (business, notification, turnos)
GO_OUT = 3


def die_after_three(bus: Bus) -> None:
    """The relay hands three offers over, each to its end, and is killed with the fourth in its hands."""
    deliver, one_at_a_time, gone = bus.deliver, asyncio.Lock(), 0

    async def deliver_or_die(envelope: Envelope) -> None:
        nonlocal gone
        if envelope.wire_name != AppointmentProposed.wire_name:
            await deliver(envelope)
            return
        async with one_at_a_time:
            if gone == GO_OUT:
                os.kill(os.getpid(), signal.SIGKILL)
            await deliver(envelope)
            gone += 1

    bus.deliver = deliver_or_die  # type: ignore[method-assign]


async def main(told: Mapping[str, Any]) -> None:
    """Goes on where the test has left its stage, up to the kill."""
    queues: dict[str, frozenset[str]] = {}
    for service in SERVICES:
        queues |= service.queues()
    transport = await a_transport(queues, told["broker_url"])
    bus = a_bus(transport, load(MessagingSettings, dict(told["settings"])), source="test")

    async def no_keys() -> list[Mapping[str, str]]:
        return []

    stage = Stage(
        Servers(),
        Environment.DEVELOPMENT,
        TokenVerifier(no_keys),
        told["settings"],
        queues,
        told["broker_url"],
        transport,
        bus,
        urls=told["urls"],
    )
    stage.clock.use(version=1, set_to=datetime.fromisoformat(told["now"]))
    await everybody_has_an_account(bus)
    for service in SERVICES:
        await stage.put_on(service)
    here = stage.running["turnos"]
    die_after_three(here.host.bus)
    span = Window(datetime.fromisoformat(told["from"]), datetime.fromisoformat(told["to"]))
    order = closures.Order(
        UUID(told["business_id"]), UUID(told["owner_id"]), span, None, "Capacitación", None, None
    )
    await closures.close(cast("Turnos", here.context), order, Once(None, b""))
    await asyncio.sleep(30)
