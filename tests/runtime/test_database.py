"""A service's database: away and back, waits that are bounded, and one that nobody else can open."""

import asyncio
import secrets
from typing import Any

import asyncpg
import pytest
from sqlalchemy import make_url, text
from sqlalchemy.exc import IntegrityError

from tests.runtime.bakeries import MIGRATIONS, a_service, column
from tests.runtime.processes import MESSAGING
from tests.servers import Servers
from tests.stage import a_bus, a_stage, a_transport, until
from turnosya.runtime import migrate
from turnosya.runtime.database import Database
from turnosya.runtime.messages import Unavailable

OVEN = a_service("oven")
_ONE = text("SELECT 1 AS one")


async def a_database(url: str, *, pool_size: int = 4) -> Database:
    return Database(
        url, a_bus(await a_transport({}, None), MESSAGING, source="oven"), name="oven", pool_size=pool_size
    )


def own_url(admin_url: str, name: str) -> str:
    own = make_url(admin_url).set(username=name, password=f"{name}-password", database=name)
    return own.render_as_string(hide_password=False)


@pytest.fixture(params=["15", "18"])
def admin_url(request: pytest.FixtureRequest, servers: Servers) -> str:
    """An administrator's address: Debian's PostgreSQL 15, and 18 of the wheel."""
    return servers.database_url if request.param == "15" else servers.embedded_database_url


@pytest.fixture
def name() -> str:
    return f"oven_{secrets.token_hex(4)}"


async def test_a_killed_postgresql_is_unavailable_and_when_it_is_back_all_goes_on(servers: Servers) -> None:
    with servers.private("postgres") as postgres:
        await migrate.prepare_database(postgres.url, own_url(postgres.url, "oven"))
        db = await a_database(own_url(postgres.url, "oven"))
        # Four sessions lie in the pool, and one is at work.
        await asyncio.gather(*(db.ready() for _ in range(4)))

        async def kill_in_the_middle() -> None:
            async with db.transaction() as tx:
                await tx.execute(text("SELECT 1"))
                await asyncio.to_thread(postgres.kill)
                await tx.execute(text("SELECT 1"))

        with pytest.raises(Unavailable):
            await kill_in_the_middle()
        assert not await db.ready()
        with pytest.raises(Unavailable):
            await kill_in_the_middle()
        await asyncio.to_thread(postgres.start)
        await until(db.ready, bool)
        assert all(await asyncio.gather(*(db.ready() for _ in range(8))))
        await db.close()


async def test_what_runs_at_once_outlives_a_killed_postgresql_too(servers: Servers) -> None:
    with servers.private("postgres") as postgres:
        await migrate.prepare_database(postgres.url, own_url(postgres.url, "oven"))
        db = await a_database(own_url(postgres.url, "oven"))
        await asyncio.gather(*(one(db) for _ in range(4)))
        await asyncio.to_thread(postgres.kill)
        with pytest.raises(Unavailable):
            await one(db)
        await asyncio.to_thread(postgres.start)
        await until(db.ready, bool)
        assert await asyncio.gather(*(one(db) for _ in range(8))) == [1] * 8
        await db.close()


async def test_who_comes_while_the_server_is_starting_is_told_that_it_is_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def starting(*_: object, **__: object) -> None:
        raise asyncpg.CannotConnectNowError("the database system is starting up")

    monkeypatch.setattr(asyncpg, "connect", starting)
    db = await a_database("postgresql://oven@127.0.0.1/oven")
    with pytest.raises(Unavailable):
        await one(db)
    assert not await db.ready()
    await db.close()


async def one(db: Database) -> int:
    """A look straight on the driver."""
    async with db.at_once() as statements:
        (row,) = await statements.rows(text("SELECT 1 AS n"), {})
    return int(row.n)


async def test_a_statement_that_is_cancelled_at_once_leaves_no_connection_that_is_in_between(
    servers: Servers,
) -> None:
    async with a_stage(servers, [OVEN]) as stage:
        db = await a_database(stage.urls["oven"], pool_size=1)
        waiting = text("SELECT pg_sleep(20)")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await db.write(waiting, {})
        assert await one(db) == 1
        # Who is refused by a constraint keeps its connection.
        pid = text("SELECT pg_backend_pid() AS pid")
        (before,) = await db.write(pid, {})
        with pytest.raises(asyncpg.NotNullViolationError):
            await db.write(text("INSERT INTO outbox (id) VALUES (NULL)"), {})
        assert await db.write(pid, {}) == [before]
        await db.close()


