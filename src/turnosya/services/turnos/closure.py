"""A closure as it is stored, the offers it makes, and what becomes of each turno that it affects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Literal
from uuid import UUID

from turnosya.services.turnos.windows import Window


class Outcome(StrEnum):
    """What became of an affected turno; the first two may still change."""

    PROPOSED = "proposed"
    WAITING = "waiting"
    MOVED = "moved"
    CANCELLED = "cancelled"
    KEPT = "kept"


UNDECIDED = (Outcome.PROPOSED, Outcome.WAITING)


class Why(StrEnum):
    """Why an affected turno waits, or was kept."""

    TO_BE_PLANNED = "planning"
    """A change has just stranded it, or taken away what it was offered."""
    NO_PLACE = "no_place"
    MOVED_TWICE = "moved_twice"
    DECLINED = "declined"
    EXPIRED = "expired"
    REOPENED = "reopened"
    CLOSED_AGAIN = "closed_again"
    """Another closure has taken it over."""


IN_SECOND_ROUND = (Why.NO_PLACE, Why.DECLINED, Why.EXPIRED)


@dataclass(frozen=True, slots=True)
class PlanNote:
    """What a plan was worth: proved to be the best, or how far from it at most, and which limit ended it."""

    status: Literal["proved", "limit"]
    limit: Literal["work", "time"] | None
    gap_percent: float | None
    """By how much it may cost more than the best; None where even more might be placed."""
    placed: int
    placed_at_most: int
    """No plan places more."""


class ProposalStatus(StrEnum):
    """Where an offer stands; only an open one holds its time."""

    OPEN = "open"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Closing:
    """One row of ``closures``."""

    id: UUID
    business_id: UUID
    starts_at: datetime
    ends_at: datetime
    staff_id: UUID | None
    reason: str | None
    reschedule: str
    horizon_days: int
    closed_by: UUID
    created_at: datetime
    reopened_at: datetime | None = None
    """Since when it closes nothing. One that stands for a change of hours or members never did."""
    plan: Mapping[str, Any] | None = None
    """The latest ``PlanNote``, as JSON."""
    second_round_at: datetime | None = None
    """When those who still waited were planned for once more."""

    @property
    def span(self) -> Window:
        """The time that is closed."""
        return Window(self.starts_at, self.ends_at)


@dataclass(frozen=True, slots=True)
class AffectedTurno:
    """One row of ``affected``; time and member are those of the offer or the move."""

    closure_id: UUID
    appointment_id: UUID
    outcome: Outcome
    starts_at: datetime | None = None
    staff_id: UUID | None = None
    reason: str | None = None
    status_before: str = "confirmed"
    answered: bool = False


@dataclass(frozen=True, slots=True)
class Proposal:
    """One row of ``proposals``: a time that is held for somebody until they answer."""

    id: UUID
    business_id: UUID
    appointment_id: UUID | None
    waiting_id: UUID | None
    client_id: UUID | None
    staff_id: UUID
    starts_at: datetime
    ends_at: datetime
    expires_at: datetime
    status: ProposalStatus
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Waiting:
    """One row of ``waiting``; the dates are local, inclusive."""

    id: UUID
    business_id: UUID
    client_id: UUID | None
    service_id: UUID
    staff_id: UUID | None
    first_on: date
    last_on: date
    appointment_id: UUID | None
    created_at: datetime
