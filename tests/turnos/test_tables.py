"""The database itself refuses what must never be, on each server that we run on (R9, R14)."""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from tests.servers import Servers
from turnosya.runtime.ids import new_id
from turnosya.runtime.migrate import prepare_database, upgrade

pytestmark = pytest.mark.asyncio(loop_scope="module")
MIGRATIONS = "turnosya.services.turnos.migrations"
BUSINESS, ANA, BETO, CLIENT = new_id(), new_id(), new_id(), new_id()
SOON = datetime(2027, 6, 14, 15, tzinfo=UTC)


@pytest_asyncio.fixture(params=["debian", "wheel"], scope="module", loop_scope="module")
async def tables(request: pytest.FixtureRequest, servers: Servers) -> AsyncGenerator[asyncpg.Connection[Any]]:
    """The tables of turnos, made by a role that may do no more than its own."""
    admin = servers.database_url if request.param == "debian" else servers.embedded_database_url
    name = f"tables_{secrets.token_hex(4)}"
    host = admin.split("@")[-1].split("/")[0]
    own = f"postgresql://{name}:secret@{host}/{name}"
    await prepare_database(admin, own)
    await upgrade(own, MIGRATIONS)
    connection: asyncpg.Connection[Any] = await asyncpg.connect(own)
    yield connection
    await connection.close()
    boss: asyncpg.Connection[Any] = await asyncpg.connect(admin)
    await boss.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    await boss.execute(f'DROP ROLE "{name}"')
    await boss.close()


@pytest_asyncio.fixture(loop_scope="module")
async def db(tables: asyncpg.Connection[Any]) -> asyncpg.Connection[Any]:
    """The same, empty."""
    await tables.execute("TRUNCATE appointments")
    return tables


async def put(db: asyncpg.Connection[Any], start: str, end: str, **changes: object) -> object:
    """One turno of Ana's on Monday, for nobody twice unless said; answers its id."""
    turno: dict[str, object] = {
        "id": new_id(),
        "business_id": BUSINESS,
        "client_id": new_id(),
        "service_id": new_id(),
        "staff_id": ANA,
        "status": "confirmed",
        "session_id": new_id(),
        "seat": 1,
        "capacity": 1,
        "overbooked": False,
        "for_appointment_id": None,
        "expires_at": None,
    } | changes
    rest = ("wants_any", "cancellation_notice_minutes", "version", "history", "starts_on", "created_at")
    columns = [*turno, *rest]
    values = ", ".join(f"${place}" for place in range(1, len(turno) + 1))
    times = ", ".join(f"'2027-06-14T{time}Z'" for time in (start, end, start, end))
    await db.execute(
        f"INSERT INTO appointments ({', '.join(columns)}, starts_at, ends_at, busy_from, busy_to)"  # noqa: S608 - our own names
        f" VALUES ({values}, false, 0, 1, '[]', '2027-06-14', now(), {times})",
        *turno.values(),
    )
    return turno["id"]


async def refused_by(db: asyncpg.Connection[Any], start: str, end: str, **changes: object) -> str:
    """The constraint that refuses such a turno; empty if none does."""
    try:
        await put(db, start, end, **changes)
    except asyncpg.IntegrityConstraintViolationError as error:
        return str(error.constraint_name)
    return ""


async def test_a_member_is_never_in_two_sessions(db: asyncpg.Connection[Any]) -> None:
    await put(db, "10:00", "11:00")
    assert await refused_by(db, "10:59", "12:00") == "appointments_staff_once"
    assert (
        await refused_by(db, "10:15", "10:30", status="pending", expires_at=SOON) == "appointments_staff_once"
    )
    assert await refused_by(db, "11:00", "12:00") == ""
    assert await refused_by(db, "10:00", "11:00", staff_id=BETO) == ""
    assert await refused_by(db, "10:00", "11:00", status="cancelled") == ""
    assert await refused_by(db, "10:00", "11:00", overbooked=True) == ""


async def test_a_seat_is_never_given_twice(db: asyncpg.Connection[Any]) -> None:
    session = {"session_id": new_id(), "capacity": 2}
    await put(db, "10:00", "11:00", **session)
    assert await refused_by(db, "10:00", "11:00", **session) == "appointments_seat_once"
    assert await refused_by(db, "10:00", "11:00", **session, seat=2) == ""
    assert await refused_by(db, "10:00", "11:00", **session, seat=3) == "appointments_seat_exists"


async def test_a_client_is_never_in_two_places_of_one_business(db: asyncpg.Connection[Any]) -> None:
    turno = await put(db, "10:00", "11:00", client_id=CLIENT)
    mine = {"client_id": CLIENT, "staff_id": BETO}
    assert await refused_by(db, "10:30", "11:30", **mine) == "appointments_client_once"
    offer = {"status": "held", "expires_at": SOON, "for_appointment_id": turno}
    assert await refused_by(db, "10:30", "11:00", **mine, **offer) == ""
    assert await refused_by(db, "11:00", "11:30", **mine) == ""
    assert await refused_by(db, "10:00", "10:30", **mine | {"staff_id": new_id()}, business_id=new_id()) == ""


async def test_what_lapses_has_an_end_and_somebody_is_the_client(db: asyncpg.Connection[Any]) -> None:
    assert await refused_by(db, "10:00", "11:00", status="held") == "appointments_lapse"
    assert await refused_by(db, "10:00", "11:00", client_id=None) == "appointments_have_a_client"


async def test_two_can_be_swapped_in_one_transaction(db: asyncpg.Connection[Any]) -> None:
    first, second = await put(db, "10:00", "11:00"), await put(db, "11:00", "12:00")
    moved = (
        "UPDATE appointments SET starts_at = starts_at + $1, ends_at = ends_at + $1,"
        " busy_from = busy_from + $1, busy_to = busy_to + $1 WHERE id = $2"
    )
    hour = timedelta(hours=1)
    async with db.transaction():
        await db.execute("SET CONSTRAINTS ALL DEFERRED")
        await db.execute(moved, hour, first)
        await db.execute(moved, -hour, second)
    with pytest.raises(asyncpg.ExclusionViolationError):
        await db.execute(moved, hour, second)
