"""What somebody who was there thought of a business."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Rating:
    """One person's stars for one business."""

    id: UUID
    business_id: UUID
    user_id: UUID | None
    author_name: str | None
    stars: int
    comment: str | None
    reply: str | None
    replied_at: datetime | None
    created_at: datetime
    updated_at: datetime
    removed_at: datetime | None
    removed_reason: str | None


@dataclass(frozen=True, slots=True)
class Report:
    """That somebody says a rating should not be there, and why."""

    id: UUID
    rating_id: UUID
    user_id: UUID
    reason: str
    created_at: datetime


def average(counts: Sequence[int]) -> float | None:
    """Stars on average; None while nobody has said."""
    count = sum(counts)
    return sum(stars * times for stars, times in enumerate(counts, 1)) / count if count else None


def esteem(counts: Sequence[int]) -> float:
    """Stars on average as if three people more had given four: one five alone is not the best of all."""
    stars = sum(stars * times for stars, times in enumerate(counts, 1))
    return (12 + stars) / (3 + sum(counts))
