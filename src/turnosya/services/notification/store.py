"""The SQL of notification."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal, Self
from uuid import UUID

from sqlalchemy import (
    CursorResult,
    Integer,
    Select,
    Text,
    bindparam,
    cast,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.dialects.postgresql import insert as upsert

from turnosya.runtime.clock import real_now
from turnosya.runtime.database import Transaction
from turnosya.runtime.ids import new_id
from turnosya.runtime.links import LinkTo
from turnosya.services.notification.rules import Channel, Contact, Reader
from turnosya.services.notification.tables import code_days, deliveries, messages
from turnosya.services.notification.wording import Letter


@dataclass(frozen=True, slots=True)
class Link:
    """A link that is made when the message is written: what it is for, for whom or what, and until when.

    Not stored as text: whoever reads the table shall not be able to use it.
    """

    to: LinkTo
    subject: str
    expires_at: datetime

    def stored(self) -> dict[str, Any]:
        """As JSON."""
        return {"to": list(self.to), "subject": self.subject, "expires_at": self.expires_at.isoformat()}

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Self:
        """The same again."""
        purpose, path = stored["to"]
        return cls((purpose, path), stored["subject"], datetime.fromisoformat(stored["expires_at"]))


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
    link: Link | None = None
    about_user_id: UUID | None = None
    """Somebody else whom the facts name."""
    refused: str | None = None
    """Why it is kept and not sent."""
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
    link: dict[str, Any] | None
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Shown:
    """How development shows a delivery."""

    letter: Letter
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of a delivery."""

    delivery: Delivery
    state: Literal["sent", "failed", "suppressed"]
    reason: str | None = None
    shown: Shown | None = None


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


# Statements of the way from an event to a person are made once: making them anew for each message was a
# seventh of what a booking costs (profile of 2026-11).
_ADD = upsert(deliveries).on_conflict_do_nothing(constraint="one_delivery_each")


async def add(tx: Transaction, news: Sequence[NewDelivery]) -> None:
    """Queues deliveries; one of the same occasion, person, channel and template changes nothing."""
    if news:
        await tx.execute(_ADD, [_values(new) for new in news])


def _values(new: NewDelivery) -> dict[str, Any]:
    contact = new.contact
    return {
        "id": new_id(),
        "occasion": new.occasion,
        "person": contact.key,
        "channel": new.channel,
        "template": new.template,
        "reader": new.reader,
        "locale": contact.locale,
        "address": new.address,
        "user_id": contact.user_id,
        "phone": contact.phone,
        "email": contact.email.lower() if contact.email else None,
        "facts": dict(new.facts),
        "data": dict(new.data),
        "sealed": None if new.refused else new.sealed,
        "link": None if new.link is None else new.link.stored(),
        "about_user_id": new.about_user_id,
        "state": "suppressed" if new.refused else "queued",
        "reason": new.refused,
        "ended_at": real_now() if new.refused else None,
        "lane": new.lane,
        "expires_at": new.expires_at,
    }


_TAKE_WAITING = (
    select(*(deliveries.c[name] for name in Delivery.__dataclass_fields__))
    .where(deliveries.c.lane == bindparam("lane"), deliveries.c.state == "queued")
    .order_by(deliveries.c.number)
    .limit(bindparam("limit", type_=Integer))
    .with_for_update(skip_locked=True)
)


async def take_waiting(tx: Transaction, lane: str, *, limit: int) -> list[Delivery]:
    """The oldest queued deliveries of a lane, locked; those that another copy is sending are passed over."""
    rows = await tx.execute(_TAKE_WAITING, {"lane": lane, "limit": limit})
    return [Delivery(**row) for row in rows.mappings()]


_END = (
    update(deliveries)
    .where(deliveries.c.id == bindparam("ended_id"))
    .values(
        state=bindparam("state"), reason=bindparam("reason"), sealed=None, ended_at=func.clock_timestamp()
    )
)
_SHOW = insert(messages)


async def end(tx: Transaction, ends: Sequence[Ended], *, sent_at: datetime) -> None:
    """Writes what became of deliveries; their codes are forgotten.

    What was shown is kept for the development page: it counts as sent by the same transaction.
    """
    shown = [_message(one.delivery, one.shown, sent_at) for one in ends if one.shown is not None]
    if shown:
        await tx.execute(_SHOW, shown)
    if ends:
        found = [{"ended_id": one.delivery.id, "state": one.state, "reason": one.reason} for one in ends]
        await tx.execute(_END, found)


def _message(delivery: Delivery, shown: Shown, sent_at: datetime) -> dict[str, Any]:
    return {
        "id": delivery.id,
        "number": delivery.number,
        "channel": delivery.channel,
        "address": delivery.address,
        "template": delivery.template,
        "subject": shown.letter.subject,
        "body": shown.letter.body,
        "data": dict(shown.data),
        "user_id": delivery.user_id,
        "phone": delivery.phone,
        "email": delivery.email,
        "sent_at": sent_at,
    }


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


# --- the daily number of codes ---


async def count_code(tx: Transaction, *, day: date, most: int) -> bool:
    """Counts one more code on this day; False, and nothing is counted, if there have been ``most``."""
    statement = upsert(code_days).values(day=day, sent=1)
    counted = await tx.execute(
        statement.on_conflict_do_update(
            index_elements=[code_days.c.day],
            set_={"sent": code_days.c.sent + 1},
            where=code_days.c.sent < most,
        ).returning(code_days.c.sent)
    )
    return counted.first() is not None


async def forget_days(tx: Transaction, *, before: date) -> None:
    """Deletes the counts of days that are over."""
    await tx.execute(delete(code_days).where(code_days.c.day < before))


# --- a person, as such ---


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
    await tx.execute(delete(deliveries).where(theirs | nobodys))
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
