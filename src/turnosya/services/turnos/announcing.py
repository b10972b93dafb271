"""What people are told of a closed day and of what it offers them, and the jobs that end each offer."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from turnosya.contracts.jobs import Job, ScheduleRequested
from turnosya.contracts.turnos import (
    AppointmentProposed,
    AppointmentRestored,
    AppointmentUnplaced,
    BeginSecondRound,
    ExpireOffer,
    ProposalDeclined,
    ProposalExpired,
    WaitlistOffered,
)
from turnosya.runtime.messages import Event
from turnosya.services.turnos import telling
from turnosya.services.turnos.closure import Proposal
from turnosya.services.turnos.one_tap import AnswerAddresses
from turnosya.services.turnos.shops import Shop
from turnosya.services.turnos.turno import Turno


def proposed(
    turno: Turno, shop: Shop, proposal: Proposal, *, links: AnswerAddresses, reason: str | None
) -> list[Event]:
    """A turno whose time is closed, and the other time that is held for it."""
    member = next((one for one in shop.business.staff if one.id == proposal.staff_id), None)
    return [
        AppointmentProposed(
            appointment=telling.appointment(turno, shop),
            proposal_id=proposal.id,
            starts_at=proposal.starts_at,
            staff_name=member.name if member else "",
            expires_at=proposal.expires_at,
            reason=reason,
            links=links.of_proposal(proposal, choose_until=turno.expires_at),
        ),
        _expiring_later(proposal),
        *_lapsing(turno),
    ]


def unplaced(turno: Turno, shop: Shop, *, links: AnswerAddresses, reason: str | None) -> list[Event]:
    """A turno whose time is closed, and for which there is no other."""
    told = AppointmentUnplaced(
        appointment=telling.appointment(turno, shop),
        expires_at=_until(turno),
        reason=reason,
        links=links.to_choose(turno.id, _until(turno)),
    )
    return [told, *_lapsing(turno)]


def declined(turno: Turno, shop: Shop, *, links: AnswerAddresses) -> Event:
    """The client does not want what was offered."""
    return ProposalDeclined(
        appointment=telling.appointment(turno, shop),
        expires_at=_until(turno),
        links=links.to_choose(turno.id, _until(turno)),
    )


def expired(turno: Turno, shop: Shop, *, links: AnswerAddresses) -> Event:
    """Nobody answered."""
    return ProposalExpired(
        appointment=telling.appointment(turno, shop),
        expires_at=_until(turno),
        links=links.to_choose(turno.id, _until(turno)),
    )


def restored(turno: Turno, shop: Shop, *, actor_id: UUID) -> Event:
    """The day is open again."""
    return AppointmentRestored(appointment=telling.appointment(turno, shop), actor_id=actor_id)


def offered_to_waiting(held: Turno, shop: Shop, proposal: Proposal, *, links: AnswerAddresses) -> list[Event]:
    """A time has become free for somebody who waited."""
    told = WaitlistOffered(
        appointment=telling.appointment(held, shop),
        expires_at=proposal.expires_at,
        links=links.of_proposal(proposal, choose_until=None),
    )
    return [told, _expiring_later(proposal)]


def second_round_later(closure_id: UUID, at: datetime) -> ScheduleRequested:
    """The job that plans once more for who still waits in a closure, at the latest time asked for."""
    request = BeginSecondRound(closure_id=closure_id)
    return ScheduleRequested(job=Job.of(request, key=f"turnos.BeginSecondRound:{closure_id}", run_at=at))


def _until(turno: Turno) -> datetime:
    assert turno.expires_at is not None, "a proposed turno has its end"  # noqa: S101 - the table's own check
    return turno.expires_at


def _lapsing(turno: Turno) -> list[Event]:
    return [telling.lapsing_later(turno.id, _until(turno))]


def _expiring_later(proposal: Proposal) -> ScheduleRequested:
    request = ExpireOffer(proposal_id=proposal.id)
    key = f"turnos.ExpireOffer:{proposal.id}"
    return ScheduleRequested(job=Job.of(request, key=key, run_at=proposal.expires_at))
