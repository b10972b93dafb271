"""Conditional requests and ranges of RFC 9110, for content that never changes: pure, on header values."""

from __future__ import annotations

import re
from dataclasses import dataclass

_ONE = re.compile(
    r"bytes[ \t]*=[ \t]*(?:(\d{1,18})[ \t]*-[ \t]*(\d{1,18})?|-[ \t]*(\d{1,18}))[ \t]*\Z", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Whole:
    """All of it: no range was asked for, or one that need not be served (§14.2)."""


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes ``begin`` to ``end``, exclusive."""

    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Unsatisfiable:
    """Asked for what lies beyond its end (§15.5.17)."""


def wanted(
    range_header: str | None, if_range: str | None, *, etag: str, size: int
) -> Whole | Part | Unsatisfiable:
    """What to serve of ``size`` bytes. Several ranges, and units that are not bytes, get the whole."""
    if range_header is None or (if_range is not None and if_range.strip() != etag):
        return Whole()
    found = _ONE.match(range_header.strip())
    if found is None:
        return Whole()
    first, last, suffix = found.groups()
    if suffix is not None:
        count = min(int(suffix), size)
        return Part(size - count, size) if count else Unsatisfiable()
    begin = int(first)
    if last is not None and int(last) < begin:
        return Whole()
    if begin >= size:
        return Unsatisfiable()
    return Part(begin, size if last is None else min(int(last) + 1, size))


def is_expected(if_match: str | None, etag: str) -> bool:
    """Whether it is what the caller named (§13.1.1, strong comparison), or they named nothing."""
    return if_match is None or bool({"*", etag} & {tag.strip() for tag in if_match.split(",")})


def is_known(if_none_match: str | None, etag: str) -> bool:
    """Whether the caller has it already (§13.1.2, weak comparison)."""
    if if_none_match is None:
        return False
    tags = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    return "*" in tags or etag in tags
