"""The SQL of closures and of the offers of other times."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, fields, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, delete, exists, func, insert, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from turnosya.runtime.database import Transaction
from turnosya.services.turnos.closure import (
    IN_SECOND_ROUND,
    UNDECIDED,
    AffectedTurno,
    Closing,
    Outcome,
    Proposal,
    ProposalStatus,
    Why,
)
from turnosya.services.turnos.tables import affected, appointments, closures, proposals
from turnosya.services.turnos.turno import Status

_CLOSING = [field.name for field in fields(Closing)]
_AFFECTED = [field.name for field in fields(AffectedTurno)]
_PROPOSAL = [field.name for field in fields(Proposal)]
_ENDED = (ProposalStatus.DECLINED, ProposalStatus.EXPIRED, ProposalStatus.WITHDRAWN)
_IN_ROUND = (affected.c.outcome == Outcome.WAITING, affected.c.reason.in_(IN_SECOND_ROUND))


async def add(tx: Transaction, closing: Closing, found: Sequence[AffectedTurno]) -> None:
    """Stores a closure with all that it affects."""
    await tx.execute(insert(closures).values(**asdict(closing)))
    if found:
        await tx.execute(insert(affected), [asdict(one) for one in found])


async def find(tx: Transaction, closure_id: UUID) -> Closing | None:
    """One closure."""
    row = (await tx.execute(select(closures).where(closures.c.id == closure_id))).first()
    return None if row is None else _closing(row)


async def in_force(tx: Transaction, business_ids: Sequence[UUID]) -> list[Closing]:
    """Closures of businesses that were not taken back, by start."""
    statement = select(closures).where(
        closures.c.business_id.in_(business_ids), closures.c.reopened_at.is_(None)
    )
    return [
        _closing(row) for row in await tx.execute(statement.order_by(closures.c.starts_at, closures.c.id))
    ]


async def reopen(tx: Transaction, closure_id: UUID, *, at: datetime) -> None:
    """Notes that it was taken back."""
    await tx.execute(update(closures).where(closures.c.id == closure_id).values(reopened_at=at))


async def affected_by(tx: Transaction, closure_id: UUID) -> list[AffectedTurno]:
    """What became of each turno, in the order of their first starts' ids."""
    rows = await tx.execute(
        select(affected).where(affected.c.closure_id == closure_id).order_by(affected.c.appointment_id)
    )
    return [_affected(row) for row in rows]


async def undecided_of(tx: Transaction, turno_id: UUID) -> AffectedTurno | None:
    """The closure for which a turno still needs another time, if one does."""
    statement = select(affected).where(
        affected.c.appointment_id == turno_id, affected.c.outcome.in_(UNDECIDED)
    )
    row = (await tx.execute(statement)).first()
    return None if row is None else _affected(row)


async def reason_for(tx: Transaction, turno_id: UUID) -> str | None:
    """Why the business closed at the time of a turno that still needs another."""
    statement = (
        select(closures.c.reason)
        .join(affected, affected.c.closure_id == closures.c.id)
        .where(affected.c.appointment_id == turno_id, affected.c.outcome.in_(UNDECIDED))
    )
    row = (await tx.execute(statement)).first()
    return None if row is None else row.reason


async def decide(tx: Transaction, turno_id: UUID, **values: Any) -> None:  # noqa: ANN401 - columns
    """Writes what became of a turno for which that was open."""
    await tx.execute(
        update(affected)
        .where(affected.c.appointment_id == turno_id, affected.c.outcome.in_(UNDECIDED))
        .values(**values)
    )


async def moves_of(tx: Transaction, turno_ids: Collection[UUID]) -> dict[UUID, int]:
    """How often closures have moved these turnos; those never moved are absent."""
    statement = (
        select(affected.c.appointment_id, func.count().label("moves"))
        .where(affected.c.appointment_id.in_(turno_ids), affected.c.outcome == Outcome.MOVED)
        .group_by(affected.c.appointment_id)
    )
    return {row.appointment_id: row.moves for row in await tx.execute(statement)}


async def begin_second_round(tx: Transaction, closure_id: UUID, *, at: datetime) -> UUID | None:
    """Notes that it begins, and answers whose closure that is.

    None if it has begun before, if somebody has an offer open, or if nobody waits who could be offered one.
    """
    waits = exists().where(affected.c.closure_id == closures.c.id, *_IN_ROUND)
    has_offer = exists().where(
        affected.c.closure_id == closures.c.id,
        proposals.c.appointment_id == affected.c.appointment_id,
        proposals.c.status == ProposalStatus.OPEN,
    )
    statement = (
        update(closures)
        .where(closures.c.id == closure_id, closures.c.second_round_at.is_(None), waits, ~has_offer)
        .values(second_round_at=at)
        .returning(closures.c.business_id)
    )
    row = (await tx.execute(statement)).first()
    return None if row is None else row.business_id


async def with_second_round_to_come(tx: Transaction, turno_id: UUID) -> list[UUID]:
    """Closures that affect a turno, in which somebody waits and nobody was planned for again yet."""
    mine, other = affected.alias(), affected.alias()
    waits = exists().where(
        other.c.closure_id == closures.c.id,
        other.c.outcome == Outcome.WAITING,
        other.c.reason.in_(IN_SECOND_ROUND),
    )
    statement = (
        select(closures.c.id)
        .join(mine, mine.c.closure_id == closures.c.id)
        .where(
            mine.c.appointment_id == turno_id,
            closures.c.reschedule == "propose",
            closures.c.second_round_at.is_(None),
            waits,
        )
    )
    return [row.id for row in await tx.execute(statement)]


