"""The SQL of a client as a person: all that is theirs, and taking their name off it."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import delete, select, text, update

from turnosya.runtime.database import Transaction
from turnosya.services.turnos.closure import UNDECIDED, Outcome, ProposalStatus
from turnosya.services.turnos.store.turnos import turno_of
from turnosya.services.turnos.tables import (
    affected,
    appointments,
    calendar_links,
    preferences,
    proposals,
    waiting,
)
from turnosya.services.turnos.turno import Turno

_table = appointments.c


async def turnos_of(tx: Transaction, client_id: UUID) -> list[Turno]:
    """Every turno and hold of a client, whatever became of it, by start."""
    statement = (
        select(appointments).where(_table.client_id == client_id).order_by(_table.starts_at, _table.id)
    )
    return [turno_of(row) for row in await tx.execute(statement)]


async def turnos_of_locked(tx: Transaction, client_id: UUID) -> list[Turno]:
    """The same in the order in which everybody locks rows, kept for us until the transaction ends."""
    statement = (
        select(appointments).where(_table.client_id == client_id).order_by(_table.id).with_for_update()
    )
    return [turno_of(row) for row in await tx.execute(statement)]


async def forget(tx: Transaction, client_id: UUID) -> None:
    """What somebody prefers, their calendar links, and answers that were kept for a repeat of theirs."""
    await tx.execute(delete(preferences).where(preferences.c.client_id == client_id))
    await tx.execute(delete(calendar_links).where(calendar_links.c.user_id == client_id))
    await tx.execute(
        # Wherever in it: a repeated one shows a list of turnos.
        text("DELETE FROM kept_answers WHERE position(:client_id in answer::text) > 0"),
        {"client_id": str(client_id)},
    )


async def forget_offers(tx: Transaction, client_id: UUID) -> None:
    """Takes a client off what was offered to them and out of every line; held rows are gone by then."""
    await tx.execute(
        update(proposals)
        .where(proposals.c.client_id == client_id, proposals.c.status == ProposalStatus.OPEN)
        .values(status=ProposalStatus.WITHDRAWN)
    )
    await tx.execute(update(proposals).where(proposals.c.client_id == client_id).values(client_id=None))
    await tx.execute(delete(waiting).where(waiting.c.client_id == client_id))


async def forget_closed(tx: Transaction, turno_id: UUID) -> None:
    """A closure need find no other time for this turno."""
    await tx.execute(
        update(affected)
        .where(affected.c.appointment_id == turno_id, affected.c.outcome.in_(UNDECIDED))
        .values(outcome=Outcome.CANCELLED, starts_at=None, staff_id=None, answered=True)
    )
