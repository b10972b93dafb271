"""A turno as it is stored, and the states it passes through."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid5

from turnosya.services.turnos.availability import Taken
from turnosya.services.turnos.windows import Window


class Status(StrEnum):
    """Where a turno stands. The first four hold their time, the last three are ends."""

    HELD = "held"
    PENDING = "pending"
    CONFIRMED = "confirmed"
    PROPOSED = "proposed"
    COMPLETED = "completed"
    NO_SHOW = "no_show"
    CANCELLED = "cancelled"


LIVE = (Status.HELD, Status.PENDING, Status.CONFIRMED, Status.PROPOSED)
ACTIVE = frozenset({Status.PENDING, Status.CONFIRMED, Status.PROPOSED})


class What(StrEnum):
    """What happened to a turno, as its history says it."""

    BOOKED = "booked"
    REQUESTED = "requested"
    CONFIRMED = "confirmed"
    MOVED = "moved"
    PROPOSED = "proposed"
    RESTORED = "restored"
    CANCELLED = "cancelled"
    DECLINED = "declined"
    EXPIRED = "expired"
    COMPLETED = "completed"
    NO_SHOW = "no_show"
    OVERBOOKED = "overbooked"
    ANCHORED = "anchored"
    COMING = "coming"
    """The client answered a reminder: they come."""


@dataclass(frozen=True, slots=True)
class Turno:
    """One row of ``appointments``. Price, length, buffers and cancellation window are as sold (R10)."""

    id: UUID
    business_id: UUID
    client_id: UUID | None
    client_name: str | None
    client_phone: str | None
    service_id: UUID
    service_ids: list[UUID] | None
    staff_id: UUID
    wants_any: bool
    """Booked without naming a member, so that another one may do it."""
    status: Status
    session_id: UUID
    seat: int
    capacity: int
    starts_at: datetime
    ends_at: datetime
    busy_from: datetime
    busy_to: datetime
    starts_on: date
    """The local date of the start, as the business's zone has it."""
    utc_offset_s: int
    """What the zone's rules said of the start when it was given; with it the wall time is known for ever."""
    overbooked: bool
    price_amount: int | None
    price_currency: str | None
    cancellation_notice_minutes: int
    note: str | None
    expires_at: datetime | None
    """When a held, pending or proposed one lapses."""
    for_appointment_id: UUID | None
    """For a held one that is an offer: the turno that it would move, or who waits for it."""
    hold_id: UUID | None
    """The hold that this turno was made of."""
    created_at: datetime
    version: int = 1
    history: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    series_id: UUID | None = None
    shifted_by_dst: bool = False
    """One of a series whose wall time does not exist on its date (R3)."""

    @property
    def span(self) -> Window:
        """Its time without buffers."""
        return Window(self.starts_at, self.ends_at)

    @property
    def completed_itself(self) -> bool:
        """Whether it is completed only because nobody has said anything else."""
        last = self.history[-1]
        return self.status is Status.COMPLETED and last["actor_id"] is None

    @property
    def taken(self) -> Taken:
        """The seat it takes, as the engine sees it."""
        return Taken(
            self.staff_id,
            None if self.service_ids else self.service_id,
            self.starts_at,
            Window(self.busy_from, self.busy_to),
            self.seat,
            is_held=self.status is Status.HELD,
        )

    def after(self, what: What, *, at: datetime, actor_id: UUID | None, reason: str | None = None) -> Turno:
        """The same turno with one more line of history: the next version."""
        line = history_line(what, at=at, actor_id=actor_id, reason=reason)
        return replace(self, version=self.version + 1, history=[*self.history, line])


def history_line(
    what: What, *, at: datetime, actor_id: UUID | None, reason: str | None = None
) -> dict[str, Any]:
    """One line of history, as stored."""
    actor = str(actor_id) if actor_id else None
    return {"at": at.isoformat(), "actor_id": actor, "what": what.value, "reason": reason}


def session_of(staff_id: UUID, service_id: UUID, starts_at: datetime) -> UUID:
    """The session of one member, service and start: the same for everyone who takes a seat in it (R9)."""
    return uuid5(staff_id, f"{service_id}{starts_at.timestamp():.6f}")


def busy_span(start_at: datetime, duration: timedelta, before: timedelta, after: timedelta) -> Window:
    """The time of a turno with its own buffers (R5)."""
    return Window(start_at - before, start_at + duration + after)
