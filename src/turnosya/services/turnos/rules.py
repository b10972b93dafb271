"""Decisions about turnos: who may cancel until when, what lapses, what a change would strand."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from enum import Enum, auto
from uuid import UUID

from turnosya.services.turnos.hours import Calendar
from turnosya.services.turnos.turno import ACTIVE, Status, Turno

PENDING_FOR = timedelta(hours=24)
COMPLETES_AFTER = timedelta(hours=1)


class Verdict(Enum):
    """What becomes of an order to change the state of a turno."""

    DO = auto()
    DONE_ALREADY = auto()
    NOT_ACTIVE = auto()
    TOO_LATE = auto()
    TOO_EARLY = auto()


def cancellable_until(turno: Turno) -> datetime:
    """The last instant at which its client may still cancel or move it."""
    return turno.starts_at - timedelta(minutes=turno.cancellation_notice_minutes)


def may_cancel(turno: Turno, *, now: datetime, is_client: bool) -> Verdict:
    """The business may cancel what is active; the client only until the cancellation window closes."""
    if turno.status not in ACTIVE:
        return Verdict.NOT_ACTIVE
    return Verdict.TOO_LATE if is_client and now > cancellable_until(turno) else Verdict.DO


def may_confirm(turno: Turno) -> Verdict:
    """Only a request is confirmed; one that is confirmed already stays so."""
    if turno.status is Status.CONFIRMED:
        return Verdict.DONE_ALREADY
    return Verdict.DO if turno.status is Status.PENDING else Verdict.NOT_ACTIVE


def may_close(turno: Turno, outcome: Status, *, now: datetime) -> Verdict:
    """Whether a turno may become completed or no_show: confirmed ones, from their start on.

    One that completed itself is still the business's to correct.
    """
    if turno.status is outcome:
        return Verdict.DONE_ALREADY
    if turno.completed_itself:
        return Verdict.DO
    if turno.status is not Status.CONFIRMED:
        return Verdict.NOT_ACTIVE
    return Verdict.DO if now >= turno.starts_at else Verdict.TOO_EARLY


def pending_until(*, now: datetime, starts_at: datetime) -> datetime:
    """When a request lapses that nobody confirms (R16)."""
    return min(now + PENDING_FOR, starts_at)


def has_lapsed(turno: Turno, now: datetime) -> bool:
    """Whether one that is held, pending or to be moved is past its time."""
    waits = turno.status in (Status.HELD, Status.PENDING, Status.PROPOSED)
    return waits and turno.expires_at is not None and turno.expires_at <= now


def is_over(turno: Turno, now: datetime) -> bool:
    """Whether a confirmed one completes itself: it ended an hour ago, and nobody has said otherwise."""
    return turno.status is Status.CONFIRMED and turno.ends_at + COMPLETES_AFTER <= now


def stranded_by_hours(turnos: Iterable[Turno], *, before: Calendar, after: Calendar) -> list[Turno]:
    """Turnos that the new hours leave outside, though the old ones did not (R11).

    One that was outside before, set by force or kept at an earlier change, is not brought up again.
    """
    return [
        turno
        for turno in turnos
        if before.is_open(turno.staff_id, turno.span) and not after.is_open(turno.staff_id, turno.span)
    ]


def stranded_by_absence(
    turnos: Iterable[Turno], *, staff_ids: Collection[UUID], service_ids: Collection[UUID]
) -> list[Turno]:
    """Turnos of members who will not be there, or of services that will be gone (R11)."""
    return [
        turno
        for turno in turnos
        if turno.staff_id in staff_ids
        or not set(service_ids).isdisjoint(turno.service_ids or [turno.service_id])
    ]
