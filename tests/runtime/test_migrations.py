"""The migrations of each service: applied, taken back and applied again they make the same, as declared."""

import secrets
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


@pytest.mark.parametrize("service", WITH_TABLES)
async def test_they_can_be_taken_back_and_made_again(servers: Servers, service: str) -> None:
    name = f"migrated_{secrets.token_hex(4)}"
    own = f"postgresql://{name}:secret@{servers.database_url.split('@')[-1].split('/')[0]}/{name}"
    migrations = SERVICES[service].migrations
    assert migrations is not None
    await prepare_database(servers.database_url, own)
    try:
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
    finally:
        boss: asyncpg.Connection[Any] = await asyncpg.connect(servers.database_url)
        await boss.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
        await boss.execute(f'DROP ROLE "{name}"')
        await boss.close()
