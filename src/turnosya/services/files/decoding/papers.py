"""A document as it is served: checked, and left as it is. Names of objects are those of ISO 32000."""

from __future__ import annotations

import os
from pathlib import Path

import pikepdf

from turnosya.services.files.decoding.wire import CORRUPT, REFUSED, Made, Order

MAX_PAGES = 200
# What runs, opens or sends something, and what carries other files.
_ACTIONS = {
    "/JavaScript",
    "/Launch",
    "/SubmitForm",
    "/ImportData",
    "/GoToE",
    "/RichMediaExecute",
    "/Rendition",
}
_KEYS = {"/JS", "/JavaScript", "/EmbeddedFiles", "/EmbeddedFile", "/RichMedia", "/XFA"}
_DEPTH = 50
_TYPES = {"/EmbeddedFile", "/Filespec"}


def made(order: Order) -> Made | str:
    """The document in the order's folder, or why not."""
    try:
        with pikepdf.open(order.source) as found:
            if found.is_encrypted or any(_is_active(one) for one in found.objects):
                return REFUSED
            if not 1 <= len(found.pages) <= MAX_PAGES:
                return CORRUPT
    except pikepdf.PasswordError:
        return REFUSED
    except (pikepdf.PdfError, OSError, ValueError, MemoryError, RecursionError):
        return CORRUPT
    main = Path(order.folder) / "main.pdf"
    os.link(order.source, main)
    return Made(str(main))


def _is_active(thing: pikepdf.Object, depth: int = 0) -> bool:
    if depth > _DEPTH:
        return True
    if isinstance(thing, pikepdf.Array):
        return any(_is_direct(one) and _is_active(one, depth + 1) for one in thing)
    if not isinstance(thing, pikepdf.Dictionary | pikepdf.Stream):
        return False
    members = {str(key): value for key, value in thing.items()}
    if not _KEYS.isdisjoint(members):
        return True
    if str(members.get("/S")) in _ACTIONS or str(members.get("/Type")) in _TYPES:
        return True
    return any(_is_direct(value) and _is_active(value, depth + 1) for value in members.values())


def _is_direct(thing: object) -> bool:
    # An indirect one is met by itself among the objects of the file.
    return isinstance(thing, pikepdf.Object) and not thing.is_indirect
