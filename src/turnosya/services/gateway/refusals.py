"""Refusals at the front door that the audit is told of: few, however many there are."""

from __future__ import annotations

import asyncio
from collections import deque
from time import monotonic
from typing import TYPE_CHECKING

import structlog

from turnosya.contracts.gateway import SecurityNoted
from turnosya.runtime.bus import Bus, Envelope, Undelivered
from turnosya.runtime.clock import real_now

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from turnosya.runtime.identity import Caller

log = structlog.get_logger()

# One line for each reason and account in this time. Strangers are one account: who they are is unproved.
QUIET_S = 600.0
# So many accounts are told apart in that time; those beyond are one with the strangers.
ACCOUNTS = 100
# What waits while the broker is away; the oldest go first, and the metrics have counted them all.
_WAITING = 500
_LOOK_S = 0.5


class Refusals:
    """What was told lately, and what waits to be told."""

    def __init__(self, now: Callable[[], float] = monotonic) -> None:
        self._now = now
        self._told: dict[tuple[str, UUID | None], float] = {}
        self.waiting: deque[SecurityNoted] = deque(maxlen=_WAITING)

    def note(self, reason: str, caller: Caller | None) -> None:
        """Somebody was refused; ``caller`` only if their token is proved to be ours."""
        now = self._now()
        while self._told and now - next(iter(self._told.values())) >= QUIET_S:
            del self._told[next(iter(self._told))]
        user_id = caller.user_id if caller is not None else None
        session_id = caller.session_id if caller is not None else None
        if (reason, user_id) in self._told:
            return
        if len(self._told) >= ACCOUNTS:
            user_id = session_id = None
        key = (reason, user_id)
        if key in self._told:
            return
        self._told[key] = now
        fact = SecurityNoted(
            kind="refused",
            subject_id=user_id,
            session_id=session_id,
            reason=reason,
            at=real_now(),
        )
        self.waiting.append(fact)

    async def tell_forever(self, bus: Bus) -> None:
        """Hands what waits to the audit, in order, again until it is taken."""
        while True:
            while self.waiting:
                # Encoded once: its id makes a second delivery of it no second line.
                await _deliver(bus, bus.encode(self.waiting.popleft()))
            await asyncio.sleep(_LOOK_S)


async def _deliver(bus: Bus, envelope: Envelope) -> None:
    while True:
        try:
            await bus.deliver(envelope)
        except (Undelivered, ConnectionError) as error:
            log.warning("refusal_not_told", why=type(error).__name__)
            await asyncio.sleep(_LOOK_S)
        else:
            return
