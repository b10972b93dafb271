"""How fast people are told: codes alone and behind reminders, receipts, reminders of a whole morning.

The providers are stand-ins in this same process, so that what is measured includes their work.
"""

import asyncio
import statistics
from bisect import bisect_left
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from time import monotonic

import psutil

from tests.bench.figures import Figure
from tests.notification.people import a_code
from tests.notification.providers import Providers, a_status, a_webhook, providers, signed
from tests.servers import Servers
from tests.stage import Stage, a_stage, until
from tests.turnos.town import everybody_has_an_account
from turnosya.contracts.notification import SendReminders
from turnosya.contracts.users import FindByPhone, People
from turnosya.runtime.clock import real_now
from turnosya.runtime.settings import Environment
from turnosya.services.notification.service import service as notification

CODES_A_SECOND, CODES_FOR_S = 50, 6
RECEIPTS_A_SECOND, RECEIPTS_FOR_S = 300, 5
WAITING, REMINDERS, MANY = 10_000, 6_000, 60_000
_MIB = 1024 * 1024

_QUEUE = """
    INSERT INTO deliveries
        (id, occasion, person, channel, template, reader, locale, address, facts, data, lane)
    SELECT gen_random_uuid(), 'o' || n, 'p' || n, 'whatsapp', 'opted_in', 'person', 'es',
           '+54911' || (20000000 + n), '{"name": "Ana"}', '{}', 'news'
    FROM generate_series(1, $1) AS n
"""
_KEEP = """
    INSERT INTO kept_turnos (appointment_id, version, status, starts_at, business_id, owner_id, client_id,
        appointment)
    SELECT id, 1, 'confirmed', $2, gen_random_uuid(), gen_random_uuid(), NULL,
        jsonb_build_object('id', id, 'version', 1, 'status', 'confirmed', 'business_id', gen_random_uuid(),
            'business_name', 'Peluquería', 'business_timezone', 'America/Argentina/Buenos_Aires',
            'address_line', NULL, 'owner_id', gen_random_uuid(), 'service_id', gen_random_uuid(),
            'service_name', 'Corte', 'staff_id', gen_random_uuid(), 'staff_name', 'Ana',
            'staff_user_id', NULL, 'client_id', NULL, 'client_name', 'Clara',
            'client_phone', '+54911' || (30000000 + n), 'starts_at', $2::timestamptz,
            'ends_at', $2::timestamptz, 'price', NULL)
    FROM (SELECT gen_random_uuid() AS id, n FROM generate_series(1, $1) AS n) AS made
"""
_PLAN = "INSERT INTO reminders SELECT appointment_id, 120, $1 FROM kept_turnos"


async def messages(servers: Servers, folder: Path) -> AsyncGenerator[Figure]:
    """All of it, on one PostgreSQL with messages in memory."""
    folder.mkdir()
    async with providers(folder) as outside:
        async with _a_stage(servers, outside) as stage:
            p95, p99 = await _codes(stage, outside, first=100_000)
            yield Figure("Messages", "a code, event to provider, 50/s, p95", p95, "ms", 300, f"p99 {p99:.1f}")
            p50, p99 = await _receipts(stage)
            yield Figure("Messages", "a receipt, 300/s, p99", p99, "ms", 50, f"p50 {p50:.1f}")
            await _sql(stage, _QUEUE, WAITING)
            p95, p99 = await _codes(stage, outside, first=200_000)
            yield Figure(
                "Messages", "the same, 10,000 reminders queued, p95", p95, "ms", 300, f"p99 {p99:.1f}"
            )
        async with _a_stage(servers, outside) as stage:
            async for figure in _within_limits(stage, outside):
                yield figure


async def reminders(servers: Servers, folder: Path) -> AsyncGenerator[Figure]:
    """A whole city's morning: more reminders than a number may send, with the provider's limits raised."""
    folder.mkdir()
    limits = {"TURNOSYA_WHATSAPP_PER_S": "100000", "TURNOSYA_HANDS_AT_ONCE": "50"}
    async with providers(folder) as outside, _a_stage(servers, outside, **limits) as stage:
        found = await _morning(stage, outside, MANY, within_s=260)
    yield Figure("Messages", f"{MANY:,} reminders due at once, queued in", found.queued_s, "s")
    name = f"of {MANY:,} reminders with the provider (limits raised)"
    more = f"in {found.took_s:.0f} s, {found.per_s:.0f}/s"
    yield Figure("Messages", name, found.handed, "", more=more)
    yield Figure("Messages", "memory from a third of them to the end", found.grown, "MiB more", 32)


@asynccontextmanager
async def _a_stage(servers: Servers, outside: Providers, **limits: str) -> AsyncGenerator[Stage]:
    settings = {
        **outside.settings,
        "TURNOSYA_PROVIDER_TIMEOUT_S": "10",
        "TURNOSYA_CODES_A_DAY": "1000000",
        "TURNOSYA_NOTIFICATION_POLL_S": "1",
        "TURNOSYA_POLL_S": "1",
        **limits,
    }
    async with a_stage(servers, [notification], env=Environment.PRODUCTION, settings=settings) as stage:
        await everybody_has_an_account(stage.bus)

        async def nobody(_: FindByPhone) -> People:
            return People(people=[])

        await stage.bus.answer(FindByPhone, nobody)
        yield stage


async def _sql(stage: Stage, statement: str, *values: object) -> None:
    async with stage.running["notification"].host.db.transaction() as tx:
        await tx.connection.exec_driver_sql(statement, values)


