"""What availability costs: the engine alone, and slots through the gateway where agendas are full."""

import json
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random
from time import process_time
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg

from tests.bench.figures import Figure
from tests.bench.load import measure, request
from tests.flows.systems import Form, System, Zygote, a_system
from tests.servers import Servers
from turnosya.services.turnos.availability import Limits, Sought, Taken, free_starts
from turnosya.services.turnos.hours import Calendar, Hours, Week, WeeklyHours
from turnosya.services.turnos.windows import Window
from turnosya.tour.client import Api
from turnosya.tour.people import Person, Shop, open_shop, sign_up

ROUNDS, WITHIN_S = 40, 2.0
HALF_HOUR, DAY = timedelta(minutes=30), timedelta(days=1)
_ZONE = ZoneInfo("America/Argentina/Buenos_Aires")
_CUT = UUID(int=11)
# By members; the promise is of one month with 200 turnos each.
_ENGINE_MS = {1: 0.6, 10: 5.0, 50: 25.0}
_WEEK = [{"weekday": day, "start": "06:00", "end": "22:00"} for day in range(1, 8)]
_TURNOS_A_DAY = 60
# Of a large team, whose rows would take a minute to write.
_FEW_A_DAY = 12
# Quarters from 06:00 on; four of the 64 stay free, so that there is something to offer.
_FILL = """
    INSERT INTO appointments (
        id, business_id, client_id, service_id, staff_id, wants_any, status, session_id, seat, capacity,
        starts_at, ends_at, busy_from, busy_to, starts_on, utc_offset_s, overbooked,
        cancellation_notice_minutes, created_at, version, history)
    SELECT gen_random_uuid(), $1, gen_random_uuid(), $2, staff_id, true, $3, gen_random_uuid(), 1, 1,
           at, at + interval '15 min', at, at + interval '15 min',
           CAST(at AT TIME ZONE 'America/Argentina/Buenos_Aires' AS date), -10800, false,
           0, now(), 1, '[]'
    FROM unnest(CAST($4 AS uuid[])) AS staff_id, generate_series(0, $5) AS day,
         generate_series(0, $7 - 1) AS place,
         LATERAL (SELECT (CAST($6 AS date) + day + time '09:00') AT TIME ZONE 'UTC'
                         + (place + place / 15) * interval '15 min' AS at) AS placed
"""


def engine() -> Iterator[Figure]:
    """One month, a grid of 15 minutes, a service of 30, 200 turnos each; no input or output."""
    for members, promised in _ENGINE_MS.items():
        took = _engine_ms(members, 31)
        yield Figure("One connection", f"the engine, a month of {members}", took, "ms", promised)
    for days in (1, 62):
        for members in _ENGINE_MS:
            took = _engine_ms(members, days)
            yield Figure("One connection", f"the engine, {days} days of {members}", took, "ms")


