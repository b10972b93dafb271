"""What becomes of a request to be verified, and when its owner is told that it ends."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal
from uuid import UUID
from zoneinfo import ZoneInfo

Status = Literal[
    "pending", "approved", "rejected", "expired", "revoked", "withdrawn", "superseded", "renamed"
]
What = Literal[
    "requested",
    "approved",
    "rejected",
    "reminded",
    "expired",
    "revoked",
    "withdrawn",
    "superseded",
    "renamed",
]
MAX_DOCUMENTS = 10

# A month to find the papers, and a week as the last word.
_REMINDERS = (timedelta(days=30), timedelta(days=7))
USES = "business.verification"


@dataclass(frozen=True, slots=True)
class Verification:
    """One request to be verified. Its documents are kept while it is asked or holds, and no longer."""

    id: UUID
    business_id: UUID
    status: Status
    documents: tuple[UUID, ...]
    reason: str | None
    """Why it was rejected or revoked."""
    created_at: datetime
    decided_at: datetime | None
    expires_at: datetime | None
    next_step_at: datetime | None
    """When somebody must be reminded, or it ends."""

    @property
    def by(self) -> str:
        """What files knows this use by."""
        return f"{USES}/{self.id}"


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happened to a request."""

    at: datetime
    what: What
    actor_id: UUID | None
    """Who did it; None where time did, or they erased their account."""
    reason: str | None


def day_in(timezone: str, at: datetime) -> date:
    """The date of an instant where the business is."""
    return at.astimezone(ZoneInfo(timezone)).date()


def end_of(now: datetime, holding_until: datetime | None, *, days: int) -> datetime:
    """Until when papers hold that are taken now: the days that are left of earlier ones are not lost.

    Of those no more than one term counts, so that many renewals reach no further than two.
    """
    term = timedelta(days=days)
    begins = now if holding_until is None else min(max(now, holding_until), now + term)
    return begins + term


def next_step(expires_at: datetime, now: datetime) -> datetime:
    """The next moment at which its owner is reminded, then that at which it ends."""
    return next((at for before in _REMINDERS if (at := expires_at - before) > now), expires_at)
