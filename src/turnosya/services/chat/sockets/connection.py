"""One socket, from its first packet to its end: who it is, until when, and what it is handed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any
from uuid import UUID

from socketio import packet

from turnosya.runtime.clock import real_now
from turnosya.runtime.identity import Caller, TokenExpired
from turnosya.runtime.messages import ServiceError
from turnosya.runtime.problems import Language
from turnosya.services.chat import packed
from turnosya.services.chat.live import Packed
from turnosya.services.chat.rules import Allowance, Typing
from turnosya.services.chat.sockets.engine import Engine

WARNED_BEFORE_S = 60.0
PACKETS_A_SECOND, PACKETS_AT_ONCE = 50.0, 200.0
# Whoever goes on so long after having been told that it is too fast is no app.
TOO_FAST_AT_MOST = 500
# A token is checked each time; an app whose first one was refused comes with a fresh one.
_TRIES_TO_CONNECT = 5

Verify = Callable[[Mapping[str, Any]], Awaitable[Caller]]


class Connection:
    """One socket, from its first packet; ``caller`` once it has said who it is."""

    def __init__(self, engine: Engine, engine_sid: str, language: Language, *, verify: Verify) -> None:
        self._engine = engine
        self.verify = verify
        self.engine_sid = engine_sid
        self.language: Language = language
        self.opened_with: str | None = None
        """The ``Authorization`` of its handshake, for clients that say nothing in ``auth``."""
        self.is_connected = False
        self.pending: packet.Packet | None = None
        """A packet whose attachments are still to come."""
        now_s = asyncio.get_running_loop().time()
        self._allowance = Allowance(PACKETS_A_SECOND, PACKETS_AT_ONCE, PACKETS_AT_ONCE, now_s)
        self.is_too_fast = False
        self._too_fast = 0
        self._tries = 0
        self.typing = Typing()
        self._caller: Caller | None = None
        self._timers: list[asyncio.TimerHandle] = []
        self._closing: asyncio.TimerHandle | None = None
        self._closes_at_s = now_s
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def who(self) -> UUID | None:
        """Whose it is; None before they have said so."""
        return None if self._caller is None else self._caller.user_id

    @property
    def caller(self) -> Caller:
        """Who it is."""
        assert self._caller is not None, "nobody is shown anything before they said who they are"  # noqa: S101
        return self._caller

    def belongs_to(self, caller: Caller) -> None:
        """From now on, until this token ends or is renewed."""
        self._caller = caller
        self._forget_token()
        loop = asyncio.get_running_loop()
        left_s = max(0.0, (caller.expires_at - real_now()).total_seconds())
        self._timers = [
            loop.call_later(max(0.0, left_s - WARNED_BEFORE_S), lambda: self._start(self._warn())),
            loop.call_later(left_s, lambda: self._start(self.end(TokenExpired()))),
        ]

    def takes_a_packet(self) -> bool:
        """Counts it. Who goes on too fast is told so for a while (``is_too_fast``), and then not served."""
        self.is_too_fast = self._allowance.take(asyncio.get_running_loop().time()) is not None
        self._too_fast += self.is_too_fast
        return self._too_fast <= TOO_FAST_AT_MOST

    def may_try_to_connect(self) -> bool:
        """Counts a try to say who it is."""
        self._tries += 1
        return self._tries <= _TRIES_TO_CONNECT

    def close_after(self, seconds: float) -> None:
        """Unless it has by then said who it is, and the rest of a packet that it began. Again: only later.

        One timer, however often it is put off: a packet with attachments does so each time.
        """
        loop = asyncio.get_running_loop()
        self._closes_at_s = loop.time() + seconds
        if self._closing is None:
            self._closing = loop.call_at(self._closes_at_s, self._close_if_idle)

    def forget_timers(self) -> None:
        """It has gone."""
        self._forget_token()
        if self._closing is not None:
            self._closing.cancel()

    def _forget_token(self) -> None:
        for timer in self._timers:
            timer.cancel()
        self._timers = []

    def _close_if_idle(self) -> None:
        loop, self._closing = asyncio.get_running_loop(), None
        if self.is_connected and self.pending is None:
            return
        if loop.time() < self._closes_at_s:
            self._closing = loop.call_at(self._closes_at_s, self._close_if_idle)
        else:
            self._start(self._engine.end(self.engine_sid, "nobody"))

    async def _warn(self) -> None:
        body = {"expires_at": self.caller.expires_at.isoformat()}
        await self.hand(packed.event("auth:expiring", body))

    async def hand(self, said: Packed) -> bool:
        """Hands it an event; whether it took it."""
        return await self._engine.hand(self.engine_sid, said)

    async def say(self, said: packet.Packet) -> bool:
        """Any packet."""
        return await self.hand(packed.message(said))

    async def end(self, refusal: ServiceError | None) -> None:
        """Says why, disconnects and closes."""
        if refusal is not None:
            await self.hand(packed.event("auth:ended", {"code": refusal.code}))
        if self.is_connected:
            await self.say(packet.Packet(packet.DISCONNECT))
        await self._engine.end(self.engine_sid, refusal.code if refusal else "server shutting down")

    def _start(self, work: Coroutine[Any, Any, object]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