def _engine_ms(members: int, days: int) -> float:
    chance, first = Random(1), date(2027, 6, 14)
    dates = [first + DAY * shift for shift in range(days)]
    week = Week(
        tuple(WeeklyHours(weekday, Hours(540, 1080)) for weekday in range(1, 7)), slot_step_minutes=15
    )
    staff_ids = tuple(UUID(int=number) for number in range(1, members + 1))
    sought = Sought(_CUT, staff_ids, HALF_HOUR)
    places = [(day, n) for day in dates if day.isoweekday() < 7 for n in range(18)]
    taken = [
        Taken(staff_id, _CUT, start_at, Window(start_at, start_at + HALF_HOUR))
        for staff_id in staff_ids
        for day, n in chance.sample(places, min(200 * days // 31, len(places)))
        for start_at in [datetime(day.year, day.month, day.day, 12, tzinfo=UTC) + n * HALF_HOUR]
    ]
    calendar = Calendar(_ZONE, week)
    now = datetime(2027, 6, 1, tzinfo=UTC)
    times: list[float] = []
    for _ in range(ROUNDS):
        began = process_time()
        free_starts(calendar, sought, taken, days=dates, limits=Limits(now, now))
        times.append((process_time() - began) * 1000)
    # The least of the CPU's own time: whatever else runs here only adds to it.
    return min(times)


@dataclass(frozen=True)
class _Full:
    """A business with members whose agendas are full, and who reads its slots."""

    shop: Shop
    reader: Person
    staff_ids: list[UUID]

    def asks(self, days: int, staff_id: UUID | None = None) -> Iterator[bytes]:
        """Endless questions for the slots of so many days from tomorrow on."""
        first = datetime.now(_ZONE).date() + DAY
        path = (
            f"/v1/turnos/businesses/{self.shop.id}/slots?service_id={self.shop.service.id}"
            f"&from={first}&to={first + DAY * (days - 1)}"
        )
        if staff_id is not None:
            path += f"&staff_id={staff_id}"
        while True:
            yield request("GET", path, token=self.reader.token)


async def agenda(servers: Servers, zygote: Zygote, folder: Path) -> AsyncGenerator[Figure]:
    """Slots of full agendas, read by one client through the gateway of a system in one process."""
    for figure in engine():
        yield figure
    folder = folder / "agenda"
    folder.mkdir()
    async with (
        a_system(Form.MEMORY, servers, zygote, folder, is_hurried=False) as system,
        Api(system.url) as api,
    ):
        owner = await sign_up(api, "Dueña")
        await owner.log_in("bench")
        for members in (1, 10, 50):
            full = await _full(system, owner, members)
            for days in (1, 31, 62):
                found = await measure(system.url, [full.asks(days)], status=200, within_s=WITHIN_S, warm=5)
                name = f"slots of {days} days, {members} members with {_turnos_a_day(members)} turnos a day"
                promised = 100 if (members, days) == (10, 31) else None
                yield Figure(
                    "One connection", f"{name}, p95", found.p95, "ms", promised, f"p50 {found.p50:.1f} ms"
                )
            if members == 1:
                async for figure in _one_day(system, full):
                    yield figure


async def _one_day(system: System, full: _Full) -> AsyncGenerator[Figure]:
    """One day of one member, before and after 100,000 turnos that are over."""
    member = full.staff_ids[0]
    for past in ("no", "100,000"):
        if past != "no":
            await _fill(
                system, full, status="completed", first=date(2020, 1, 1), days=100_000 // _TURNOS_A_DAY
            )
        found = await measure(system.url, [full.asks(1, member)], status=200, within_s=WITHIN_S, warm=20)
        name = f"slots of one day of one member, {past} turnos past"
        yield Figure("One connection", name, found.p50, "ms", 8, f"p95 {found.p95:.1f} ms")
        booked = await measure(system.url, [_bookings(full)], status=201, within_s=WITHIN_S, warm=3)
        yield Figure("One connection", f"booking, {past} turnos past", booked.p50, "ms", 8)


def _bookings(full: _Full) -> Iterator[bytes]:
    """Bookings of times that nobody else wants, far beyond what is full."""
    start_at = datetime.now(UTC).replace(hour=9, minute=0, second=0, microsecond=0) + timedelta(days=120)
    start_at += DAY * _days_used.pop()
    while True:
        body = {
            "business_id": str(full.shop.id),
            "service_id": str(full.shop.service.id),
            "starts_at": start_at.isoformat(),
        }
        yield request(
            "POST", "/v1/turnos/appointments", token=full.reader.token, body=json.dumps(body).encode()
        )
        start_at += timedelta(minutes=15)
        if start_at.hour == 0:
            start_at += timedelta(hours=9)


_days_used = [0, 400]


def _turnos_a_day(members: int) -> int:
    return _TURNOS_A_DAY if members <= 10 else _FEW_A_DAY


async def _full(system: System, owner: Person, members: int) -> _Full:
    policy = {"weekly": _WEEK, "slot_step_minutes": 15, "max_days_ahead": 1000, "observe_holidays": False}
    service = {"name": "Corte", "duration_minutes": 15}
    shop = await open_shop(owner, f"Local de {members}", services=(service,), schedule=policy)
    staff_ids = [shop.staff_id]
    for number in range(1, members):
        made = await owner.ask("POST", f"/v1/businesses/{shop.id}/staff", {"name": f"Colega {number}"})
        staff_ids.append(UUID(made.promised(201).answer["id"]))
    await system.until_settled()
    full = _Full(shop, owner, staff_ids)
    await _fill(system, full, status="confirmed", first=datetime.now(_ZONE).date() + DAY, days=64)
    return full


async def _fill(system: System, full: _Full, *, status: str, first: date, days: int) -> None:
    connection = await asyncpg.connect(system.databases["turnos"])
    try:
        shop = full.shop
        await connection.execute(
            _FILL,
            *(shop.id, shop.service.id, status, full.staff_ids, days - 1, first),
            _turnos_a_day(len(full.staff_ids)),
            timeout=120,
        )
        await connection.execute("ANALYZE appointments")
    finally:
        await connection.close()
