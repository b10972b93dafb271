"""What every function of chat is handed."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import Any
from uuid import UUID

from turnosya.runtime.bus import Bus
from turnosya.runtime.database import Database
from turnosya.runtime.identity import TokenVerifier
from turnosya.runtime.service import Host
from turnosya.runtime.settings import Environment
from turnosya.services.chat import rules
from turnosya.services.chat.access import Access
from turnosya.services.chat.live import Live
from turnosya.services.chat.refusals import TooFast
from turnosya.services.chat.settings import ChatSettings

_REMEMBERED = 10_000


@dataclass(slots=True)
class Allowances:
    """How fast each person may write here. Each copy of the service counts for itself."""

    is_on: bool
    _of: OrderedDict[UUID, rules.Allowance] = field(default_factory=OrderedDict[UUID, rules.Allowance])

    def take(self, user_id: UUID) -> None:
        """Raises ``TooFast``."""
        if not self.is_on:
            return
        now_s = monotonic()
        found = self._of.get(user_id)
        if found is None:
            found = rules.Allowance(rules.MESSAGES_A_SECOND, rules.BURST, rules.BURST, now_s)
            self._of[user_id] = found
            if len(self._of) > _REMEMBERED:
                self._of.popitem(last=False)
        wait_s = found.take(now_s)
        if wait_s is not None:
            raise TooFast(retry_after_s=max(1, round(wait_s)))


@dataclass(frozen=True, slots=True)
class Chat:
    """The chat service in one process."""

    bus: Bus
    db: Database
    tokens: TokenVerifier
    settings: ChatSettings
    development: bool
    live: Live
    access: Access
    allowances: Allowances
    _beside: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])

    @classmethod
    @asynccontextmanager
    async def open(cls, host: Host) -> AsyncGenerator[Chat]:
        """Ends every socket at the end."""
        live = Live()
        chat = cls(
            bus=host.bus,
            db=host.db,
            tokens=host.tokens,
            settings=host.settings,
            development=host.env is Environment.DEVELOPMENT,
            live=live,
            access=Access(host.bus),
            allowances=Allowances(is_on=host.process.rate_limits == "on"),
        )
        try:
            yield chat
        finally:
            await live.close()
            for task in list(chat._beside):
                task.cancel()
            await asyncio.gather(*chat._beside, return_exceptions=True)

    def beside(self, work: Coroutine[Any, Any, None]) -> None:
        """Lets something go on beside the answer: what is lost with it costs latency only."""
        task = asyncio.get_running_loop().create_task(work)
        self._beside.add(task)
        task.add_done_callback(self._beside.discard)
