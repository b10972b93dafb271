"""The SQL of calendar links."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, func, insert, select

from turnosya.runtime.database import Transaction
from turnosya.services.turnos.tables import calendar_links

_table = calendar_links.c


@dataclass(frozen=True, slots=True)
class CalendarLink:
    """Whose calendar may be read: the user's own turnos, or those of a business that they run."""

    id: UUID
    user_id: UUID
    business_id: UUID | None
    created_at: datetime


async def lock_of(tx: Transaction, user_id: UUID) -> None:
    """One change of somebody's links at a time, until the end of the transaction."""
    await tx.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"links {user_id}", 0))))


async def add(tx: Transaction, link: CalendarLink) -> None:
    """Stores a link."""
    await tx.execute(insert(calendar_links).values(**asdict(link)))


async def find(tx: Transaction, link_id: UUID) -> CalendarLink | None:
    """One link."""
    rows = await tx.execute(select(calendar_links).where(_table.id == link_id))
    row = rows.mappings().first()
    return None if row is None else CalendarLink(**row)


async def of_user(tx: Transaction, user_id: UUID) -> list[CalendarLink]:
    """Somebody's links, the oldest first."""
    rows = await tx.execute(select(calendar_links).where(_table.user_id == user_id).order_by(_table.id))
    return [CalendarLink(**row) for row in rows.mappings()]


async def remove(tx: Transaction, link_id: UUID, *, user_id: UUID) -> bool:
    """Deletes somebody's own link; whether there was one."""
    done = await tx.execute(delete(calendar_links).where(_table.id == link_id, _table.user_id == user_id))
    return done.rowcount == 1
