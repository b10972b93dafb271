"""Time zones by name, and the country of a zone, both from the pinned ``tzdata`` package.

The machine's own zone files are never asked, so that two machines offer the same slots.
"""

from __future__ import annotations

from functools import cache, lru_cache
from importlib import resources
from zoneinfo import ZoneInfo


class UnknownZone(LookupError):
    """No IANA zone has this name."""


@lru_cache(maxsize=1024)
def zone(name: str) -> ZoneInfo:
    """The IANA zone called ``name``; raises UnknownZone."""
    if name not in _names():
        raise UnknownZone(name)
    source = resources.files("tzdata").joinpath("zoneinfo", *name.split("/"))
    with source.open("rb") as stream:
        return ZoneInfo.from_file(stream, key=name)


def country_of(zone_name: str) -> str | None:
    """ISO 3166 code of the zone's country by ``zone.tab``, None for a zone that is not in it."""
    return _countries().get(zone_name)


@cache
def _names() -> frozenset[str]:
    return frozenset(resources.files("tzdata").joinpath("zones").read_text("utf-8").split())


@cache
def _countries() -> dict[str, str]:
    table = resources.files("tzdata").joinpath("zoneinfo", "zone.tab").read_text("utf-8")
    rows = (line.split("\t") for line in table.splitlines() if line and not line.startswith("#"))
    return {row[2]: row[0] for row in rows}
