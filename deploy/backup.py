"""``python -m deploy.backup dump|restore|check FOLDER``: all databases of the system at one moment, and back.

``dump FOLDER --dated --keep 14`` makes a folder in it named after the moment, checks it, and then lets go of
all but the latest fourteen that are whole.

It reads the settings of the services: each ``TURNOSYA_<NAME>_DATABASE_URL`` and ``TURNOSYA_BROKER_URL``. To
restore also each ``TURNOSYA_<NAME>_REDIS_URL``, and the administrators' ``TURNOSYA_DATABASE_URL`` and
``TURNOSYA_REDIS_URL`` where the servers are new. It calls PostgreSQL's own ``pg_dump`` and ``pg_restore``.

One moment: an event lies in the outbox of who tells or in the inbox of who hears. Dumped one after the other,
it may be in neither. So for a moment nobody writes to any outbox, what was told is heard to its end, and all
databases are looked at together; the dumps are made of those looks, while everybody works on.
"""

import argparse
import asyncio
import hashlib
import json
import os
import re
import shutil
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import aio_pika
import asyncpg

from deploy.processes import store_setting, stores
from turnosya.app import queues
from turnosya.runtime.migrate import can_open, prepare_database
from turnosya.runtime.rabbit import nodes_of
from turnosya.runtime.redis import open_redis

