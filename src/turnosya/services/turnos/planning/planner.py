"""Plans in a worker process that is started when somebody needs a plan and ends when nobody does."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from turnosya.runtime.line_worker import LineWorker
from turnosya.runtime.messages import Unavailable
from turnosya.services.turnos.planning import wire
from turnosya.services.turnos.planning.problem import Plan, Problem

_MODULE = "turnosya.services.turnos.planning.worker"
# A plan of 60 turnos among 1,500 places is 2 KB and more; a line of the pipe may be as long as it likes.
_LINE_BYTES = 16 * 1024 * 1024
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


@dataclass(frozen=True, slots=True)
class Planner:
    """One worker process, used by one plan at a time."""

    worker: LineWorker

    @classmethod
    @asynccontextmanager
    async def open(cls) -> AsyncGenerator[Planner]:
        """Starts nothing yet; ends the worker when left."""
        async with LineWorker.open(_MODULE, line_bytes=_LINE_BYTES, env=_ONE_THREAD) as worker:
            yield cls(worker)

    async def plan(self, problem: Problem) -> Plan:
        """The best plan. A worker that dies under it is replaced once; Unavailable if that one dies too."""
        if not problem.affected:
            return Plan((), (), 0, 0, 0)
        async with self.worker.turn():
            answer = await self._ask(problem) or await self._ask(problem)
        if answer is None:
            raise Unavailable
        return wire.plan_of(answer)

    async def _ask(self, problem: Problem) -> bytes | None:
        return await self.worker.ask(wire.problem_line(problem), within_s=problem.limits.guard_s)
