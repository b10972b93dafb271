"""Who may read a file, and what others are told of it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from turnosya.contracts.chat import GetMembership
from turnosya.contracts.files import FileFacts, FileGone, FilesFound, GetFiles, SecurityNoted, path_of
from turnosya.runtime.clock import real_now
from turnosya.runtime.messages import NotFound
from turnosya.services.files import kinds, store
from turnosya.services.files.refusals import FileInUse
from turnosya.services.files.store import Blob, File

if TYPE_CHECKING:
    from turnosya.runtime.identity import Caller
    from turnosya.runtime.links import LinkTo
    from turnosya.services.files.context import Files

VARIANTS = ("thumb", "medium")
# From being asked for to being used: whoever shows it says so by an event, which an outage may hold up.
_TO_USE = timedelta(days=7)


async def find(files: Files, file_id: UUID, variant: str | None) -> tuple[File, Blob]:
    """An upload and what is served of it; NotFound if there is none, or no such variant."""
    async with files.db.read() as tx:
        file = await store.find(tx, file_id)
    blob = None if file is None else file.variant(variant)
    if file is None or blob is None:
        raise NotFound
    return file, blob


def is_public(file: File) -> bool:
    """Whether anybody may read it."""
    return file.purpose in kinds.PUBLIC


async def admit(files: Files, file: File, caller: Caller | None, link: tuple[LinkTo, str] | None) -> None:
    """Lets in who reads a private file as themselves, or by a link with its token, and has it in the audit.

    Raises NotFound, LinkNotValid for all others.
    """
    if link is not None:
        reader = UUID(files.links.subject_of(*link, now=real_now()))
    elif caller is not None and await _may_read(files, file, caller):
        reader = caller.user_id
    else:
        raise NotFound
    noted = SecurityNoted(
        kind="file_read", actor_id=reader, subject_id=file.owner_id, reason=file.purpose, at=real_now()
    )
    async with files.db.transaction() as tx:
        await tx.publish(noted)


async def _may_read(files: Files, file: File, caller: Caller) -> bool:
    if caller.user_id == file.owner_id or caller.is_admin:
        return True
    if file.purpose != "chat_attachment" or file.conversation_id is None:
        return False
    asked = GetMembership(conversation_id=file.conversation_id, user_id=caller.user_id)
    return (await files.bus.call(asked)).is_member


async def drop(files: Files, file_id: UUID, caller: Caller) -> None:
    """Deletes an upload of one's own; NotFound, and FileInUse while something shows it.

    An admin deletes anybody's, whatever shows it: those are told.
    """
    async with files.db.transaction() as tx:
        file = await store.find(tx, file_id)
        if file is None or not (caller.user_id == file.owner_id or caller.is_admin):
            raise NotFound
        if not caller.is_admin:
            if not await store.drop_if_unused(tx, file_id):
                raise FileInUse
            return
        for used_by in await store.drop(tx, file_id):
            await tx.publish(FileGone(file_id=file_id, by=used_by))
        await tx.publish(
            SecurityNoted(
                kind="file_deleted",
                actor_id=caller.user_id,
                subject_id=file.owner_id,
                reason=file.purpose,
                at=real_now(),
            )
        )


async def tell(files: Files, request: GetFiles) -> FilesFound:
    """Facts of those that exist; each stays for at least as long as it takes to use it."""
    async with files.db.transaction() as tx:
        await store.keep_until(tx, request.ids, real_now() + _TO_USE)
        found = await store.find_many(tx, request.ids)
    return FilesFound(items=[facts(files, file, request.reader_id) for file in found])


def facts(files: Files, file: File, reader_id: UUID | None) -> FileFacts:
    """What others may show of it; its links are for one reader, where it is private."""
    return FileFacts(
        id=file.id,
        owner_id=file.owner_id,
        purpose=file.purpose,
        business_id=file.business_id,
        conversation_id=file.conversation_id,
        content_type=file.blob.content_type,
        size_bytes=file.blob.size_bytes,
        sha256=file.blob.sha256,
        width=file.width,
        height=file.height,
        url=_url(files, file, None, reader_id),
        variants={name: _url(files, file, name, reader_id) for name in VARIANTS if file.variant(name)},
    )


def _url(files: Files, file: File, variant: str | None, reader_id: UUID | None) -> str:
    to = link_to(file.id, variant)
    if is_public(file) or reader_id is None:
        return to[1]
    expires_at = real_now() + timedelta(minutes=files.settings.files_link_minutes)
    return files.links.signed_path(to, str(reader_id), expires_at=expires_at)


def link_to(file_id: UUID, variant: str | None) -> LinkTo:
    """For reading (GET and HEAD) this one file, or this variant of it, alone."""
    path = path_of(file_id, variant)
    return f"files.read {path}", path
