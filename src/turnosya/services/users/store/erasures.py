"""The SQL of erasing somebody: gone here at once, and remembered until they are gone everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, func, insert, select, text, update

from turnosya.runtime.database import Transaction
from turnosya.services.users.tables import erasures, people


@dataclass(frozen=True, slots=True)
class Erasure:
    """Somebody who is being forgotten. ``told_at`` is when the services were last told."""

    user_id: UUID
    asked_at: datetime
    told_at: datetime
    key: str
    """Of the event by which they were told: what confirms an earlier one does not count."""
    waiting_for: Sequence[str]


async def begin(tx: Transaction, erasure: Erasure) -> None:
    """Deletes the account with all that hangs on it; remembers who must confirm."""
    await tx.execute(
        insert(erasures).values(
            user_id=erasure.user_id,
            asked_at=erasure.asked_at,
            told_at=erasure.told_at,
            key=erasure.key,
            waiting_for=list(erasure.waiting_for),
        )
    )
    await tx.execute(delete(people).where(people.c.id == erasure.user_id))
    # An answer that was kept for a repeat shows the profile.
    await tx.execute(
        text("DELETE FROM kept_answers WHERE answer->>'id' = :user_id"), {"user_id": str(erasure.user_id)}
    )


async def confirm(tx: Transaction, user_id: UUID, service: str, *, key: str) -> Erasure | None:
    """Notes that a service has forgotten somebody; what is left then. None for another telling's key."""
    row = (
        (
            await tx.execute(
                update(erasures)
                .where(erasures.c.user_id == user_id, erasures.c.key == key)
                .values(waiting_for=func.array_remove(erasures.c.waiting_for, service))
                .returning(erasures)
            )
        )
        .mappings()
        .first()
    )
    return None if row is None else Erasure(**row)


async def take_due(tx: Transaction, *, told_before: datetime) -> list[Erasure]:
    """Those that were last told of before then, locked; what another copy has taken is passed over."""
    rows = await tx.execute(
        select(erasures).where(erasures.c.told_at < told_before).with_for_update(skip_locked=True).limit(100)
    )
    return [Erasure(**row) for row in rows.mappings()]


async def tell_again(
    tx: Transaction, user_id: UUID, *, key: str, at: datetime, waiting_for: Sequence[str]
) -> None:
    """They are told of once more, and must all confirm again."""
    await tx.execute(
        update(erasures)
        .where(erasures.c.user_id == user_id)
        .values(told_at=at, key=key, waiting_for=list(waiting_for))
    )


async def end(tx: Transaction, user_id: UUID) -> None:
    """Nothing more is known of them."""
    await tx.execute(delete(erasures).where(erasures.c.user_id == user_id))
