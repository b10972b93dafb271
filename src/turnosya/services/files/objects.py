"""Where the bytes of files lie: a folder, or a bucket of S3, Google or Azure, by obstore."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import obstore
import structlog
from obstore.exceptions import BaseError
from obstore.store import LocalStore, from_url

from turnosya.runtime.messages import Unavailable
from turnosya.services.files.settings import OPTIONS, FilesSettings

if TYPE_CHECKING:
    from obstore.store import ObjectStore

log = structlog.get_logger()

_CHUNK_BYTES = 256 * 1024
_RETRIES: dict[str, Any] = {"max_retries": 2, "retry_timeout": timedelta(seconds=10)}
_TIMES: dict[str, Any] = {"timeout": timedelta(seconds=30), "connect_timeout": timedelta(seconds=5)}
_PAGE = 1000
_TRIES = 5
# Another disk, a file system without links, one that has too many to this file.
_NO_LINKS = {errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK}


class Objects:
    """One store. Keys are made by us alone. Every failure of the store is ``Unavailable``."""

    def __init__(self, store: ObjectStore, folder: Path | None) -> None:
        self._store = store
        self._folder = folder

    @classmethod
    def at(cls, settings: FilesSettings, default: Path) -> Objects:
        """The store that is set, or a folder, made if absent."""
        url = settings.files_store_url
        if not url or url.startswith("file:"):
            folder = Path(url2pathname(urlsplit(url).path)) if url else default
            return cls(LocalStore(folder.absolute(), mkdir=True, automatic_cleanup=True), folder.absolute())
        options = OPTIONS.validate_json(settings.files_store_options.get_secret_value())
        is_plain = any("http://" in value for value in options.values())
        client = {**_TIMES, **({"allow_http": True} if is_plain else {})}
        return cls(from_url(url, config=options, client_options=client, retry_config=_RETRIES), None)  # type: ignore[call-overload]

    async def put(self, key: str, source: Path) -> None:
        """Keeps what lies in a file, which nobody changes any more, durably, whole or not at all."""
        async with _unavailable(key):
            if self._folder is None:
                await obstore.put_async(self._store, key, source)
                return
            path = self._folder / key
            if not await asyncio.to_thread(_linked, source, path):
                await obstore.put_async(self._store, key, source)
            await asyncio.to_thread(_sync, path, self._folder)

    @asynccontextmanager
    async def read(self, key: str, begin: int, end: int) -> AsyncGenerator[AsyncIterator[bytes]]:
        """Bytes ``begin`` to ``end`` (exclusive) in pieces. Unavailable if it is not there, too."""
        async with _unavailable(key):
            found = await obstore.get_async(self._store, key, options={"range": (begin, end)})
            yield _pieces(found.stream(min_chunk_size=_CHUNK_BYTES))

    async def delete(self, key: str) -> None:
        """Forgets one; nothing if it is not there."""
        try:
            await obstore.delete_async(self._store, key)
        except FileNotFoundError:
            return
        except (BaseError, OSError) as error:
            log.warning("object_store_away", why=type(error).__name__)
            raise Unavailable from error

    async def older_than(self, at: datetime) -> AsyncIterator[list[str]]:
        """Keys of all that was written before then, a page at a time."""
        pages = obstore.list(self._store, chunk_size=_PAGE)  # pyright: ignore[reportUnknownMemberType] - its other form
        while True:
            async with _unavailable("list"):
                try:
                    page = await anext(aiter(pages))
                except StopAsyncIteration:
                    return
            yield [one["path"] for one in page if one["last_modified"] < at]


async def _pieces(stream: Any) -> AsyncIterator[bytes]:  # noqa: ANN401 - obstore's, of buffers
    async for piece in stream:
        yield bytes(piece)


@asynccontextmanager
async def _unavailable(key: str) -> AsyncGenerator[None]:
    try:
        yield
    except (BaseError, OSError) as error:
        log.warning("object_store_away", why=type(error).__name__, key=key)
        raise Unavailable from error


def _linked(source: Path, path: Path) -> bool:
    """Gives the file a second name instead of copying it; False where the two lie on different disks.

    Ten mebibytes took obstore 40 ms to copy, on two cores in 2026-11.
    """
    for _ in range(_TRIES):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(source, path)
        except FileNotFoundError:
            # The folder was empty, and whoever deleted its last file took it away.
            continue
        except FileExistsError:
            # An upload that begins again, under a key that nobody else makes: it has been here.
            return True
        except OSError as error:
            if error.errno in _NO_LINKS:
                return False
            raise
        return True
    return False


def _sync(path: Path, root: Path) -> None:
    """What was written is on the disk, and so are the names that lead to it."""
    _sync_one(path)
    for folder in path.parents:
        _sync_one(folder)
        if folder == root:
            break


def _sync_one(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
