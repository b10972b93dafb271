"""A picture that a business shows: one for its profile, one as its portrait, and those of its gallery."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

Single = Literal["profile_image", "portrait_image"]
"""The places that have one picture: beside the name, and across the top."""
Place = Literal[Single, "gallery"]

MAX_GALLERY = 30


@dataclass(frozen=True, slots=True)
class Picture:
    """A file of the owner's at a place of the business. Another file there is another picture."""

    id: UUID
    file_id: UUID
    width: int | None
    """Pixels of the file."""
    height: int | None
    created_at: datetime
    caption: str | None = None
    position: int = 0
    """Where in the gallery it stands, the least first."""

    @property
    def by(self) -> str:
        """What files knows this one use by."""
        return f"{USES}/{self.id}"


USES = "business.picture"
