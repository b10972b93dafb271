"""What somebody who was there thought of a business."""

from __future__ import annotations

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
