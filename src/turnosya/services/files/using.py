"""Who may use which file, and for how long one stays that nothing uses."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from turnosya.contracts.files import ClaimFiles, FileNotUsable, FileRemoved, FilesFound, GetFiles
from turnosya.contracts.users import FilesUsed
from turnosya.runtime.clock import real_now
from turnosya.services.files import store
from turnosya.services.files.state import File, facts_of

if TYPE_CHECKING:
    from turnosya.runtime.database import Transaction
    from turnosya.services.files.context import Files

UNUSED_FOR = timedelta(hours=24)
"""An upload that nothing uses by then is deleted."""
_CLAIMED_FOR = timedelta(hours=1)
_ASKED_AT_ONCE = 200


async def find(here: Files, request: GetFiles) -> FilesFound:
    """The facts of those that exist."""
    async with here.db.read() as tx:
        found = await store.find_many(tx, request.ids[:_ASKED_AT_ONCE])
    return FilesFound(files=[facts_of(found[one]) for one in request.ids if one in found])


async def claim(here: Files, request: ClaimFiles) -> FilesFound:
    """Keeps somebody's files for who is about to use them. Raises FileNotUsable."""
    wanted = sorted(set(request.ids))
    async with here.db.transaction() as tx:
        found = await store.lock_many(tx, wanted)
        if len(found) != len(wanted) or not all(_may_be_used(one, request) for one in found.values()):
            raise FileNotUsable
        await store.claim(
            tx,
            wanted,
            until=real_now() + _CLAIMED_FOR,
            business_id=request.business_id,
            conversation_id=request.conversation_id,
        )
    return FilesFound(files=[facts_of(found[one]) for one in request.ids])


def _may_be_used(file: File, request: ClaimFiles) -> bool:
    return (
        file.owner_id == request.owner_id
        and file.purpose == request.purpose
        and file.business_id in (None, request.business_id)
        and file.conversation_id in (None, request.conversation_id)
    )


async def follow(here: Files, event: FilesUsed) -> None:
    """Something uses these files, and no others, from now on."""
    async with here.db.transaction() as tx:
        await store.use(tx, event.place, event.file_ids)


async def remove(tx: Transaction, gone: Sequence[File]) -> None:
    """Deletes files whoever uses them, and tells those."""
    ids: list[UUID] = [one.id for one in gone]
    await store.lock_many(tx, ids)
    places = await store.places_of(tx, ids)
    await store.remove(tx, ids)
    for file in gone:
        await tx.publish(
            FileRemoved(
                file_id=file.id,
                purpose=file.purpose,
                owner_id=file.owner_id,
                places=places.get(file.id, []),
            )
        )
