"""The SQL of a person as such: what they were told, and forgetting it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Text, cast, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from turnosya.runtime.database import Transaction
from turnosya.services.notification.tables import (
    agenda_settings,
    agendas,
    deliveries,
    kept_turnos,
    messages,
    suppressions,
)


async def told(tx: Transaction, user_id: UUID) -> list[Mapping[str, Any]]:
    """What somebody was told, oldest first: template, channel, address, facts, state and when."""
    names = ("template", "channel", "address", "locale", "facts", "state", "created_at", "ended_at")
    rows = await tx.execute(
        select(*(deliveries.c[name] for name in names))
        .where(deliveries.c.user_id == user_id)
        .order_by(deliveries.c.number)
    )
    return [dict(row) for row in rows.mappings()]


# What an owner is told of a client in the words of the one or the other.
_OF_A_CLIENT = ("client_name", "reason")


async def forget_person(tx: Transaction, user_id: UUID, *, nobody: str) -> None:
    """Deletes what somebody was told, and takes their name and words out of what others were told of them.

    Also what went to their number or address before it was known to be theirs: the code of a sign-up.
    """
    theirs = deliveries.c.user_id == user_id
    addresses = {
        column: select(column).where(theirs, column.is_not(None))
        for column in (deliveries.c.phone, deliveries.c.email)
    }
    nobodys = deliveries.c.user_id.is_(None) & or_(*(one.in_(found) for one, found in addresses.items()))
    for found in addresses.values():
        await tx.execute(delete(suppressions).where(suppressions.c.address.in_(found)))
    await tx.execute(delete(deliveries).where(theirs | nobodys))
    await tx.execute(
        delete(kept_turnos).where((kept_turnos.c.client_id == user_id) | (kept_turnos.c.owner_id == user_id))
    )
    for table in (agendas, agenda_settings):
        await tx.execute(delete(table).where(table.c.owner_id == user_id))
    about = deliveries.c.about_user_id == user_id
    for fact in _OF_A_CLIENT:
        words = deliveries.c.facts[fact].astext
        await tx.execute(
            update(messages)
            .where(messages.c.id == deliveries.c.id, about, words != "")
            .values(
                subject=func.replace(messages.c.subject, words, nobody),
                body=func.replace(messages.c.body, words, nobody),
            )
        )
        nameless = func.jsonb_set(deliveries.c.facts, cast([fact], ARRAY(Text)), cast(nobody, JSONB))
        await tx.execute(update(deliveries).where(about, words != "").values(facts=nameless))
    await tx.execute(update(deliveries).where(about).values(about_user_id=None))