_SEAL = "backup.json"
_DATED = re.compile(r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ")
# Bookings wait meanwhile: less than the 10 s after which PostgreSQL refuses who waits for a lock.
_STILL_WITHIN_S = 5.0
_LOOK_S = 0.1
_KEYS_AT_ONCE = 1000


class CannotBackUp(Exception):
    """What is missing or wrong, in one sentence."""


def addresses(kind: str) -> dict[str, str]:
    """The address of each service's store of this kind, from the settings."""
    found: dict[str, str] = {}
    for one, service in stores():
        if one == kind:
            name = store_setting(kind, service)
            if not os.environ.get(name):
                raise CannotBackUp(f"{name} is not set.")
            found[service] = os.environ[name]
    return found


# --- dump


async def dump(folder: Path, urls: Mapping[str, str], broker_url: str) -> None:
    """Writes ``NAME.dump`` for each database, and the seal last: a folder without it is no backup."""
    folder.mkdir(parents=True, mode=0o700)  # noqa: ASYNC240 - nothing else runs here
    async with AsyncExitStack() as stack:
        looks: dict[str, str] = {}
        async with _nobody_tells(urls):
            await _until_all_is_heard(broker_url)
            at = datetime.now(UTC)
            for name, url in urls.items():
                looks[name] = await stack.enter_async_context(_look(url))
        await asyncio.gather(*(_dump(folder, name, urls[name], look) for name, look in looks.items()))
    seal = {
        "at": at.isoformat(),
        "files": {f"{name}.dump": _digest(folder / f"{name}.dump") for name in urls},
    }
    (folder / _SEAL).write_text(json.dumps(seal, indent=2) + "\n")


@asynccontextmanager
async def _nobody_tells(urls: Mapping[str, str]) -> AsyncGenerator[None]:
    """While the block runs no event is stored or taken away: who tries waits."""
    async with AsyncExitStack() as stack:
        for url in urls.values():
            connection = await stack.enter_async_context(_connected(url))
            await stack.enter_async_context(connection.transaction())
            await connection.execute("SET LOCAL lock_timeout = '5s'")
            await connection.execute("LOCK TABLE outbox IN SHARE MODE")
        yield


async def _until_all_is_heard(broker_url: str) -> None:
    """What was told is in an inbox: twice nothing in any queue, for what was handed out is stored at once."""
    connection = await aio_pika.connect(nodes_of(broker_url)[0], timeout=10)
    async with connection, asyncio.timeout(_STILL_WITHIN_S):
        channel = await connection.channel()
        empty = 0
        while empty < 2:  # noqa: PLR2004 - twice
            waiting = 0
            for name in queues():
                queue = await channel.declare_queue(name, passive=True)
                waiting += queue.declaration_result.message_count or 0
            empty = 0 if waiting else empty + 1
            await asyncio.sleep(_LOOK_S)


@asynccontextmanager
async def _look(url: str) -> AsyncGenerator[str]:
    """A snapshot of one database that others can use while the block runs."""
    async with (
        _connected(url) as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        yield str(await connection.fetchval("SELECT pg_export_snapshot()"))


@asynccontextmanager
async def _connected(url: str) -> AsyncGenerator["asyncpg.Connection[Any]"]:
    connection: asyncpg.Connection[Any] = await asyncpg.connect(url, timeout=10)
    try:
        yield connection
    finally:
        await connection.close()


async def _dump(folder: Path, name: str, url: str, look: str) -> None:
    await _run(
        "pg_dump", "--format=custom", "--no-owner", "--no-acl", f"--snapshot={look}",
        f"--file={folder / name}.dump", f"--dbname={url}",
    )  # fmt: skip


async def _run(*command: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await process.communicate()
    if process.returncode != 0:
        # Its words, not ours: the command line has a password in it.
        raise CannotBackUp(f"{command[0]}: {err.decode('utf-8', 'replace').strip()}")
    return out.decode()


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# --- check and restore


async def check(folder: Path) -> datetime:
    """Whether every file is there, as it was written, and PostgreSQL can read it; when it was made."""
    path = folder / _SEAL
    if not path.exists():
        raise CannotBackUp(f"{folder} has no {_SEAL}: it was not finished.")
    seal = json.loads(path.read_text())
    for name, digest in seal["files"].items():
        file = folder / name
        if not file.exists() or _digest(file) != digest:
            raise CannotBackUp(f"{name} is missing or not as it was written.")
        await _run("pg_restore", "--list", str(file))
    return datetime.fromisoformat(seal["at"])


async def restore(
    folder: Path,
    urls: Mapping[str, str],
    redis_urls: Mapping[str, str],
    *,
    broker_url: str,
    admin_url: str | None,
) -> None:
    """Puts everything back into empty databases, and empties what would speak of a later time.

    Nothing of the system may run. Sessions end: everybody signs in again.
    """
    await check(folder)
    for url in urls.values():
        await _make(url, admin_url)
    await _forget_queues(broker_url)
    for name, url in redis_urls.items():
        await _forget_keys(name, url)
    await asyncio.gather(*(_restore(folder, name, url) for name, url in urls.items()))


async def _make(url: str, admin_url: str | None) -> None:
    if not await can_open(url):
        if admin_url is None:
            raise CannotBackUp("A role or database is not there: set TURNOSYA_DATABASE_URL to make it.")
        await prepare_database(admin_url, url)
    async with _connected(url) as connection:
        if await connection.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"):
            raise CannotBackUp("A database is not empty: restore into new ones.")


async def _forget_queues(broker_url: str) -> None:
    """What waits there was told after the backup, or is in it; `turnosya migrate` makes the queues again."""
    connection = await aio_pika.connect(nodes_of(broker_url)[0], timeout=10)
    async with connection:
        channel = await connection.channel()
        for name in queues():
            await channel.queue_delete(name)


async def _forget_keys(service: str, url: str) -> None:
    client = open_redis(url)
    try:
        found = cast("AsyncIterator[bytes]", client.scan_iter(match=f"{service}:*", count=_KEYS_AT_ONCE))  # pyright: ignore[reportUnknownMemberType]
        async for key in found:
            await client.unlink(key)
    finally:
        await client.aclose()


async def _restore(folder: Path, name: str, url: str) -> None:
    await _run(
        "pg_restore", "--no-owner", "--no-acl", "--no-comments", "--exit-on-error", "--single-transaction",
        f"--dbname={url}", str(folder / f"{name}.dump"),
    )  # fmt: skip


def dated(parent: Path, now: datetime) -> Path:
    """Where a backup of this moment lies among others."""
    return parent / f"{now.astimezone(UTC):%Y-%m-%dT%H-%M-%SZ}"


def let_go(parent: Path, keep: int) -> list[Path]:
    """Deletes all but the latest ``keep`` that were finished, and what was begun before and was not."""
    ours = sorted((one for one in parent.iterdir() if _DATED.fullmatch(one.name)), reverse=True)
    finished = [one for one in ours if (one / _SEAL).exists()][:keep]
    gone = [one for one in ours if one not in finished and finished and one.name < finished[0].name]
    for one in gone:
        shutil.rmtree(one)
    return gone


async def _carry_out(order: str, folder: Path, *, keep: int | None) -> None:
    if order == "check":
        sys.stdout.write(f"The backup of {(await check(folder)).isoformat()} is whole.\n")
        return
    broker_url, urls = os.environ.get("TURNOSYA_BROKER_URL"), addresses("postgres")
    if not broker_url:
        raise CannotBackUp("TURNOSYA_BROKER_URL is not set.")
    if order == "dump":
        await dump(folder, urls, broker_url)
        if keep is not None:
            await check(folder)
            let_go(folder.parent, keep)
    else:
        admin_url = os.environ.get("TURNOSYA_DATABASE_URL")
        # Of a new Redis only its administrator is known: there our users come with `turnosya migrate`.
        of_admin = os.environ.get("TURNOSYA_REDIS_URL")
        redis_urls = {name: of_admin or url for name, url in addresses("redis").items()}
        await restore(folder, urls, redis_urls, broker_url=broker_url, admin_url=admin_url)
        sys.stdout.write("Restored. Now `turnosya migrate`, then start everything.\n")


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(prog="python -m deploy.backup", description=__doc__)
    parser.add_argument("order", choices=["dump", "restore", "check"])
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--dated", action="store_true", help="dump into a folder in it, named after the moment"
    )
    parser.add_argument("--keep", type=int, metavar="N", help="with --dated: let go of all but the latest N")
    asked = parser.parse_args()
    if asked.dated and asked.order != "dump":
        parser.error("--dated goes with dump")
    if asked.keep is not None and (asked.keep < 1 or not asked.dated):
        parser.error("--keep goes with --dated, and keeps one at least")
    folder = dated(asked.folder, datetime.now(UTC)) if asked.dated else asked.folder
    try:
        asyncio.run(_carry_out(asked.order, folder, keep=asked.keep))
    except (CannotBackUp, OSError, asyncpg.PostgresError, TimeoutError) as error:
        sys.exit(f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
