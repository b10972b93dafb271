"""The SQL of clients' preferences."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from turnosya.runtime.database import Transaction
from turnosya.services.turnos.preferences import Preferences
from turnosya.services.turnos.tables import preferences


async def find(tx: Transaction, client_ids: Collection[UUID]) -> dict[UUID, Preferences]:
    """What these clients prefer; those who have said nothing are absent."""
    rows = await tx.execute(select(preferences).where(preferences.c.client_id.in_(client_ids)))
    return {
        row.client_id: Preferences(
            dayparts=None if row.dayparts is None else tuple(row.dayparts),
            weekdays=None if row.weekdays is None else tuple(row.weekdays),
            staff=row.staff,
        )
        for row in rows
    }


async def save(tx: Transaction, client_id: UUID, said: Preferences) -> None:
    """Keeps what a client prefers, in place of what they said before."""
    values = asdict(said)
    await tx.execute(
        insert(preferences)
        .values(client_id=client_id, **values)
        .on_conflict_do_update(index_elements=[preferences.c.client_id], set_=values)
    )
