"""Demonstration pictures, kept by the service's own commands."""

from __future__ import annotations

import asyncio
import shutil
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

from turnosya.contracts.files import FileFacts, GetFiles
from turnosya.services.files import kinds, reading, uploading
from turnosya.services.files.uploading import Wanted

if TYPE_CHECKING:
    from turnosya.services.files.context import Files


async def add_image(files: Files, owner_id: UUID, business_id: UUID, jpeg: bytes) -> FileFacts:
    """An image of a business, as if its owner had uploaded it; it has a week to be shown."""
    folder = files.spool / uuid4().hex
    await asyncio.to_thread(folder.mkdir)
    try:
        source = folder / "upload"
        await asyncio.to_thread(source.write_bytes, jpeg)
        wanted = Wanted("business_image", business_id=business_id, conversation_id=None)
        made = await uploading.make(files, owner_id, wanted, source=source, kind=kinds.JPEG)
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
    [facts] = (await reading.tell(files, GetFiles(ids=[made.id]))).items
    return facts
