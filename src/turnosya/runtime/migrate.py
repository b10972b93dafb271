"""Roles, databases, tables and Redis users of the services; what `turnosya migrate` does.

The runtime's own tables and a service's are two histories in one database, each with its own
version table, so that neither waits for the other.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import asyncpg
from sqlalchemy import URL, text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from turnosya.runtime.database import asyncpg_url

if TYPE_CHECKING:
    from turnosya.runtime.history import History

_RUNTIME = "turnosya.runtime.migrations"
# One migration at a time in a database, whoever starts it.
_LOCK = 0x6D69_6772_6174


class DataIsNewer(Exception):
    """A database has a revision that this program does not know; the text says what to do."""

    def __init__(self, package: str, revision: str) -> None:
        service = package.split(".")[-2]
        super().__init__(
            f"The data of {service} were written by a newer TurnosYa (revision {revision}):"
            " run that version or a later one."
        )


def _files(package: str) -> Path:
    return Path(str(files(package))) / "versions"


def _version_table(package: str) -> str:
    return "runtime_version" if package == _RUNTIME else "service_version"


def head_of(package: str) -> str:
    """The newest revision in ``package``: its files are numbered in their order."""
    return _revision_in(max(_files(package).glob("[0-9]*.py")))


def _revision_in(file: Path) -> str:
    found = re.search(r'^revision = "(.+)"$', file.read_text(), re.MULTILINE)
    assert found is not None, f"{file} names its revision"  # noqa: S101 - our own files
    return found[1]


def _is_known(package: str, revision: str) -> bool:
    return any(_revision_in(file) == revision for file in _files(package).glob("[0-9]*.py"))


async def is_current(connection: AsyncConnection, package: str) -> bool:
    """Whether the database has the newest revision of the runtime and of ``package``.

    Raises ``DataIsNewer`` when it has one that is not ours.
    """
    current = True
    for part in (_RUNTIME, package):
        query = f"SELECT version_num FROM {_version_table(part)}"  # noqa: S608 - one of two constants
        try:
            found = (await connection.execute(text(query))).scalar()
        except ProgrammingError:
            await connection.rollback()
            return False
        if found != head_of(part):
            if found is not None and not _is_known(part, found):
                raise DataIsNewer(package, found)
            current = False
    return current


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
        await connection.run_sync(_history(package).downgrade, to)
        await connection.commit()


async def _run(url: str, package: str, to: str) -> None:
    async with _connected(asyncpg_url(url)) as connection:
        if to == "head" and await is_current(connection, package):
            return
        await connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": _LOCK})
        await connection.commit()
        for part in (_RUNTIME, package):
            await connection.run_sync(_history(part).upgrade, to if part == package else "head")
            await connection.commit()


def _history(package: str) -> History:
    # Here and not above: Alembic takes a tenth of a whole start to import, and most starts migrate nothing.
    from turnosya.runtime.history import History  # noqa: PLC0415

    return History(_files(_RUNTIME).parent, _files(package), _version_table(package))


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