async def test_a_session_that_the_server_has_ended_is_replaced_before_it_is_used(servers: Servers) -> None:
    async with a_stage(servers, [OVEN]) as stage:
        db = await a_database(stage.urls["oven"], pool_size=1)
        assert await one(db) == 1
        lent = await db.engine.raw_connection()
        driver = lent.driver_connection
        lent.close()
        assert driver is not None
        other = await asyncpg.connect(stage.urls["oven"])
        await other.execute("SELECT pg_terminate_backend($1)", driver.get_server_pid())
        await other.close()
        await until(lambda: asyncio.sleep(0, bool(driver.is_closed())), bool)
        assert await one(db) == 1
        await db.close()


async def test_when_every_connection_is_taken_one_waits_and_when_none_comes_back_is_unavailable(
    servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_stage(servers, [OVEN]) as stage:
        db = await a_database(stage.urls["oven"], pool_size=2)
        monkeypatch.setattr(db.engine.sync_engine.pool, "_timeout", 0.1)
        async with db.transaction(), db.transaction():
            with pytest.raises(Unavailable):
                async with db.transaction():
                    pass
        assert await db.ready()
        await db.close()


async def test_a_lock_that_is_not_had_in_time_is_unavailable_and_not_a_defect(servers: Servers) -> None:
    async with a_stage(servers, [OVEN]) as stage:
        db = stage.running["oven"].host.db

        async def wait_in_vain() -> None:
            async with db.transaction() as tx:
                await tx.execute(text("SET LOCAL lock_timeout = '50ms'"))
                await tx.execute(text("SELECT pg_advisory_xact_lock(7)"))

        async with db.transaction() as tx:
            await tx.execute(text("SELECT pg_advisory_xact_lock(7)"))
            with pytest.raises(Unavailable):
                await wait_in_vain()


async def test_a_refused_row_is_told_without_what_was_in_it(servers: Servers) -> None:
    async with a_stage(servers, [OVEN]) as stage:
        db = stage.running["oven"].host.db

        async def write_twice() -> None:
            async with db.transaction() as tx:
                await tx.execute(text("CREATE UNIQUE INDEX once ON sold (by)"))
                for _ in range(2):
                    await tx.execute(text("INSERT INTO sold VALUES (1, :by)"), {"by": "+5491122334455"})

        with pytest.raises(IntegrityError) as caught:
            await write_twice()
        assert "+549" not in str(caught.value).partition("\n")[0]
        assert "parameters hidden" in str(caught.value)


async def test_a_read_is_what_was_committed_and_a_block_that_raises_writes_nothing(servers: Servers) -> None:
    async with a_stage(servers, [OVEN]) as stage:
        db = stage.running["oven"].host.db

        async def cancelled() -> None:
            async with db.transaction() as tx:
                await tx.execute(text("INSERT INTO sold VALUES (1, '')"))
                raise asyncio.CancelledError

        with pytest.raises(asyncio.CancelledError):
            await cancelled()
        assert await column(stage.running["oven"], "SELECT number FROM sold") == []


async def test_each_service_has_a_role_and_a_database_that_no_other_may_open(
    admin_url: str, name: str
) -> None:
    mine, theirs = own_url(admin_url, name), own_url(admin_url, f"{name}_other")
    assert not await migrate.can_open(mine)
    await migrate.prepare_database(admin_url, mine)
    await migrate.prepare_database(admin_url, theirs)
    await migrate.prepare_database(admin_url, mine)  # again changes nothing
    assert await migrate.can_open(mine)
    stranger = make_url(theirs).set(database=name).render_as_string(hide_password=False)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await asyncpg.connect(stranger)
    connection = await asyncpg.connect(mine)
    assert await connection.fetchval("SELECT rolsuper OR rolcreatedb OR rolcreaterole FROM pg_roles"
                                     " WHERE rolname = current_user") is False  # fmt: skip
    await connection.close()
    await _dropped(admin_url, name, f"{name}_other")


async def test_migrations_apply_roll_back_and_apply_again(admin_url: str, name: str) -> None:
    url = own_url(admin_url, name)
    await migrate.prepare_database(admin_url, url)
    await asyncio.gather(*(migrate.upgrade(url, MIGRATIONS) for _ in range(3)))
    assert {"outbox", "inbox", "kept_answers", "sold"} <= await _tables(url)
    await migrate.downgrade(url, MIGRATIONS)
    assert "sold" not in await _tables(url)
    assert "outbox" in await _tables(url)
    await migrate.upgrade(url, MIGRATIONS)
    assert "sold" in await _tables(url)
    await migrate.downgrade(url, "turnosya.runtime.migrations")
    assert not {"outbox", "inbox", "kept_answers"} & await _tables(url)
    await _dropped(admin_url, name)


async def _tables(url: str) -> set[str]:
    connection = await asyncpg.connect(url)
    try:
        return {
            row[0]
            for row in await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        }
    finally:
        await connection.close()


async def _dropped(admin_url: str, *names: str) -> None:
    connection = await asyncpg.connect(admin_url)
    try:
        for name in names:
            await connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
            await connection.execute(f'DROP ROLE "{name}"')
    finally:
        await connection.close()


async def test_a_service_is_not_ready_while_its_schema_is_behind_and_becomes_so_without_a_restart(
    servers: Servers,
) -> None:
    async with a_stage(servers, [OVEN]) as stage:
        url = stage.urls["oven"]
        await stage.take_off(stage.running["oven"])
        await migrate.downgrade(url, MIGRATIONS)
        oven = await stage.put_on(OVEN)
        async with stage.http("oven") as http:
            assert (await http.get("/healthz")).status_code == 200
            refused = await http.get("/readyz")
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "2")
            with pytest.raises(Unavailable):
                await stage.bus.ping("oven")
            await migrate.upgrade(url, MIGRATIONS)
            await until(lambda: http.get("/readyz"), lambda answer: answer.status_code == 200)
        assert await stage.bus.ping("oven") < 5
        assert oven.app is not None


