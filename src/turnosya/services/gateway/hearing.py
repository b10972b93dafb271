"""What the gateway hears of auth, how it catches up after a silence, and what it tells."""

import asyncio

import structlog

from turnosya.contracts.auth import AccessChanged, AccessHeartbeat, GetAccess
from turnosya.runtime.messages import ServiceError
from turnosya.services.gateway.context import Gateway

log = structlog.get_logger()

# How soon the snapshot is asked for after auth was heard again, and again if it did not come.
_LOOK_S = 0.2


async def access_changed(gateway: Gateway, event: AccessChanged) -> None:
    """Somebody's access ended, or begins again."""
    gateway.access.hear()
    gateway.access.change(event)


async def heartbeat(gateway: Gateway, _event: AccessHeartbeat) -> None:
    """Auth is there."""
    gateway.access.hear()


async def has_caught_up(gateway: Gateway) -> bool:
    """Whether the list was ever loaded; later a silent auth only slows and refuses those with a token."""
    return gateway.access.was_loaded


async def catch_up(gateway: Gateway) -> None:
    """Asks auth for the whole list whenever something may have been missed."""
    while True:
        if gateway.access.wants_snapshot:
            try:
                silences = gateway.access.silences
                gateway.access.trust(await gateway.bus.call(GetAccess()), silences=silences)
            except ServiceError as error:
                log.info("access_list_not_answered", refusal=error.code)
        await asyncio.sleep(_LOOK_S)


async def tell_refusals(gateway: Gateway) -> None:
    """Tells the audit whom the front door refused."""
    await gateway.front.refusals.tell_forever(gateway.bus)
