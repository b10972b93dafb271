"""What files decides by: a content, and the file that somebody made of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from turnosya.contracts.files import FileFacts, Purpose, Variants, Visibility

PUBLIC_PURPOSES: frozenset[Purpose] = frozenset({"user_photo", "business_image"})
Part = Literal["original", "thumb", "medium"]
"""Which of a content's stored objects."""


@dataclass(frozen=True, slots=True)
class Content:
    """Bytes in the store, under names that begin with ``id``."""

    id: UUID
    source_sha256: bytes
    sha256: bytes
    content_type: str
    size_bytes: int
    width: int | None
    height: int | None
    thumb_bytes: int | None
    medium_bytes: int | None

    def parts(self) -> tuple[Part, ...]:
        """What lies in the store of it."""
        return ("original",) if self.thumb_bytes is None else ("original", "thumb", "medium")

    def size_of(self, part: Part) -> int | None:
        """Bytes of one part; None if there is no such part."""
        return {"original": self.size_bytes, "thumb": self.thumb_bytes, "medium": self.medium_bytes}[part]

    def type_of(self, part: Part) -> str:
        """The media type of one part: smaller copies are WebP."""
        return self.content_type if part == "original" else "image/webp"


@dataclass(frozen=True, slots=True)
class File:
    """One upload of one person."""

    id: UUID
    content: Content
    purpose: Purpose
    owner_id: UUID
    business_id: UUID | None
    conversation_id: UUID | None
    created_at: datetime

    @property
    def visibility(self) -> Visibility:
        """Whether everybody who has the address may see it."""
        return "public" if self.purpose in PUBLIC_PURPOSES else "private"


def path_of(file_id: UUID, part: Part = "original") -> str:
    """Where the gateway serves it."""
    return f"/v1/files/{file_id}" if part == "original" else f"/v1/files/{file_id}/{part}"


def facts_of(file: File) -> FileFacts:
    """A file as other services know it."""
    content = file.content
    has_variants = content.thumb_bytes is not None
    return FileFacts(
        id=file.id,
        purpose=file.purpose,
        visibility=file.visibility,
        owner_id=file.owner_id,
        content_type=content.content_type,
        size_bytes=content.size_bytes,
        sha256=content.sha256.hex(),
        width=content.width,
        height=content.height,
        url=path_of(file.id),
        variants=Variants(
            thumb=path_of(file.id, "thumb") if has_variants else None,
            medium=path_of(file.id, "medium") if has_variants else None,
        ),
    )
