"""The word by which the page of a business is addressed: made of its name once, then it stays."""

from __future__ import annotations

import re
from uuid import UUID

from turnosya.services.business.sought import sought

_PARTS = re.compile(r"[a-z0-9]+")
_AT_MOST = 60


def slug_of(name: str) -> str:
    """``Barbería Ñandú & Cía.`` is ``barberia-nandu-cia``; empty for a name without letters of ours."""
    return "-".join(_PARTS.findall(sought(name)))[:_AT_MOST].strip("-")


def with_mark(slug: str, business_id: UUID) -> str:
    """The same for one that is not the first of that name, or has none."""
    return f"{slug or 'b'}-{business_id.hex[-8:]}"
