"""The SQL of verifications. Whoever changes those of a business holds its row."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, delete, func, insert, select, update

from turnosya.runtime.database import Transaction
from turnosya.runtime.ids import new_id
from turnosya.services.business.tables import businesses, verification_steps, verifications
from turnosya.services.business.verification_state import Status, Step, Verification

_LIVE: tuple[Status, ...] = ("pending", "approved")


async def latest(tx: Transaction, business_id: UUID) -> Verification | None:
    """What was asked last."""
    found = await _found(tx, verifications.c.business_id == business_id, newest_first=True, limit=1)
    return found[0] if found else None


async def live(tx: Transaction, business_id: UUID) -> dict[Status, Verification]:
    """The one that waits for an admin and the one that holds, as far as there are such."""
    conditions = verifications.c.business_id == business_id, verifications.c.status.in_(_LIVE)
    return {one.status: one for one in await _found(tx, *conditions)}


async def history(tx: Transaction, business_id: UUID) -> list[Step]:
    """All that happened to the requests of a business, the first first."""
    steps = verification_steps
    found = await tx.execute(select(steps).where(steps.c.business_id == business_id).order_by(steps.c.id))
    return [Step(row["at"], row["what"], row["actor_id"], row["reason"]) for row in found.mappings()]


async def queue(
    tx: Transaction, status: Status, *, after: UUID | None, limit: int
) -> list[tuple[Verification, str, UUID]]:
    """Requests in this state with name and owner of their business, those that wait longest first."""
    statement = (
        select(verifications, businesses.c.name, businesses.c.owner_id)
        .join(businesses, businesses.c.id == verifications.c.business_id)
        .where(verifications.c.status == status, ~businesses.c.deleted)
        .order_by(verifications.c.id)
        .limit(limit)
    )
    if after is not None:
        statement = statement.where(verifications.c.id > after)
    rows = await tx.execute(statement)
    return [(_verification(row), row["name"], row["owner_id"]) for row in rows.mappings()]


async def due(tx: Transaction, now: datetime, *, limit: int) -> list[tuple[UUID, UUID]]:
    """Ids of businesses and of their verifications of which somebody must be told by now."""
    columns = verifications.c.business_id, verifications.c.id
    statement = select(*columns).where(verifications.c.next_step_at <= now)
    rows = await tx.execute(statement.order_by(verifications.c.next_step_at).limit(limit))
    return [(row.business_id, row.id) for row in rows]


async def _found(
    tx: Transaction,
    *where: Any,  # noqa: ANN401 - conditions
    newest_first: bool = False,
    limit: int | None = None,
) -> list[Verification]:
    order = verifications.c.id.desc() if newest_first else verifications.c.id
    rows = await tx.execute(select(verifications).where(*where).order_by(order).limit(limit))
    return [_verification(row) for row in rows.mappings()]


def _verification(row: RowMapping) -> Verification:
    columns: dict[str, Any] = {name: row[name] for name in Verification.__slots__}
    columns["documents"] = tuple(row["documents"])
    return Verification(**columns)


async def put(tx: Transaction, verification: Verification, step: Step | None) -> None:
    """Stores a request in place of the one with its id, and what happened to it."""
    columns = {**asdict(verification), "documents": list(verification.documents)}
    stored = await tx.execute(
        update(verifications).where(verifications.c.id == verification.id).values(**columns)
    )
    if stored.rowcount == 0:
        await tx.execute(insert(verifications).values(**columns))
    if step is not None:
        of = {"id": new_id(), "verification_id": verification.id, "business_id": verification.business_id}
        await tx.execute(insert(verification_steps).values(**of, **asdict(step)))


async def set_verified(tx: Transaction, business_id: UUID, until: datetime | None) -> None:
    """The profile shows that it is verified until then; not at all with None."""
    await tx.execute(update(businesses).where(businesses.c.id == business_id).values(verified_until=until))


async def without_document(tx: Transaction, verification_id: UUID, file_id: UUID) -> None:
    """A document of it is gone."""
    left = func.array_remove(verifications.c.documents, file_id)
    await tx.execute(
        update(verifications).where(verifications.c.id == verification_id).values(documents=left)
    )


async def decided_by(tx: Transaction, user_id: UUID) -> list[tuple[UUID, Step]]:
    """What somebody did, and to which business."""
    steps = verification_steps
    found = await tx.execute(select(steps).where(steps.c.actor_id == user_id).order_by(steps.c.id))
    return [
        (row["business_id"], Step(row["at"], row["what"], row["actor_id"], row["reason"]))
        for row in found.mappings()
    ]


async def forget_business(tx: Transaction, business_id: UUID) -> None:
    """Nothing is known any more of what it asked."""
    for table in (verification_steps, verifications):
        await tx.execute(delete(table).where(table.c.business_id == business_id))


async def forget_actor(tx: Transaction, user_id: UUID) -> None:
    """What somebody did stays, and who did it goes."""
    steps = verification_steps
    await tx.execute(update(steps).where(steps.c.actor_id == user_id).values(actor_id=None))
