"""Words of the jobs tests: a bell that jobs ring, and the clock that everybody sees."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx

from tests.stage import Stage, until
from turnosya.contracts.jobs import Job
from turnosya.runtime.bus import Bus
from turnosya.runtime.messages import Nothing, Rpc, Unavailable
from turnosya.runtime.service import Running
from turnosya.services.jobs.context import Jobs
from turnosya.services.jobs.service import service as jobs

NOON = datetime(2027, 6, 10, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Ring(Rpc[Nothing]):
    """What the jobs of these tests ask for."""

    name: str
    number: int = 0


@dataclass
class Bell:
    """Answers ``Ring``: notes each, fails while it is broken, and keeps those waiting that it is told to."""

    rung: list[Ring] = field(default_factory=list[Ring])
    began: list[str] = field(default_factory=list[str])
    at_once: int = 0
    most_at_once: int = 0
    broken: bool = False
    may_end: asyncio.Event = field(default_factory=asyncio.Event)

    async def open(self, bus: Bus) -> None:
        self.may_end.set()
        await bus.answer(Ring, self._ring)

    async def _ring(self, request: Ring) -> Nothing:
        self.began.append(request.name)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await self.may_end.wait()
            if self.broken:
                raise Unavailable
            self.rung.append(request)
        finally:
            self.at_once -= 1
        return Nothing()

    @property
    def names(self) -> list[str]:
        return [ring.name for ring in self.rung]

    async def rings(self, *names: str) -> None:
        """Returns when exactly these have rung, in any order."""

        async def look() -> list[str]:
            return sorted(self.names)

        assert await until(look, lambda found: len(found) >= len(names)) == sorted(names)

    async def begins(self, times: int) -> None:
        """Returns when it was begun to be rung so often."""

        async def look() -> int:
            return len(self.began)

        await until(look, lambda found: found >= times)


@dataclass
class World:
    """Jobs on its database, the bell, and what an admin would see of the timetable."""

    stage: Stage
    bell: Bell
    copies: list[Running[Any]] = field(default_factory=list[Running[Any]])

    @property
    def jobs(self) -> Jobs:
        context = self.stage.running["jobs"].context
        assert isinstance(context, Jobs)
        return context

    async def one_more_copy(self) -> Running[Any]:
        """Another process of jobs on the same timetable, as far as one process can be two."""
        before = self.stage.running["jobs"]
        copy = await self.stage.put_on(jobs)
        self.stage.running["jobs"] = before
        self.copies.append(copy)
        return copy

    async def is_restarted(self) -> None:
        """Jobs ends and begins again."""
        await self.stage.running["jobs"].stop(5)
        await self.stage.put_on(jobs)

    async def row(self, key: str) -> dict[str, Any]:
        """What the timetable says of a job."""
        async with self.jobs.db.read() as tx:
            rows = await tx.connection.exec_driver_sql("SELECT * FROM timetable WHERE key = $1", (key,))
            return dict(rows.mappings().one())

    async def becomes(self, key: str, state: str) -> dict[str, Any]:
        """What the timetable says of a job once it is in this state and nobody works on it."""
        return await until(
            lambda: self.row(key), lambda row: row["state"] == state and row["leased_until"] is None
        )

    async def every_lease_is_over(self) -> None:
        """As much later as a lease is long."""
        async with self.jobs.db.transaction() as tx:
            await tx.connection.exec_driver_sql(
                "UPDATE timetable SET leased_until = now() - interval '1 ms' WHERE leased_until IS NOT NULL"
            )

    async def sets_clock(self, **body: object) -> httpx.Response:
        async with self.stage.http("jobs") as http:
            return await http.put("/v1/dev/clock", json=body)

    async def stands_at(self, instant: datetime) -> None:
        """The clock is set, and that is confirmed."""
        answer = await self.sets_clock(now=instant.isoformat())
        assert (answer.status_code, answer.json()["set"]) == (200, True), answer.text
        assert datetime.fromisoformat(answer.json()["now"]) == instant

    async def is_released(self) -> None:
        async with self.stage.http("jobs") as http:
            assert (await http.delete("/v1/dev/clock")).status_code == 204

    async def process_says(self, process_id: UUID, *, version: int = 0) -> None:
        """A process says that it lives and which clock it uses."""
        async with self.jobs.db.transaction() as tx:
            await tx.connection.exec_driver_sql(
                "INSERT INTO clock_users VALUES ($1, $2, clock_timestamp()) ON CONFLICT (process_id)"
                " DO UPDATE SET version = excluded.version, seen_at = excluded.seen_at",
                (process_id, version),
            )


def a_job(
    name: str, run_at: datetime = NOON, *, key: str = "", number: int = 0, max_attempts: int = 10
) -> Job:
    """A job that rings the bell under this name; its key is its name."""
    job = Job.of(Ring(name=name, number=number), key=key or name, run_at=run_at)
    return job.model_copy(update={"max_attempts": max_attempts})
