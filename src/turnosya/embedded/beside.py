"""The PostgreSQL of an embedded run that another process has started, for commands beside it."""

from __future__ import annotations

import asyncio
import fcntl
from typing import TYPE_CHECKING

from turnosya.embedded.folder import DataFolder, EmbeddedError, why_not_writable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# Line 4 of postmaster.pid is the port (PostgreSQL, src/include/utils/pidfile.h).
_PORT_LINE = 3


class Beside:
    """What a running system on the same data folder uses."""

    def __init__(self, database_url: str, secrets: Mapping[str, str]) -> None:
        self.database_url = database_url
        self.secrets = secrets


async def running_beside(data_dir: Path, *, within_s: float = 30.0) -> Beside | None:
    """The database of the system that runs on ``data_dir``; None if none does.

    Waits for one that is still starting. Raises ``EmbeddedError`` if that does not end.
    """
    path = data_dir.absolute()  # noqa: ASYNC240 - asks for the working directory, no disk
    try:
        async with asyncio.timeout(within_s):
            while _is_locked(path):
                port = _port(path)
                if port is not None:
                    secrets = DataFolder(path).secrets()
                    url = f"postgresql://postgres:{secrets.postgres_password}@127.0.0.1:{port}/postgres"
                    return Beside(url, secrets.keys)
                await asyncio.sleep(0.1)
    except TimeoutError:
        message = f"The TurnosYa that runs on {path} has no database yet: try again when it says it is ready."
        raise EmbeddedError(message) from None
    return None


def _is_locked(path: Path) -> bool:
    try:
        with (path / "lock").open("rb") as lock:
            # Shared, so that two commands beside each other do not take one another for a running system.
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    except PermissionError as error:
        raise EmbeddedError(why_not_writable(path, error)) from error
    return False


def _port(path: Path) -> int | None:
    """The port of a postmaster that is ready, as its own file says it."""
    try:
        lines = (path / "postgres" / "postmaster.pid").read_text().splitlines()
    except OSError:
        return None
    is_ready = len(lines) > _PORT_LINE and lines[-1].strip() == "ready"
    return int(lines[_PORT_LINE]) if is_ready else None
