"""What shows files: heard from whoever shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from turnosya.contracts.files import FileGone, FileReleased, FileUsed
from turnosya.runtime.clock import real_now
from turnosya.services.files import store

if TYPE_CHECKING:
    from turnosya.services.files.context import Files

log = structlog.get_logger()


async def changed(files: Files, event: FileUsed | FileReleased) -> None:
    """One function for both, so that one inbox line keeps them in order for each file."""
    async with files.db.transaction() as tx:
        if isinstance(event, FileReleased):
            await store.release(tx, event.file_id, event.by, kept_until=real_now())
        elif not await store.use(tx, event.file_id, event.by, event.conversation_id):
            # Its owner deleted it meanwhile, or was erased: whoever shows it shows nothing.
            log.warning("used_file_is_gone", file_id=str(event.file_id))
            await tx.publish(FileGone(file_id=event.file_id, by=event.by))
