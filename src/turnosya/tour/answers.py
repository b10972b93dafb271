"""Answers of the public API, as far as this client reads them. Unknown fields are ignored."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Challenge(_Answer):
    """A code is on its way."""

    challenge_id: UUID
    channel: str
    destination: str
    expires_in: int
    resend_after: int


class Tokens(_Answer):
    """A session."""

    access_token: str
    refresh_token: str
    expires_in: int
    refresh_expires_in: int
    session_id: UUID
    user_id: UUID


class Profile(_Answer):
    """One's own profile."""

    id: UUID
    phone: str
    name: str
    locale: str


class Business(_Answer):
    """A business's profile."""

    id: UUID
    name: str
    timezone: str


class Offer(_Answer):
    """A service of a business."""

    id: UUID
    name: str
    duration_minutes: int


class Member(_Answer):
    """Someone who attends."""

    id: UUID
    name: str
    user_id: UUID | None


class Staff(_Answer):
    """Those who attend."""

    items: list[Member]


class Slot(_Answer):
    """A start that can be booked."""

    starts_at: datetime
    ends_at: datetime
    staff_id: UUID | None
    remaining: int


class Slots(_Answer):
    """Starts that can be booked."""

    timezone: str
    slots: list[Slot]


class HistoryLine(_Answer):
    """Something that happened to a turno."""

    at: datetime
    actor_id: UUID | None
    what: str
    reason: str | None


class Turno(_Answer):
    """An appointment."""

    id: UUID
    status: str
    business_id: UUID
    service_id: UUID
    staff_id: UUID
    client_id: UUID | None
    starts_at: datetime
    ends_at: datetime
    history: list[HistoryLine]


class Turnos(_Answer):
    """A page of appointments."""

    items: list[Turno]
    next_cursor: str | None


class DevMessage(_Answer):
    """A message that would have been sent."""

    id: UUID
    channel: str
    to: str
    template: str
    subject: str
    body: str
    data: dict[str, Any]
    sent_at: datetime


class DevMessages(_Answer):
    """Messages, newest first."""

    items: list[DevMessage]
