"""The SQL of the audit."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, or_, select, tuple_
from sqlalchemy.dialects.postgresql import insert

from turnosya.runtime.database import Transaction
from turnosya.services.checks.tables import audit


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the audit."""

    id: UUID
    at: datetime
    service: str
    kind: str
    actor_id: UUID | None
    subject_id: UUID | None
    session_id: UUID | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Sought:
    """Which lines are looked for; None is any. ``person_id`` is either who did it or whose account it is."""

    actor_id: UUID | None = None
    subject_id: UUID | None = None
    person_id: UUID | None = None
    kind: str | None = None
    since: datetime | None = None


async def note(tx: Transaction, entry: Entry) -> None:
    """Keeps a line; one that is there already stays as it is."""
    await tx.execute(insert(audit).values(**asdict(entry)).on_conflict_do_nothing())


async def find(
    tx: Transaction, sought: Sought, *, before: tuple[datetime, UUID] | None, limit: int
) -> list[Entry]:
    """Lines, the latest first, those before the one given."""
    statement = select(audit).order_by(audit.c.at.desc(), audit.c.id.desc()).limit(limit)
    if sought.actor_id is not None:
        statement = statement.where(audit.c.actor_id == sought.actor_id)
    if sought.subject_id is not None:
        statement = statement.where(audit.c.subject_id == sought.subject_id)
    if sought.person_id is not None:
        person_id = sought.person_id
        statement = statement.where(or_(audit.c.actor_id == person_id, audit.c.subject_id == person_id))
    if sought.kind is not None:
        statement = statement.where(audit.c.kind == sought.kind)
    if sought.since is not None:
        statement = statement.where(audit.c.at >= sought.since)
    if before is not None:
        statement = statement.where(tuple_(audit.c.at, audit.c.id) < before)
    return [Entry(**row) for row in (await tx.execute(statement)).mappings()]


async def forget(tx: Transaction, *, before: datetime) -> None:
    """Deletes lines that are older."""
    await tx.execute(delete(audit).where(audit.c.at < before))
