"""Words of the file tests: what lies in a drawer, whose it is and what uses it."""

import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import cast
from uuid import UUID

import httpx
from sqlalchemy import text

from tests.stage import Stage
from turnosya.contracts.files import Purpose
from turnosya.contracts.users import FilesUsed
from turnosya.runtime.clock import real_now
from turnosya.runtime.ids import new_id
from turnosya.services.files import store, using
from turnosya.services.files.context import Files
from turnosya.services.files.state import Content, File


@dataclass
class Drawer:
    """The files service with nobody beside it."""

    stage: Stage
    http: httpx.AsyncClient

    @property
    def files(self) -> Files:
        """The open service."""
        return cast("Files", self.stage.running["files"].context)

    async def a_file(
        self,
        owner_id: UUID,
        *,
        purpose: Purpose = "user_photo",
        business_id: UUID | None = None,
        source: bytes | None = None,
    ) -> File:
        """Somebody uploaded a picture; nothing uses it yet."""
        digest = source or secrets.token_bytes(32)
        content = Content(new_id(), digest, digest, "image/jpeg", 9, 3, 2, 7, 8)
        async with self.files.db.transaction() as tx:
            await store.begin(tx, content.id)
            content = await store.keep_content(tx, content)
            file = File(new_id(), content, purpose, owner_id, business_id, None, real_now())
            await store.add(tx, file, drop_at=real_now() + using.UNUSED_FOR)
        return file

    async def uses(self, place: str, *files: File) -> None:
        """A thing uses these files from now on, and no others."""
        await using.follow(self.files, FilesUsed(place=place, file_ids=[one.id for one in files]))

    async def left_after(self, hours: float) -> set[UUID]:
        """The files that a sweep in so many hours leaves."""
        async with self.files.db.transaction() as tx:
            await store.drop_due(tx, real_now() + timedelta(hours=hours), limit=1000)
            return set((await tx.execute(text("SELECT id FROM files"))).scalars())
