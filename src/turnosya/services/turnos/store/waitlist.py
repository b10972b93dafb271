"""The SQL of the waitlist."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, fields
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, delete, exists, insert, or_, select
from sqlalchemy.dialects.postgresql import insert as upsert

from turnosya.runtime.database import Transaction
from turnosya.services.turnos.closure import ProposalStatus, Waiting
from turnosya.services.turnos.tables import proposals, waiting

_WAITING = [field.name for field in fields(Waiting)]


async def add(tx: Transaction, one: Waiting) -> None:
    """Somebody waits."""
    await tx.execute(insert(waiting).values(**asdict(one)))


async def add_once(tx: Transaction, one: Waiting) -> None:
    """The same, unless the turno waits already."""
    await tx.execute(upsert(waiting).values(**asdict(one)).on_conflict_do_nothing())


async def find(tx: Transaction, waiting_id: UUID) -> Waiting | None:
    """One who waits."""
    row = (await tx.execute(select(waiting).where(waiting.c.id == waiting_id))).first()
    return None if row is None else _waiting(row)


async def remove(tx: Transaction, *, waiting_id: UUID | None = None, turno_id: UUID | None = None) -> None:
    """Nobody waits there any more."""
    wanted = waiting.c.id == waiting_id if waiting_id else waiting.c.appointment_id == turno_id
    await tx.execute(delete(waiting).where(wanted))


async def of_client(
    tx: Transaction, client_id: UUID, *, after: UUID | None, limit: int | None
) -> list[Waiting]:
    """What a client waits for, in the order in which they said so."""
    statement = select(waiting).where(waiting.c.client_id == client_id)
    if after is not None:
        statement = statement.where(waiting.c.id > after)
    return [_waiting(row) for row in await tx.execute(statement.order_by(waiting.c.id).limit(limit))]


async def in_line(
    tx: Transaction,
    business_id: UUID,
    *,
    staff_id: UUID,
    days: Collection[date],
    starts: tuple[datetime, datetime],
) -> list[Waiting]:
    """Who may want a time that has become free, first come first; nobody who was offered it or has an offer.

    Those whom a closure left without a time come before those who would like a better one.
    """
    had_it = exists().where(
        proposals.c.waiting_id == waiting.c.id,
        or_(
            proposals.c.status == ProposalStatus.OPEN,
            (proposals.c.staff_id == staff_id)
            & (proposals.c.starts_at >= starts[0])
            & (proposals.c.starts_at < starts[1]),
        ),
    )
    statement = (
        select(waiting)
        .where(
            waiting.c.business_id == business_id,
            or_(waiting.c.staff_id.is_(None), waiting.c.staff_id == staff_id),
            waiting.c.first_on <= max(days),
            waiting.c.last_on >= min(days),
            ~had_it,
        )
        .order_by(waiting.c.appointment_id.is_(None), waiting.c.created_at, waiting.c.id)
        .limit(50)
    )
    return [_waiting(row) for row in await tx.execute(statement)]


async def line(tx: Transaction, business_id: UUID, *, from_on: date, limit: int) -> list[Waiting]:
    """Who would like a time of a business and has no offer open, first come first.

    Those whom a closure left without one are not among them: they are in its own plan.
    """
    has_offer = exists().where(
        proposals.c.waiting_id == waiting.c.id, proposals.c.status == ProposalStatus.OPEN
    )
    statement = (
        select(waiting)
        .where(
            waiting.c.business_id == business_id,
            waiting.c.appointment_id.is_(None),
            waiting.c.last_on >= from_on,
            ~has_offer,
        )
        .order_by(waiting.c.created_at, waiting.c.id)
        .limit(limit)
    )
    return [_waiting(row) for row in await tx.execute(statement)]


def _waiting(row: Row[Any]) -> Waiting:
    return Waiting(**{name: getattr(row, name) for name in _WAITING})