async def note_plan(tx: Transaction, closure_id: UUID, note: Mapping[str, Any] | None) -> None:
    """Keeps what the latest plan was worth; None changes nothing."""
    if note is not None:
        await tx.execute(update(closures).where(closures.c.id == closure_id).values(plan=dict(note)))


async def hand_on(tx: Transaction, one: AffectedTurno, *, to: UUID) -> None:
    """Another closure takes a turno over as it stands."""
    await decide(tx, one.appointment_id, outcome=Outcome.KEPT, reason=Why.CLOSED_AGAIN)
    values = asdict(replace(one, closure_id=to))
    await tx.execute(
        upsert(affected)
        .values(**values)
        .on_conflict_do_update(index_elements=[affected.c.closure_id, affected.c.appointment_id], set_=values)
    )


async def ended_offers_of(tx: Transaction, closure_id: UUID) -> list[Proposal]:
    """Offers to those whom a closure affects that ended without being accepted, by time."""
    statement = (
        select(proposals)
        .join(affected, affected.c.appointment_id == proposals.c.appointment_id)
        .where(affected.c.closure_id == closure_id, proposals.c.status.in_(_ENDED))
        .order_by(proposals.c.starts_at, proposals.c.id)
    )
    return [_proposal(row) for row in await tx.execute(statement)]


async def ended_offers_to(
    tx: Transaction, turno_ids: Collection[UUID], waiting_ids: Collection[UUID]
) -> list[Proposal]:
    """What these were offered and have not taken."""
    statement = select(proposals).where(
        or_(proposals.c.appointment_id.in_(turno_ids), proposals.c.waiting_id.in_(waiting_ids)),
        proposals.c.status.in_(_ENDED),
    )
    return [_proposal(row) for row in await tx.execute(statement.order_by(proposals.c.id))]


async def add_proposals(tx: Transaction, found: Sequence[Proposal]) -> None:
    """Stores offers."""
    if found:
        await tx.execute(insert(proposals), [asdict(one) for one in found])


async def find_proposal(tx: Transaction, proposal_id: UUID) -> Proposal | None:
    """One offer, kept for us until the transaction ends."""
    statement = select(proposals).where(proposals.c.id == proposal_id).with_for_update()
    row = (await tx.execute(statement)).first()
    return None if row is None else _proposal(row)


async def read_proposal(tx: Transaction, proposal_id: UUID) -> Proposal | None:
    """One offer as it stands."""
    row = (await tx.execute(select(proposals).where(proposals.c.id == proposal_id))).first()
    return None if row is None else _proposal(row)


async def proposals_of(
    tx: Transaction, client_id: UUID, *, after: UUID | None, limit: int | None
) -> list[Proposal]:
    """Offers to a client, the latest first."""
    statement = select(proposals).where(proposals.c.client_id == client_id)
    if after is not None:
        statement = statement.where(proposals.c.id < after)
    rows = await tx.execute(statement.order_by(proposals.c.id.desc()).limit(limit))
    return [_proposal(row) for row in rows]


async def end(tx: Transaction, proposal: Proposal, status: ProposalStatus) -> None:
    """Ends an offer; its time is free."""
    await tx.execute(update(proposals).where(proposals.c.id == proposal.id).values(status=status))
    await tx.execute(
        delete(appointments).where(appointments.c.id == proposal.id, appointments.c.status == Status.HELD)
    )


async def accept(tx: Transaction, proposal: Proposal) -> None:
    """An offer is accepted, and the row that held its time stays."""
    await tx.execute(
        update(proposals).where(proposals.c.id == proposal.id).values(status=ProposalStatus.ACCEPTED)
    )


async def open_for(tx: Transaction, turno_id: UUID) -> Proposal | None:
    """The offer that is open for a turno, or for whoever waits, if there is one."""
    statement = select(proposals).where(
        or_(proposals.c.appointment_id == turno_id, proposals.c.waiting_id == turno_id),
        proposals.c.status == ProposalStatus.OPEN,
    )
    row = (await tx.execute(statement.with_for_update())).first()
    return None if row is None else _proposal(row)


async def waiting_offer(tx: Transaction, waiting_id: UUID) -> Proposal | None:
    """The offer that is open for somebody who waits, as it stands."""
    statement = select(proposals).where(
        proposals.c.waiting_id == waiting_id, proposals.c.status == ProposalStatus.OPEN
    )
    row = (await tx.execute(statement)).first()
    return None if row is None else _proposal(row)


async def lapsed_for(tx: Transaction, client_id: UUID, *, now: datetime) -> list[UUID]:
    """Offers to a client that are over, though nobody has said so yet."""
    statement = select(proposals.c.id).where(
        proposals.c.client_id == client_id,
        proposals.c.status == ProposalStatus.OPEN,
        proposals.c.expires_at <= now,
    )
    return [row.id for row in await tx.execute(statement)]


def _closing(row: Row[Any]) -> Closing:
    return Closing(**{name: getattr(row, name) for name in _CLOSING})


def _affected(row: Row[Any]) -> AffectedTurno:
    values: dict[str, Any] = {name: getattr(row, name) for name in _AFFECTED}
    values["outcome"] = Outcome(row.outcome)
    return AffectedTurno(**values)


def _proposal(row: Row[Any]) -> Proposal:
    values: dict[str, Any] = {name: getattr(row, name) for name in _PROPOSAL}
    values["status"] = ProposalStatus(row.status)
    return Proposal(**values)
