"""How words are compared in a search: without accents, in small letters, single spaces."""

from __future__ import annotations

import unicodedata


def sought(text: str) -> str:
    """``Peluquería  ÑANDÚ`` and ``peluqueria nandu`` are the same."""
    plain = "".join(one for one in unicodedata.normalize("NFKD", text) if not unicodedata.combining(one))
    return " ".join(plain.casefold().split())
