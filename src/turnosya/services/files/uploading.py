"""An upload from its first byte to its row: received, recognised, decoded, kept, and only then told of.

A kill at any point leaves a file in the spool or objects that no row names; `tending` removes both.
"""

from __future__ import annotations

import asyncio
import hashlib
import shutil
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, cast, get_args
from uuid import UUID, uuid4

from turnosya.contracts.business import GetBusiness
from turnosya.contracts.chat import GetMembership
from turnosya.contracts.files import Purpose
from turnosya.runtime.bus import deadline_in
from turnosya.runtime.clock import real_now
from turnosya.runtime.field_errors import wrong_field
from turnosya.runtime.ids import new_id
from turnosya.runtime.messages import NotFound, Unavailable, invalid
from turnosya.services.files import kinds, receiving, store
from turnosya.services.files.decoding.wire import REFUSED, Made, Order
from turnosya.services.files.refusals import (
    NOT_YOUR_BUSINESS,
    NOT_YOUR_CONVERSATION,
    FileCorrupt,
    FileTypeRefused,
)
from turnosya.services.files.store import Blob, File

if TYPE_CHECKING:
    from turnosya.services.files.context import Files

# From the end of the body on: an upload that took two minutes gets as long as any other.
_AFTER_S = 30.0
_TRIES = 3
_VARIANT_TYPE = kinds.WEBP


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an upload says of itself."""

    purpose: Purpose
    business_id: UUID | None
    conversation_id: UUID | None


async def upload(files: Files, owner_id: UUID, body: AsyncIterator[bytes], content_type: str) -> File:
    """Keeps a file of somebody's.

    Raises what `receiving.receive` does, Invalid for fields that make no sense, FileTypeRefused, FileCorrupt.
    """
    folder = files.spool / uuid4().hex
    await asyncio.to_thread(folder.mkdir)
    try:
        received = await receiving.receive(body, content_type, folder / "upload")
        wanted = _wanted(received.fields)
        with deadline_in(_AFTER_S):
            kind = kinds.recognised(received.head)
            if not kinds.is_taken(kind, wanted.purpose):
                raise FileTypeRefused
            await _check_places(files, owner_id, wanted)
            return await make(files, owner_id, wanted, source=received.path, kind=cast("str", kind))
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


async def make(files: Files, owner_id: UUID, wanted: Wanted, *, source: Path, kind: str) -> File:
    """Keeps what is made of a file of this type, which lies in a folder of its own.

    Raises FileTypeRefused, FileCorrupt.
    """
    made = await _made(files, source, kind, source.parent)
    written = await asyncio.to_thread(_measured, made, kind)
    return await _keep(files, owner_id, wanted, _Work(made, written))


def _wanted(fields: Mapping[str, str]) -> Wanted:
    purpose = fields.get("purpose")
    if purpose is None:
        raise wrong_field("purpose", "missing")
    if purpose not in get_args(Purpose):
        raise wrong_field("purpose", "literal_error", expected=", ".join(get_args(Purpose)))
    return Wanted(
        cast("Purpose", purpose),
        business_id=_id(fields, "business_id"),
        conversation_id=_id(fields, "conversation_id"),
    )


def _id(fields: Mapping[str, str], name: str) -> UUID | None:
    value = fields.get(name)
    if value is None:
        return None
    try:
        return UUID(value)
    except ValueError:
        raise wrong_field(name, "uuid_parsing") from None


async def _check_places(files: Files, owner_id: UUID, wanted: Wanted) -> None:
    """Where it is said to be for, its uploader may put things; anywhere else does not exist."""
    if wanted.business_id is not None:
        try:
            business = await files.bus.call(GetBusiness(business_id=wanted.business_id))
        except NotFound:
            business = None
        if business is None or business.owner_id != owner_id:
            raise invalid("business_id", "unknown_business", NOT_YOUR_BUSINESS)
    if wanted.conversation_id is not None:
        asked = GetMembership(conversation_id=wanted.conversation_id, user_id=owner_id)
        if not (await files.bus.call(asked)).is_member:
            raise invalid("conversation_id", "unknown_conversation", NOT_YOUR_CONVERSATION)


async def _made(files: Files, source: Path, content_type: str, folder: Path) -> Made:
    made = await files.workshop.make(
        Order(str(source), content_type, str(folder), within_s=files.settings.files_decode_s)
    )
    if made == REFUSED:
        raise FileTypeRefused
    if isinstance(made, str):
        raise FileCorrupt
    return made


@dataclass(frozen=True, slots=True)
class _Work:
    """What was made of an upload, and by part where it lies and what would be kept of it."""

    made: Made
    written: Mapping[str, tuple[Path, Blob]]


async def _keep(files: Files, owner_id: UUID, wanted: Wanted, work: _Work) -> File:
    for _ in range(_TRIES):
        lying = await _stored(files, work.written)
        kept = lying.parts
        file = File(
            id=new_id(),
            owner_id=owner_id,
            purpose=wanted.purpose,
            business_id=wanted.business_id,
            conversation_id=wanted.conversation_id,
            width=work.made.width,
            height=work.made.height,
            blob=kept["main"],
            thumb=kept.get("thumb"),
            medium=kept.get("medium"),
            created_at=real_now(),
        )
        try:
            await _note(files, file, lying)
        except _Again:
            continue
        return file
    raise Unavailable


def _measured(made: Made, content_type: str) -> dict[str, tuple[Path, Blob]]:
    return {
        name: (path, _blob(path, content_type if name == "main" else _VARIANT_TYPE))
        for name, path in made.paths().items()
    }


def _blob(path: Path, content_type: str) -> Blob:
    """What would be kept of it, under a new key."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    key = f"{digest[:2]}/{digest}-{uuid4().hex[:12]}"
    return Blob(key, digest, path.stat().st_size, content_type)


@dataclass(frozen=True, slots=True)
class _Lying:
    """Where each part of an upload lies now, and which of these objects were written for it."""

    parts: Mapping[str, Blob]
    written: frozenset[str]


async def _stored(files: Files, work: Mapping[str, tuple[Path, Blob]]) -> _Lying:
    """What lies nowhere yet is written to the store."""
    async with files.db.read() as tx:
        known = await store.known_blobs(tx, [blob.sha256 for _, blob in work.values()])
    parts: dict[str, Blob] = {}
    written: set[str] = set()
    for name, (path, blob) in work.items():
        if blob.sha256 not in known:
            await files.objects.put(blob.key, path)
            # A small picture is its own variant: its content is written once.
            known[blob.sha256] = blob
            written.add(blob.key)
        parts[name] = known[blob.sha256]
    return _Lying(parts, frozenset(written))


class _Again(Exception):
    """Somebody kept, or deleted, one of its contents at this very moment."""


async def _note(files: Files, file: File, lying: _Lying) -> None:
    """Writes the row. Raises _Again, and nothing is written."""
    kept_until = file.created_at + timedelta(hours=files.settings.files_kept_hours)
    async with files.db.transaction() as tx:
        # In one order, so that two uploads of the same do not wait for each other.
        for blob in sorted(set(lying.parts.values()), key=lambda one: one.sha256):
            # An object that we did not write may have gone with its row: a new row would name nothing.
            if blob.key in lying.written:
                is_ours = await store.keep_blob(tx, blob) == blob.key
            else:
                is_ours = await store.hold_blob(tx, blob.key)
            if not is_ours:
                raise _Again
        await store.add(tx, file, kept_until=kept_until)
