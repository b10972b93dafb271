"""What a client would rather have, where somebody else has to choose a time for them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from zoneinfo import ZoneInfo

Daypart = Literal["morning", "afternoon", "evening"]
SameOrAny = Literal["same", "any"]

_NOON, _SIX = 12, 18


@dataclass(frozen=True, slots=True)
class Preferences:
    """Times that suit, None where all do; and whether another member may do it."""

    dayparts: tuple[Daypart, ...] | None = None
    weekdays: tuple[int, ...] | None = None
    staff: SameOrAny = "same"

    def suit(self, start_at: datetime, zone: ZoneInfo) -> bool:
        """Whether the client would like a start, by the wall clock of the business."""
        local = start_at.astimezone(zone)
        fits_part = not self.dayparts or daypart(local.hour) in self.dayparts
        return fits_part and (not self.weekdays or local.isoweekday() in self.weekdays)


def daypart(hour: int) -> Daypart:
    """Morning until 12, evening from 18."""
    if hour < _NOON:
        return "morning"
    return "afternoon" if hour < _SIX else "evening"