async def test_a_service_whose_data_are_newer_than_it_is_alive_and_not_ready(servers: Servers) -> None:
    async with a_stage(servers, [OVEN]) as stage:
        url = stage.urls["oven"]
        await stage.take_off(stage.running["oven"])
        connection = await asyncpg.connect(url)
        await connection.execute("UPDATE service_version SET version_num = '0042'")
        with pytest.raises(migrate.DataIsNewer, match=r"newer TurnosYa \(revision 0042\)"):
            await migrate.upgrade(url, MIGRATIONS)
        await stage.put_on(OVEN)
        async with stage.http("oven") as http:
            assert (await http.get("/healthz")).status_code == 200
            assert (await http.get("/readyz")).status_code == 503
            await connection.execute(
                "UPDATE service_version SET version_num = $1", migrate.head_of(MIGRATIONS)
            )
            await until(lambda: http.get("/readyz"), lambda answer: answer.status_code == 200)
        await connection.close()


_FAREWELL_FIELDS = b"SFATAL\0VFATAL\0C57P01\0Mterminating connection due to administrator command\0\0"
_FAREWELL = b"E" + (4 + len(_FAREWELL_FIELDS)).to_bytes(4, "big") + _FAREWELL_FIELDS


@pytest.mark.parametrize("way", ["transaction", "read", "at once"])
async def test_a_connection_that_has_heard_the_server_end_is_unavailable_once_and_replaced(
    servers: Servers, name: str, way: str
) -> None:
    await migrate.prepare_database(servers.database_url, own_url(servers.database_url, name))
    db = await a_database(own_url(servers.database_url, name), pool_size=1)

    async def ask() -> int:
        if way == "at once":
            [row] = await db.write(_ONE, {})
            return int(row.one)
        async with db.transaction() if way == "transaction" else db.read() as tx:
            return int((await tx.execute(_ONE)).scalar_one())

    assert await ask() == 1
    taken = await db.engine.raw_connection()
    driver: Any = taken.driver_connection
    # What is still to come is the end of the socket, which a loop may see one turn later.
    driver._protocol.data_received(_FAREWELL)
    assert not driver.is_closed()
    taken.close()
    with pytest.raises(Unavailable):
        await ask()
    assert await ask() == 1
    await db.close()
