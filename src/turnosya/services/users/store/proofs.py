"""The SQL of changed numbers, which can be undone for a while, and of confirmed addresses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import exists, func, select, update
from sqlalchemy.dialects.postgresql import insert

from turnosya.runtime.database import Transaction
from turnosya.services.users.tables import email_confirmations, people, phone_changes


@dataclass(frozen=True, slots=True)
class PhoneChange:
    """A number that was given up for another."""

    id: UUID
    user_id: UUID
    previous_phone: str
    changed_at: datetime
    undo_until: datetime
    undone_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Confirmation:
    """An address that is to be confirmed, or was."""

    user_id: UUID
    id: UUID
    email: str
    asked_at: datetime
    confirmed_at: datetime | None = None
    asked_lately: Sequence[datetime] = ()
    """When links were sent to whatever was this person's address, oldest first."""


async def add_change(tx: Transaction, change: PhoneChange) -> None:
    """Keeps what can be undone."""
    await tx.execute(
        insert(phone_changes).values(
            id=change.id,
            user_id=change.user_id,
            previous_phone=change.previous_phone,
            changed_at=change.changed_at,
            undo_until=change.undo_until,
        )
    )


async def find_change(tx: Transaction, change_id: UUID) -> PhoneChange | None:
    """One change of number."""
    row = (await tx.execute(select(phone_changes).where(phone_changes.c.id == change_id))).mappings().first()
    return None if row is None else PhoneChange(**row)


async def changes_of(tx: Transaction, user_id: UUID) -> list[PhoneChange]:
    """All that are kept of a person, oldest first."""
    rows = await tx.execute(
        select(phone_changes)
        .where(phone_changes.c.user_id == user_id)
        .order_by(phone_changes.c.changed_at, phone_changes.c.id)
    )
    return [PhoneChange(**row) for row in rows.mappings()]


async def end_changes(tx: Transaction, user_id: UUID, *, since: datetime, at: datetime) -> None:
    """This change and all that followed it can be undone no more: their links lie on the wrong numbers."""
    await tx.execute(
        update(phone_changes)
        .where(
            phone_changes.c.user_id == user_id,
            phone_changes.c.changed_at >= since,
            phone_changes.c.undone_at.is_(None),
        )
        .values(undone_at=at)
    )


async def is_reserved(tx: Transaction, phone: str, *, now: datetime, for_user: UUID | None = None) -> bool:
    """Whether a number may yet go back to somebody else who gave it up, or lost it."""
    statement = select(
        exists().where(
            phone_changes.c.previous_phone == phone,
            phone_changes.c.undo_until > now,
            phone_changes.c.undone_at.is_(None),
            phone_changes.c.user_id.is_distinct_from(for_user),
        )
    )
    return bool((await tx.execute(statement)).scalar_one())


async def ask_confirmation(tx: Transaction, confirmation: Confirmation) -> None:
    """Keeps the wish to have an address confirmed, in place of a former one."""
    columns = {
        "id": confirmation.id,
        "email": confirmation.email,
        "asked_at": confirmation.asked_at,
        "asked_lately": list(confirmation.asked_lately),
    }
    await tx.execute(
        insert(email_confirmations)
        .values(user_id=confirmation.user_id, **columns)
        .on_conflict_do_update(
            index_elements=[email_confirmations.c.user_id], set_={**columns, "confirmed_at": None}
        )
    )


async def find_confirmation(tx: Transaction, user_id: UUID) -> Confirmation | None:
    """The last address that somebody was asked to confirm."""
    statement = select(email_confirmations).where(email_confirmations.c.user_id == user_id)
    row = (await tx.execute(statement)).mappings().first()
    return None if row is None else Confirmation(**row)


async def confirm(tx: Transaction, confirmation_id: UUID, *, at: datetime) -> UUID | None:
    """Whose address it confirms, if it is theirs still; again changes nothing."""
    confirmed = await tx.execute(
        update(email_confirmations)
        .where(
            email_confirmations.c.id == confirmation_id,
            people.c.id == email_confirmations.c.user_id,
            people.c.email == email_confirmations.c.email,
        )
        .values(confirmed_at=func.coalesce(email_confirmations.c.confirmed_at, at))
        .returning(email_confirmations.c.user_id)
    )
    return confirmed.scalar_one_or_none()
