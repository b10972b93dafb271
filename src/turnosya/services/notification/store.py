"""The SQL of notification."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CursorResult, Select, delete, func, insert, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from turnosya.runtime.database import Transaction
from turnosya.runtime.ids import new_id
from turnosya.services.notification.rules import Channel, Contact, Reader
from turnosya.services.notification.tables import deliveries, messages
from turnosya.services.notification.wording import Letter


@dataclass(frozen=True, slots=True)
class NewDelivery:
    """Something to be said to somebody once."""

    occasion: str
    template: str
    reader: Reader
    contact: Contact
    channel: Channel
    address: str
    lane: str
    facts: Mapping[str, Any]
    data: Mapping[str, Any] = field(default_factory=dict[str, Any])
    sealed: bytes | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """A stored delivery that waits to be sent."""

    id: UUID
    number: int
    template: str
    reader: Reader
    channel: Channel
    locale: str
    address: str
    user_id: UUID | None
    phone: str | None
    email: str | None
    facts: dict[str, Any]
    data: dict[str, Any]
    sealed: bytes | None
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class ShownMessage:
    """What development shows instead of sending it."""

    id: UUID
    channel: str
    address: str
    template: str
    subject: str
    body: str
    data: dict[str, Any]
    sent_at: datetime


async def add(tx: Transaction, new: NewDelivery) -> None:
    """Queues a delivery; one of the same occasion, person, channel and template changes nothing."""
    contact = new.contact
    await tx.execute(
        upsert(deliveries)
        .values(
            id=new_id(),
            occasion=new.occasion,
            person=contact.key,
            channel=new.channel,
            template=new.template,
            reader=new.reader,
            locale=contact.locale,
            address=new.address,
            user_id=contact.user_id,
            phone=contact.phone,
            email=contact.email.lower() if contact.email else None,
            facts=dict(new.facts),
            data=dict(new.data),
            sealed=new.sealed,
            lane=new.lane,
            expires_at=new.expires_at,
        )
        .on_conflict_do_nothing(constraint="one_delivery_each")
    )


async def take_waiting(tx: Transaction, lane: str, *, limit: int) -> list[Delivery]:
    """The oldest queued deliveries of a lane, locked; those that another copy is sending are passed over."""
    columns = [deliveries.c[name] for name in Delivery.__dataclass_fields__]
    rows = await tx.execute(
        select(*columns)
        .where(deliveries.c.lane == lane, deliveries.c.state == "queued")
        .order_by(deliveries.c.number)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return [Delivery(**row) for row in rows.mappings()]


async def end(tx: Transaction, delivery_id: UUID, *, state: str, reason: str | None = None) -> None:
    """Writes what became of a delivery; its code is forgotten."""
    await tx.execute(
        update(deliveries)
        .where(deliveries.c.id == delivery_id)
        .values(state=state, reason=reason, sealed=None, ended_at=func.clock_timestamp())
    )


async def show(
    tx: Transaction, delivery: Delivery, letter: Letter, *, data: Mapping[str, Any], sent_at: datetime
) -> None:
    """Keeps a message for the development page; it counts as sent by the same transaction."""
    await tx.execute(
        insert(messages).values(
            id=delivery.id,
            number=delivery.number,
            channel=delivery.channel,
            address=delivery.address,
            template=delivery.template,
            subject=letter.subject,
            body=letter.body,
            data=dict(data),
            user_id=delivery.user_id,
            phone=delivery.phone,
            email=delivery.email,
            sent_at=sent_at,
        )
    )


async def shown(tx: Transaction, *, limit: int) -> list[ShownMessage]:
    """The newest messages to anybody, by order of creation."""
    return _messages(await tx.execute(_shown().limit(limit)))


async def shown_to(
    tx: Transaction, *, user_ids: Sequence[UUID], phones: Sequence[str], emails: Sequence[str], limit: int
) -> list[ShownMessage]:
    """The newest messages to one person, whatever they were addressed by."""
    is_theirs = or_(
        messages.c.user_id.in_(user_ids),
        messages.c.phone.in_(phones),
        messages.c.email.in_(emails),
    )
    return _messages(await tx.execute(_shown().where(is_theirs).limit(limit)))


async def users_with_email(tx: Transaction, email: str) -> list[UUID]:
    """Whom messages to this address (in lower case) were for."""
    found = await tx.execute(select(messages.c.user_id).where(messages.c.email == email).distinct())
    return [user_id for user_id in found.scalars() if user_id is not None]


def _shown() -> Select[Any]:
    columns = [messages.c[name] for name in ShownMessage.__dataclass_fields__]
    return select(*columns).order_by(messages.c.number.desc())


def _messages(rows: CursorResult[Any]) -> list[ShownMessage]:
    return [ShownMessage(**row) for row in rows.mappings()]


async def forget(tx: Transaction, *, before: datetime) -> int:
    """Deletes deliveries, and their messages, that ended before then."""
    gone = await tx.execute(delete(deliveries).where(deliveries.c.ended_at < before))
    return int(gone.rowcount)


async def hide_codes(tx: Transaction, *, expired_at: datetime) -> None:
    """Takes codes that are of no use any more out of the messages that development shows."""
    code = messages.c.data["code"].astext
    expired = select(deliveries.c.id).where(deliveries.c.expires_at <= expired_at)
    await tx.execute(
        update(messages)
        .where(code.is_not(None), messages.c.id.in_(expired))
        .values(
            body=func.replace(messages.c.body, code, "••••••"), data=messages.c.data.delete_path(["code"])
        )
    )
