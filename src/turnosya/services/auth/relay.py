"""Delivers the events that auth's scripts stored, at least once and in order."""

from __future__ import annotations

import asyncio
import json
from time import monotonic
from typing import TYPE_CHECKING
from uuid import uuid4

import structlog
from pydantic import BaseModel

from turnosya.runtime.bus import SEQUENCE, Envelope, Undelivered
from turnosya.runtime.messages import Unavailable
from turnosya.runtime.metrics import events_told
from turnosya.services.auth.metrics import events_waiting_s
from turnosya.services.auth.store import ACCESS_EVENTS, EVENTS

if TYPE_CHECKING:
    from turnosya.services.auth.context import Auth

log = structlog.get_logger()

_BATCH = 50
# Below the client's own 2 s time-out of a command.
_WAIT_MS = 1000
_PAUSE_S = 0.5
_COUNTER_BITS = 20


class _Lock(BaseModel):
    outcome: str


async def run(auth: Auth) -> None:
    """Relays for ever. Every copy runs one; the holder of the lock in Redis delivers."""
    relay = Relay(auth)
    while True:
        try:
            await relay.work()
        except Unavailable:
            await asyncio.sleep(_PAUSE_S)
        except Exception:
            log.exception("relay_failed")
            await asyncio.sleep(_PAUSE_S)


class Relay:
    """One copy's relay.

    What gateways must know has a stream of its own: news of ended access never wait behind a code
    that notification is not there to take.
    """

    def __init__(self, auth: Auth) -> None:
        self._auth = auth
        self._holder = str(uuid4())
        self._last = {ACCESS_EVENTS: "0-0", EVENTS: "0-0"}
        self._renew_at = 0.0

    async def work(self) -> None:
        """Delivers what is stored, then waits for more."""
        if not await self.holds_lock():
            await asyncio.sleep(_PAUSE_S)
            return
        delivered = [await self.deliver(stream) for stream in (ACCESS_EVENTS, EVENTS)]
        if None in delivered:
            await asyncio.sleep(_PAUSE_S)
        elif not any(delivered):
            await self._auth.store.wait_for_events(self._last, wait_ms=_WAIT_MS)

    async def holds_lock(self) -> bool:
        """Whether this copy delivers now; the lock is renewed."""
        lock_ms = int(self._auth.settings.relay_lock_s * 1000)
        self._renew_at = monotonic() + lock_ms / 3000
        found = await self._auth.store.run("hold_relay", {"holder": self._holder, "ms": lock_ms}, _Lock)
        return found.outcome == "holding"

    async def deliver(self, stream: str) -> int | None:
        """How many of the oldest events were delivered; None if one could not be."""
        stored = await self._auth.store.stored_events(stream, _BATCH)
        for key, entry in stored:
            # Behind slow deliveries the lock may have gone to another copy, which delivers these again.
            if monotonic() >= self._renew_at and not await self.holds_lock():
                return None
            if not await self._deliver_one(stream, key, entry):
                return None
            await self._auth.store.forget_event(stream, key)
            self._last[stream] = key
        return len(stored)

    async def _deliver_one(self, stream: str, key: str, entry: dict[str, str]) -> bool:
        now_ms = self._auth.store.now_ms()
        if entry["until"] and now_ms >= int(entry["until"]):
            # A secret ends with its code, delivered or not.
            log.warning("code_expired_undelivered", event_name=entry["name"])
            return True
        moment, _, counter = key.partition("-")
        # The stream's own order, which grows on even after a loss of the store.
        sequence = (int(moment) << _COUNTER_BITS) | int(counter)
        headers: dict[str, str] = {**json.loads(entry["headers"]), SEQUENCE: str(sequence)}
        try:
            await self._auth.bus.deliver(Envelope(entry["name"], entry["body"].encode(), headers))
        except (Undelivered, ConnectionError) as error:
            log.warning("event_not_delivered", event_name=entry["name"], why=type(error).__name__)
            return False
        events_told.labels(entry["name"]).inc()
        events_waiting_s.labels(stream).observe(max(0, now_ms - int(moment)) / 1000)
        return True
