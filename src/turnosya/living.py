"""Tells checks that a process lives, what its services lack, and that it ends because it was told to."""

import asyncio
import os
import socket
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any
from uuid import UUID

import structlog

from turnosya.contracts.checks import ProcessLives
from turnosya.runtime.bus import Bus, Undelivered
from turnosya.runtime.clock import real_now
from turnosya.runtime.service import Running

log = structlog.get_logger()

# Checks calls a process dead after 10 s without a word.
EVERY_S = 3.0
_FAREWELL_S = 1.0


@asynccontextmanager
async def saying_that_we_live(
    bus: Bus, process_id: UUID, running: Mapping[str, Running[Any]], *, port: int
) -> AsyncGenerator[None]:
    """While the block runs; at its end, that this process ends."""
    started_at = real_now()

    async def say(*, ends: bool = False) -> None:
        away = [f"{name} {what}" for name, one in running.items() for what in one.away]
        life = ProcessLives(
            process_id=process_id,
            services=list(running),
            address=f"{socket.gethostname()}:{port}",
            pid=os.getpid(),
            started_at=started_at,
            away=away,
            ends=ends,
        )
        await bus.publish_every_copy(life)

    async def say_again_and_again() -> None:
        while True:
            try:
                await asyncio.gather(*(one.ready() for one in running.values()))
                await say()
            except (Undelivered, ConnectionError):
                # The broker is away, which the transport has logged; checks then knows that it hears nobody.
                log.debug("life_not_told")
            except Exception:
                log.exception("telling_of_life_failed")
            await asyncio.sleep(EVERY_S)

    task = asyncio.create_task(say_again_and_again())
    try:
        yield
    finally:
        task.cancel()
        with suppress(Undelivered, ConnectionError, TimeoutError):
            async with asyncio.timeout(_FAREWELL_S):
                await say(ends=True)
