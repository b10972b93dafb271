"""Single statements straight on the driver, on the pool's own connections, for the paths that are asked most.

SQLAlchemy's layers around one statement cost the process five times what the driver needs for it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import Any

import asyncpg
from sqlalchemy import Dialect, Executable
from sqlalchemy.dialects.postgresql import asyncpg as dialect
from sqlalchemy.ext.asyncio import AsyncEngine

_DIALECT: Dialect = dialect.dialect()  # type: ignore[no-untyped-call]


class Record(asyncpg.Record):
    """A row whose columns are attributes, as those of SQLAlchemy are."""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the column holds
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


async def fetch(engine: AsyncEngine, statement: Executable, values: Mapping[str, Any]) -> Sequence[Record]:
    """The rows of a statement that is a transaction of its own; raises the driver's errors.

    The statement is one made once, at import: what it compiles to is kept for it. ``values`` are what the
    driver takes, all of them.
    """
    sql, names = compiled(statement)
    async with _connection(engine) as connection:
        rows: list[Record] = await connection.fetch(
            sql, *(values[name] for name in names), record_class=Record
        )
    return rows


@asynccontextmanager
async def _connection(engine: AsyncEngine) -> AsyncGenerator[asyncpg.Connection[Record]]:
    """A connection of the pool; one that the server has closed meanwhile is replaced before it is used."""
    while True:
        taken = await _taken(engine)
        if not taken.driver_connection.is_closed():
            break
        taken.invalidate()
        taken.close()
    try:
        yield taken.driver_connection
    except asyncpg.PostgresError:
        raise
    except BaseException:
        # Cancelled or broken off: what it would answer next, nobody knows.
        taken.invalidate()
        raise
    finally:
        taken.close()


async def _taken(engine: AsyncEngine) -> Any:  # noqa: ANN401 - of the pool, with asyncpg's connection in it
    try:
        return await engine.raw_connection()
    except dialect.AsyncAdapt_asyncpg_dbapi.Error as error:
        # The pool's own name for what the driver said while it connected.
        if isinstance(error.__cause__, asyncpg.PostgresError | asyncpg.InterfaceError):
            raise error.__cause__ from error
        raise


@lru_cache(maxsize=1024)
def compiled(statement: Executable) -> tuple[str, tuple[str, ...]]:
    """The statement as the driver takes it, and the names of its values in their order."""
    clause: Any = statement
    made: Any = clause.compile(dialect=_DIALECT)
    return str(made), tuple(made.positiontup or ())
