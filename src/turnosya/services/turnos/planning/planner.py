"""Plans in a worker process that is started when somebody needs a plan and ends when nobody does."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import structlog

from turnosya.runtime.messages import Unavailable
from turnosya.services.turnos.planning import wire
from turnosya.services.turnos.planning.problem import Plan, Problem

log = structlog.get_logger()

_MODULE = "turnosya.services.turnos.planning.worker"
# A plan of 60 turnos among 1,500 places is 2 KB and more; a line of the pipe may be as long as it likes.
_LINE_BYTES = 16 * 1024 * 1024
# Importing scipy on a machine that is busy with ten services.
_START_S = 15.0


class Planner:
    """One worker process, used by one plan at a time."""

    def __init__(self, *, idle_s: float) -> None:
        self._idle_s = idle_s
        self._turn = asyncio.Lock()
        self._worker: Process | None = None
        self._idle: asyncio.TimerHandle | None = None

    @classmethod
    @asynccontextmanager
    async def open(cls, *, idle_s: float = 60.0) -> AsyncGenerator[Planner]:
        """Starts nothing yet; ends the worker when left."""
        planner = cls(idle_s=idle_s)
        try:
            yield planner
        finally:
            planner._stop_idling()
            await planner._end()

    @property
    def worker_id(self) -> int | None:
        """The process that plans, while there is one."""
        return self._worker.pid if self._worker is not None else None

    async def plan(self, problem: Problem) -> Plan:
        """The best plan. A worker that dies under it is replaced once; Unavailable if that one dies too."""
        if not problem.affected:
            return Plan((), (), 0, 0, 0)
        async with self._turn:
            self._stop_idling()
            try:
                answer = await self._ask(problem) or await self._ask(problem)
            finally:
                self._idle = asyncio.get_running_loop().call_later(self._idle_s, self._close)
        if answer is None:
            raise Unavailable
        return wire.plan_of(answer)

    async def _ask(self, problem: Problem) -> bytes | None:
        """The worker's answer; None if it died or did not answer in time, and then it is gone."""
        try:
            async with asyncio.timeout(problem.limits.guard_s + _START_S):
                worker = self._worker = await self._started()
                assert worker.stdin is not None  # noqa: S101 - asked for
                assert worker.stdout is not None  # noqa: S101 - asked for
                worker.stdin.write(wire.problem_line(problem))
                await worker.stdin.drain()
                answer = await worker.stdout.readline()
        except (TimeoutError, ConnectionError):
            answer = b""
        except asyncio.CancelledError:
            # Its answer would be taken for that of the next problem.
            await self._end()
            raise
        if answer.endswith(b"\n"):
            return answer
        log.warning("planner_died", affected=len(problem.affected))
        await self._end()
        return None

    async def _started(self) -> Process:
        if self._worker is not None and self._worker.returncode is None:
            return self._worker
        # A session of its own: Ctrl-C reaches only us, and we end it. Its input ends with us.
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            _MODULE,
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,
            limit=_LINE_BYTES,
            start_new_session=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
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