async def _codes(stage: Stage, outside: Providers, *, first: int) -> tuple[float, float]:
    """p95 and p99 from the event to the provider's request, milliseconds."""
    told: dict[str, float] = {}
    loop, graph = asyncio.get_running_loop(), outside.graph
    graph.got.clear()
    graph.at.clear()
    begin = loop.time()
    count = CODES_A_SECOND * CODES_FOR_S
    for number in range(count):
        await asyncio.sleep(max(0.0, begin + number / CODES_A_SECOND - loop.time()))
        code = str(first + number)
        told[code] = loop.time()
        await stage.tell(a_code(f"+54911{40_000_000 + first + number}", code=code))

    def arrived() -> dict[str, float]:
        return {
            body["template"]["components"][0]["parameters"][0]["text"]: at
            for body, at in zip(graph.got, graph.at, strict=True)
            if body["type"] == "template" and body["template"]["name"] == "turnosya_code"
        }

    async def how_many() -> int:
        return len(arrived())

    await until(how_many, lambda found: found == count)
    return _percentiles([(at - told[code]) * 1000 for code, at in arrived().items()])[1:]


async def _receipts(stage: Stage) -> tuple[float, float]:
    """p50 and p99 of the webhook's answer, milliseconds."""
    async with stage.running["notification"].host.db.read() as tx:
        rows = await tx.connection.exec_driver_sql("SELECT id::text FROM deliveries WHERE state = 'sent'")
        ids = list(rows.scalars())
    took: list[float] = []
    loop = asyncio.get_running_loop()
    begin = loop.time()
    async with stage.http("notification") as http, asyncio.TaskGroup() as group:

        async def one(number: int) -> None:
            state = ("delivered", "read", "sent")[number % 3]
            body = a_webhook(a_status(ids[number % len(ids)], state, wamid=f"wamid.{number}"))
            began = monotonic()
            answer = await http.post("/v1/notification/webhooks/whatsapp", content=body, headers=signed(body))
            took.append((monotonic() - began) * 1000)
            assert answer.status_code == 200

        for number in range(RECEIPTS_A_SECOND * RECEIPTS_FOR_S):
            await asyncio.sleep(max(0.0, begin + number / RECEIPTS_A_SECOND - loop.time()))
            group.create_task(one(number))
    p50, _, p99 = _percentiles(took)
    return p50, p99


@dataclass(frozen=True, slots=True)
class _Morning:
    """How long it took to queue reminders that are due at once, and to hand them over; memory meanwhile."""

    queued_s: float
    handed: int
    took_s: float
    grown: float
    """MiB, from a third of the way to the end."""

    @property
    def per_s(self) -> float:
        return self.handed / self.took_s


async def _morning(stage: Stage, outside: Providers, count: int, *, within_s: float) -> _Morning:
    """So many people without an account are reminded at one instant, each once; watched for so long."""
    now, graph = real_now(), outside.graph
    stage.clock.use(version=stage.clock.version + 1, set_to=now)
    await _sql(stage, "DELETE FROM kept_turnos")
    await _sql(stage, _KEEP, count, now + timedelta(hours=2))
    await _sql(stage, _PLAN, now)
    graph.got.clear()
    graph.at.clear()
    graph.taken, graph.keeps = 0, False
    process, began = psutil.Process(), monotonic()
    thirds: list[float] = []

    async def handed() -> int:
        is_a_third = graph.taken >= count // 3 or monotonic() - began >= within_s / 3
        if is_a_third and not thirds:
            thirds.append(process.memory_info().rss)
        return graph.taken

    async def queued() -> float:
        while await _count(stage, "SELECT count(*) FROM reminders"):
            await stage.bus.call(SendReminders(), timeout_s=120)
        return monotonic() - began

    queueing = asyncio.create_task(queued())
    while await handed() < count and monotonic() - began < within_s:  # noqa: ASYNC110 - memory is sampled
        await asyncio.sleep(0.05)
    took_s, taken = monotonic() - began, graph.taken
    grown = (process.memory_info().rss - thirds[0]) / _MIB
    twice = "SELECT count(*) FROM deliveries WHERE template = 'appointment_reminder' AND attempts > 1"
    assert await _count(stage, twice) == 0
    queued_s = await queueing
    graph.keeps = True
    return _Morning(queued_s, taken, took_s, grown)


async def _count(stage: Stage, query: str) -> int:
    async with stage.running["notification"].host.db.read() as tx:
        return int((await tx.connection.exec_driver_sql(query)).scalar_one())


def _most_in_a_second(instants: list[float]) -> int:
    """The most requests that lie in any second, wherever it begins."""
    ordered = sorted(instants)
    return max(bisect_left(ordered, at + 1.0) - place for place, at in enumerate(ordered))


async def _within_limits(stage: Stage, outside: Providers) -> AsyncGenerator[Figure]:
    found = await _morning(stage, outside, REMINDERS, within_s=150)
    assert found.handed == REMINDERS
    most = _most_in_a_second(outside.graph.at)
    name = f"{REMINDERS:,} reminders due at nine, all with the provider in, at 80/s"
    yield Figure("Messages", name, found.took_s, "s", 120, f"{found.per_s:.0f}/s")
    yield Figure("Messages", "the most that came to the provider in any second", most, "", 80)


def _percentiles(found: list[float]) -> tuple[float, float, float]:
    cuts = statistics.quantiles(found, n=100)
    return cuts[49], cuts[94], cuts[98]
