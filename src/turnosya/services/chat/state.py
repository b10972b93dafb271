"""What chat decides by: a business as it knows it, a conversation, a message."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

Kind = Literal["person", "automatic", "system"]
Side = Literal["client", "business"]


@dataclass(frozen=True, slots=True)
class Shop:
    """A business, and who reads and writes for it: its owner and the members with an account."""

    id: UUID
    version: int
    name: str
    timezone: str
    owner_id: UUID
    people: frozenset[UUID]
    is_open: bool
    """Neither closed for good nor suspended."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """One client and one business."""

    id: UUID
    shop: Shop
    client_id: UUID
    client_name: str | None
    last_seq: int
    version: int
    """Rises with everything that happens in it."""
    state_version: int
    """The one with which it was last opened, blocked or unblocked, its client renamed or somebody erased."""
    last_at: datetime
    created_at: datetime
    away_told_at: datetime | None
    dropped_seq: int
    """Up to there messages are kept no longer."""

    @property
    def members(self) -> frozenset[UUID]:
        """Who may read it."""
        return self.shop.people | {self.client_id}

    def unread_after(self, read_seq: int) -> int:
        """How many messages come after what somebody has read, of those that are there."""
        return self.last_seq - max(read_seq, self.dropped_seq)

    def side_of(self, user_id: UUID) -> Side | None:
        """Which side somebody is on; who is both writes as the client. None is a stranger."""
        if user_id == self.client_id:
            return "client"
        return "business" if user_id in self.shop.people else None


@dataclass(frozen=True, slots=True)
class Line:
    """A message, or a line of the system."""

    id: UUID
    conversation_id: UUID
    seq: int
    sender_id: UUID | None
    kind: Kind
    text: str | None
    facts: Mapping[str, Any] | None
    client_message_id: str | None
    sent_at: datetime


@dataclass(frozen=True, slots=True)
class NewLine:
    """The same before it has a number."""

    kind: Kind
    sender_id: UUID | None = None
    text: str | None = None
    facts: Mapping[str, Any] | None = None
    client_message_id: str | None = None


@dataclass(frozen=True, slots=True)
class Mark:
    """How far one member has come."""

    user_id: UUID
    read_seq: int
    delivered_seq: int
    read_version: int
    """That of the conversation when ``read_seq`` last rose; the other likewise."""
    delivered_version: int


@dataclass(frozen=True, slots=True)
class Listed:
    """A conversation as one of its members sees it in a list."""

    conversation: Conversation
    read_seq: int
    last: Line | None

    @property
    def unread(self) -> int:
        """How many messages they have not read."""
        return self.conversation.unread_after(self.read_seq)


@dataclass(frozen=True, slots=True)
class ShopSettings:
    """What a business set for its conversations."""

    greeting: str | None = None
    away_message: str | None = None
    quick_replies: tuple[str, ...] = ()
    keep_days: int | None = None
    """None: for ever."""
