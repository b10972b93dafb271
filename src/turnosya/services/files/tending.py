"""Deletes what nothing uses: uploads, objects, and what a kill has left in the store and the spool."""

from __future__ import annotations

import asyncio
import shutil
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from turnosya.contracts.files import Tend
from turnosya.runtime.clock import real_now
from turnosya.runtime.messages import Nothing
from turnosya.services.files import store

if TYPE_CHECKING:
    from datetime import datetime

    from turnosya.services.files.context import Files

log = structlog.get_logger()

_PAGE, _PAGES = 200, 50
# No upload takes as long: what is older and unknown was left behind.
_LEFT_BEHIND = timedelta(hours=24)


async def tend(files: Files, _request: Tend) -> Nothing:
    """The job, each of whose steps may be cut off and done again."""
    now = real_now()
    dropped = await _drop_unused(files, now)
    deleted = await _delete_blobs(files)
    lost = await _delete_unknown(files, now - _LEFT_BEHIND)
    await asyncio.to_thread(_sweep, files.spool, now - _LEFT_BEHIND)
    log.info("files_tended", uploads=dropped, objects=deleted, left_behind=lost)
    return Nothing()


async def _drop_unused(files: Files, now: datetime) -> int:
    total = 0
    for _ in range(_PAGES):
        async with files.db.transaction() as tx:
            dropped = await store.drop_unused(tx, before=now, limit=_PAGE)
        total += dropped
        if dropped < _PAGE:
            break
    return total


async def _delete_blobs(files: Files) -> int:
    """The row first: an object that a row names is always there."""
    total = 0
    for _ in range(_PAGES):
        async with files.db.read() as tx:
            keys = await store.unused_blobs(tx, limit=_PAGE)
        for key in keys:
            async with files.db.transaction() as tx:
                is_gone = await store.drop_blob(tx, key)
            if is_gone:
                await files.objects.delete(key)
                total += 1
        if len(keys) < _PAGE:
            break
    return total


async def _delete_unknown(files: Files, before: datetime) -> int:
    total = 0
    async for page in files.objects.older_than(before):
        async with files.db.read() as tx:
            unknown = await store.unknown_keys(tx, page)
        for key in unknown:
            await files.objects.delete(key)
        total += len(unknown)
    return total


def _sweep(spool: Path, before: datetime) -> None:
    for folder in spool.iterdir():
        # An upload that has just ended took its own away.
        with suppress(FileNotFoundError):
            if folder.stat().st_mtime < before.timestamp():
                shutil.rmtree(folder, ignore_errors=True)
