"""Decodes in a worker process that is started when somebody uploads and ends when nobody does."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import structlog

from turnosya.services.files.decoding.wire import CORRUPT, Made, Order, answer_of, line_of

log = structlog.get_logger()

_MODULE = "turnosya.services.files.decoding.worker"
# Starting on a machine that is busy with ten services; waiting for a child beyond its own alarm.
_START_S, _GRACE_S = 15.0, 5.0
_IDLE_S = 60.0


class Workshop:
    """One worker process, used by one file at a time."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._worker: Process | None = None
        self._idle: asyncio.TimerHandle | None = None

    @classmethod
    @asynccontextmanager
    async def open(cls) -> AsyncGenerator[Workshop]:
        """Starts nothing yet; ends the worker when left."""
        workshop = cls()
        try:
            yield workshop
        finally:
            workshop._stop_idling()
            await workshop._end()

    @property
    def is_busy(self) -> bool:
        """Whether a file is being looked into."""
        return self._turn.locked()

    async def make(self, order: Order) -> Made | str:
        """What is made of a file, or ``corrupt`` or ``refused``. A worker that dies under one is replaced."""
        async with self._turn:
            self._stop_idling()
            try:
                used_before = self._worker
                answer = await self._ask(order)
                if answer is None and used_before is not None:
                    # It may have been killed while it waited, which says nothing of this file; a new one
                    # that dies under it does.
                    answer = await self._ask(order)
            finally:
                self._idle = asyncio.get_running_loop().call_later(_IDLE_S, self._close)
        return CORRUPT if answer is None else answer_of(answer)

    async def _ask(self, order: Order) -> bytes | None:
        try:
            async with asyncio.timeout(order.within_s + _START_S + _GRACE_S):
                worker = self._worker = await self._started()
                assert worker.stdin is not None  # noqa: S101 - asked for
                assert worker.stdout is not None  # noqa: S101 - asked for
                worker.stdin.write(line_of(order))
                await worker.stdin.drain()
                answer = await worker.stdout.readline()
        except (TimeoutError, ConnectionError):
            answer = b""
        except asyncio.CancelledError:
            # Its answer would be taken for that of the next file.
            await self._end()
            raise
        if answer.endswith(b"\n"):
            return answer
        log.warning("decoder_died")
        await self._end()
        return None

    async def _started(self) -> Process:
        if self._worker is not None and self._worker.returncode is None:
            return self._worker
        # A session of its own: Ctrl-C reaches only us, and we end it. Its input ends with us.
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", _MODULE, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, start_new_session=True
        )

    def _stop_idling(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None

    def _close(self) -> None:
        """Lets the worker end by itself: its input ends."""
        if self._worker is not None and self._worker.stdin is not None:
            self._worker.stdin.close()
            self._worker = None

    async def _end(self) -> None:
        worker, self._worker = self._worker, None
        if worker is not None and worker.returncode is None:
            worker.kill()
            await worker.wait()
