"""Public holidays of a country, as the ``holidays`` library knows them."""

from __future__ import annotations

from datetime import date
from functools import cache, lru_cache

import holidays

from turnosya.services.turnos import zones


def country_of_business(address_country: str | None, zone_name: str) -> str | None:
    """The country whose holidays a business keeps: its address's, else its zone's, else none (rule R8)."""
    return address_country.upper() if address_country else zones.country_of(zone_name)


def is_holiday(country: str | None, day: date) -> bool:
    """Whether ``day`` is a public holiday of the whole country; never in a country nobody knows."""
    return country is not None and day in _of_year(country, day.year)


@lru_cache(maxsize=512)
def _of_year(country: str, year: int) -> frozenset[date]:
    # The first year of a country costs some 50 ms, hence kept for the life of the process.
    if country not in _supported():
        return frozenset()
    found = holidays.country_holidays(country, years=year)
    return frozenset(day for day in found if day.year == year)


@cache
def _supported() -> frozenset[str]:
    return frozenset(holidays.list_supported_countries(include_aliases=False))
