"""Decodes in a worker process that is started when somebody uploads and ends when nobody does."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from turnosya.runtime.line_worker import LineWorker
from turnosya.services.files.decoding.wire import CORRUPT, Made, Order, answer_of, line_of

_MODULE = "turnosya.services.files.decoding.worker"
# Waiting for a child beyond its own alarm.
_GRACE_S = 5.0


@dataclass(frozen=True, slots=True)
class Workshop:
    """One worker process, used by one file at a time."""

    worker: LineWorker

    @classmethod
    @asynccontextmanager
    async def open(cls) -> AsyncGenerator[Workshop]:
        """Starts nothing yet; ends the worker when left."""
        async with LineWorker.open(_MODULE) as worker:
            yield cls(worker)

    async def make(self, order: Order) -> Made | str:
        """What is made of a file, or ``corrupt`` or ``refused``. A worker that dies under one is replaced."""
        async with self.worker.turn():
            waited = self.worker.pid is not None
            answer = await self._ask(order)
            if answer is None and waited:
                # It may have been killed while it waited, which says nothing of this file; a new one
                # that dies under it does.
                answer = await self._ask(order)
        return CORRUPT if answer is None else answer_of(answer)

    async def _ask(self, order: Order) -> bytes | None:
        return await self.worker.ask(line_of(order), within_s=order.within_s + _GRACE_S)
