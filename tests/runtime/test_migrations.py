"""The migrations of each service: applied, taken back and applied again they make the same, as declared."""

import secrets
from collections.abc import AsyncGenerator
from importlib import import_module
from typing import Any

import asyncpg
import pytest

from tests.servers import Servers
from turnosya.app import SERVICES
from turnosya.runtime.migrate import downgrade, prepare_database, upgrade

WITH_TABLES = [name for name, service in SERVICES.items() if service.migrations]


async def _made(url: str) -> set[tuple[str, str]]:
    """Every column and index of a database, but Alembic's own."""
    connection: asyncpg.Connection[Any] = await asyncpg.connect(url)
    try:
        rows = await connection.fetch(
            """
            SELECT table_name || '.' || column_name AS name, data_type || ' ' || is_nullable AS what
            FROM information_schema.columns WHERE table_schema = 'public'
            UNION ALL SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'
            """
        )
    finally:
        await connection.close()
    return {(row["name"], row["what"]) for row in rows if not row["name"].startswith("alembic")}


@pytest.fixture
async def own(servers: Servers) -> AsyncGenerator[str]:
    """The address of a new database of a new role, without tables."""
    name = f"migrated_{secrets.token_hex(4)}"
    url = f"postgresql://{name}:secret@{servers.database_url.split('@')[-1].split('/')[0]}/{name}"
    await prepare_database(servers.database_url, url)
    yield url
    boss: asyncpg.Connection[Any] = await asyncpg.connect(servers.database_url)
    await boss.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    await boss.execute(f'DROP ROLE "{name}"')
    await boss.close()


@pytest.mark.parametrize("service", WITH_TABLES)
async def test_they_can_be_taken_back_and_made_again(own: str, service: str) -> None:
    migrations = SERVICES[service].migrations
    assert migrations is not None
    await upgrade(own, migrations)
    made = await _made(own)
    await downgrade(own, migrations)
    assert {one for one in await _made(own) if one in made} < made
    await upgrade(own, migrations)
    assert await _made(own) == made
    metadata: Any = import_module(f"turnosya.services.{service}.tables").metadata
    columns = {
        f"{table.name}.{column.name}" for table in metadata.tables.values() for column in table.columns
    }
    indexes = {index.name for table in metadata.tables.values() for index in table.indexes}
    assert columns | indexes <= {name for name, _ in made}


@pytest.mark.parametrize(
    "half_made",
    [
        ("chat", "0004", "messages_written_by", "messages (sender_id, id)"),
        ("users", "0002", "people_admins", "people (id) WHERE 'admin' = ANY(roles)"),
    ],
    ids=["chat", "users"],
)
async def test_an_index_that_a_killed_migration_left_half_made_is_made_anew(
    servers: Servers, own: str, half_made: tuple[str, str, str, str]
) -> None:
    service, before, index, of = half_made
    migrations = SERVICES[service].migrations
    assert migrations is not None
    await upgrade(own, migrations, to=before)
    # What PostgreSQL leaves of CREATE INDEX CONCURRENTLY whose session ended in the middle.
    boss: asyncpg.Connection[Any] = await asyncpg.connect(
        f"{servers.database_url.rsplit('/', 1)[0]}/{own.rsplit('/', 1)[1]}"
    )
    try:
        await boss.execute(f"CREATE INDEX {index} ON {of}")
        await boss.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = $1::regclass", index)
        await upgrade(own, migrations)
        assert await boss.fetchval("SELECT indisvalid FROM pg_index WHERE indexrelid = $1::regclass", index)
    finally:
        await boss.close()
