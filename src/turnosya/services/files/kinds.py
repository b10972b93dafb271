"""What a file is by its first bytes, and what is taken for which purpose."""

from __future__ import annotations

from collections.abc import Mapping

from turnosya.contracts.files import Purpose

JPEG, PNG, WEBP, PDF = "image/jpeg", "image/png", "image/webp", "application/pdf"
HEAD_BYTES = 16
"""As many of the first bytes as decide."""

MAX_BYTES = 25 * 1024 * 1024
PUBLIC: frozenset[Purpose] = frozenset({"user_photo", "business_image"})
_IMAGES = frozenset({JPEG, PNG, WEBP})
_TAKEN: Mapping[Purpose, frozenset[str]] = {
    "user_photo": _IMAGES,
    "business_image": _IMAGES,
    "chat_attachment": _IMAGES | {PDF},
    "verification_document": _IMAGES | {PDF},
}


def recognised(head: bytes) -> str | None:
    """The media type of a file that begins so; None for all that is not taken at all."""
    if head.startswith(b"\xff\xd8\xff"):
        return JPEG
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return PNG
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return WEBP
    return PDF if head.startswith(b"%PDF-") else None


def is_taken(content_type: str | None, purpose: Purpose) -> bool:
    """Whether an upload of this type is taken for this purpose."""
    return content_type in _TAKEN[purpose]
