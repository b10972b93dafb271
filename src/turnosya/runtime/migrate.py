"""Roles, databases, tables and Redis users of the services; what `turnosya migrate` does.

The runtime's own tables and a service's are two histories in one database, each with its own
version table, so that neither waits for the other.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from turnosya.runtime.database import asyncpg_url

_RUNTIME = "turnosya.runtime.migrations"
# One migration at a time in a database, whoever starts it.
_LOCK = 0x6D69_6772_6174


def _config(package: str) -> Config:
    config = Config()
    runtime = Path(str(files(_RUNTIME)))
    config.set_main_option("script_location", str(runtime))
    config.set_main_option("version_path_separator", "newline")
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", str(Path(str(files(package))) / "versions"))
    config.attributes["version_table"] = "runtime_version" if package == _RUNTIME else "service_version"
    return config


def head_of(package: str) -> str:
    """The newest revision in ``package``."""
    return ScriptDirectory.from_config(_config(package)).get_current_head() or ""


async def is_current(connection: AsyncConnection, package: str) -> bool:
    """Whether the database has the newest revision of the runtime and of ``package``."""
    for part in (_RUNTIME, package):
        table = _config(part).attributes["version_table"]
        try:
            found = (await connection.execute(text(f"SELECT version_num FROM {table}"))).scalar()  # noqa: S608 - one of two constants
        except ProgrammingError:
            await connection.rollback()
            return False
        if found != head_of(part):
            return False
    return True


@asynccontextmanager
async def _connected(url: URL) -> AsyncGenerator[AsyncConnection]:
    engine = create_async_engine(url, poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            yield connection
    finally:
        await engine.dispose()


async def upgrade(url: str, package: str, *, to: str = "head") -> None:
    """Brings one database up to date; does nothing where it is."""
    await _run(url, package, to)


async def downgrade(url: str, package: str, *, to: str = "base") -> None:
    """Takes the service's own tables back; the runtime's stay."""
    async with _connected(asyncpg_url(url)) as connection:
        config = _config(package)

        def run(sync: Connection) -> None:
            config.attributes["connection"] = sync
            command.downgrade(config, to)

        await connection.run_sync(run)
        await connection.commit()


async def _run(url: str, package: str, to: str) -> None:
    async with _connected(asyncpg_url(url)) as connection:
        if to == "head" and await is_current(connection, package):
            return
        await connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": _LOCK})
        await connection.commit()
        for part in (_RUNTIME, package):
            config = _config(part)
            target = to if part == package else "head"

            def run(sync: Connection, config: Config = config, target: str = target) -> None:
                config.attributes["connection"] = sync
                command.upgrade(config, target)

            await connection.run_sync(run)
            await connection.commit()


async def can_open(url: str) -> bool:
    """Whether a service's role can open its database: then there is nothing to prepare."""
    try:
        connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(
            _plain(asyncpg_url(url)), timeout=10
        )
    except (asyncpg.InvalidCatalogNameError, asyncpg.InvalidAuthorizationSpecificationError):
        return False
    await connection.close()
    return True


async def prepare_database(admin_url: str, own_url: str) -> None:
    """Makes the role and the database that ``own_url`` names, which nobody else may open.

    ``admin_url`` may make roles and databases on the same server; extensions that an ordinary role
    may not install are installed here.
    """
    own = asyncpg_url(own_url)
    if own.username is None or own.password is None or own.database is None:
        raise ValueError("a service's database address needs a user, a password and a database name")
    admin: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(
        _plain(asyncpg_url(admin_url)), timeout=10
    )
    try:
        role, database = _quoted(own.username), _quoted(own.database)
        password = await admin.fetchval("SELECT quote_literal($1)", own.password)
        exists = await admin.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", own.username)
        await admin.execute(f"{'ALTER' if exists else 'CREATE'} ROLE {role} LOGIN PASSWORD {password}")
        if not await admin.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", own.database):
            await admin.execute(f"GRANT {role} TO CURRENT_USER")
            await admin.execute(
                f"CREATE DATABASE {database} OWNER {role} TEMPLATE template0"
                " STRATEGY file_copy ENCODING 'UTF8'"
            )
        await admin.execute(f"REVOKE ALL ON DATABASE {database} FROM PUBLIC")
    finally:
        await admin.close()


def _plain(url: URL) -> str:
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def redis_user_rule(name: str, url: str) -> list[str]:
    """The words of ``ACL SETUSER`` that let a service reach its own keys and nothing else."""
    parts = urlsplit(url)
    return [
        "SETUSER",
        parts.username or name,
        "reset",
        # Redis 6.2 lets a new user into every channel.
        "resetchannels",
        "on",
        f">{parts.password or ''}",
        f"~{name}:*",
        f"&{name}:*",
        "+@all",
        "-@dangerous",
        "-@admin",
        "+info",
    ]
