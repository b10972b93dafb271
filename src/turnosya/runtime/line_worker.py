"""A process of ours for work that no loop should do: it answers a line with a line, until its input ends.

It is started when somebody asks and ends when nobody has for a while. Whoever asks makes and reads the lines.
"""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager

import structlog

log = structlog.get_logger()

# Starting, with what it imports, on a machine that is busy with ten services.
_START_S = 15.0


class LineWorker:
    """One worker process, used by one at a time."""

    def __init__(self, module: str, *, idle_s: float, line_bytes: int, env: Mapping[str, str]) -> None:
        self._module = module
        self._idle_s = idle_s
        self._line_bytes = line_bytes
        self._env = env
        self._turn = asyncio.Lock()
        self._process: Process | None = None
        self._idle: asyncio.TimerHandle | None = None

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        module: str,
        *,
        idle_s: float = 60.0,
        line_bytes: int = 64 * 1024,
        env: Mapping[str, str] | None = None,
    ) -> AsyncGenerator[LineWorker]:
        """For ``python -m module``, on our variables and ``env``. Starts nothing yet; ends it when left."""
        worker = cls(module, idle_s=idle_s, line_bytes=line_bytes, env=env or {})
        try:
            yield worker
        finally:
            worker._stop_idling()
            await worker._end()

    @property
    def pid(self) -> int | None:
        """The process, while there is one."""
        return self._process.pid if self._process is not None else None

    @property
    def is_busy(self) -> bool:
        """Whether somebody has their turn."""
        return self._turn.locked()

    @asynccontextmanager
    async def turn(self) -> AsyncGenerator[None]:
        """Nobody else asks until the block is left."""
        async with self._turn:
            self._stop_idling()
            try:
                yield
            finally:
                self._idle = asyncio.get_running_loop().call_later(self._idle_s, self._close)

    async def ask(self, line: bytes, *, within_s: float) -> bytes | None:
        """Its answer; None if it died or did not answer in time, and then it is gone. In one's turn only."""
        try:
            async with asyncio.timeout(within_s + _START_S):
                process = self._process = await self._started()
                assert process.stdin is not None  # noqa: S101 - asked for
                assert process.stdout is not None  # noqa: S101 - asked for
                process.stdin.write(line)
                await process.stdin.drain()
                answer = await process.stdout.readline()
        except (TimeoutError, ConnectionError):
            answer = b""
        except asyncio.CancelledError:
            # Its answer would be taken for that to the next line.
            await self._end()
            raise
        if answer.endswith(b"\n"):
            return answer
        log.warning("worker_died", module=self._module)
        await self._end()
        return None

    async def _started(self) -> Process:
        if self._process is not None and self._process.returncode is None:
            return self._process
        # A session of its own: Ctrl-C reaches only us, and we end it. Its input ends with us.
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            self._module,
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,
            limit=self._line_bytes,
            start_new_session=True,
            env={**os.environ, **self._env},
        )

    def _stop_idling(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None

    def _close(self) -> None:
        """Lets it end by itself: its input ends."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            self._process = None

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            process.kill()
            await process.wait()
