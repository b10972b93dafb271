"""The SQL of deliveries: from an event to what became of it, and what development shows of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal, Self
from uuid import UUID

from sqlalchemy import (
    CursorResult,
    DateTime,
    Integer,
    Select,
    Text,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import insert as upsert

from turnosya.runtime.clock import real_now
from turnosya.runtime.database import Transaction
from turnosya.runtime.ids import new_id
from turnosya.runtime.links import LinkTo
from turnosya.services.notification.rules import Channel, Contact, Reader, Way
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
    ways: Sequence[Way] = ()
    """Where it goes after that, if it does not arrive."""
    sealed: bytes | None = None
    links: Mapping[str, Link] = field(default_factory=dict[str, Link])
    """By the name they have in the message: ``link`` if it is the only one."""
    about_user_id: UUID | None = None
    """Somebody else whom the facts name."""
    turno: tuple[UUID, datetime] | None = None
    """For a reminder: of no use once that turno has another time than this."""
    quiet: tuple[datetime, datetime] | None = None
    """From when to when it is not sent, should it still wait then."""
    refused: str | None = None
    """Why it is kept and not sent."""
    expires_at: datetime | None = None
    fallback_at: datetime | None = None
    """When its next way is tried unless it has arrived by then."""


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
    lane: str
    ways: list[list[str]]
    attempts: int
    claim: UUID | None
    turno_id: UUID | None
    turno_starts_at: datetime | None

    @property
    def links(self) -> dict[str, Link]:
        """The links that are made when it is written, by name."""
        if self.link is None:
            return {}
        # One link alone is how they were stored at first.
        stored = {"link": self.link} if "to" in self.link else self.link
        return {name: Link.of(one) for name, one in stored.items()}


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
        "link": {name: link.stored() for name, link in new.links.items()} or None,
        "about_user_id": new.about_user_id,
        "ways": [list(way) for way in new.ways],
        "turno_id": None if new.turno is None else new.turno[0],
        "turno_starts_at": None if new.turno is None else new.turno[1],
        "quiet_from": None if new.quiet is None else new.quiet[0],
        "quiet_until": None if new.quiet is None else new.quiet[1],
        "state": "suppressed" if new.refused else "queued",
        "reason": new.refused,
        "ended_at": real_now() if new.refused else None,
        "lane": new.lane,
        "expires_at": new.expires_at,
        "fallback_at": None if new.refused else new.fallback_at,
    }


_COLUMNS = [deliveries.c[name] for name in Delivery.__dataclass_fields__]
MAY_BE_READ = or_(
    deliveries.c.quiet_from.is_(None),
    bindparam("now", type_=DateTime(timezone=True)) < deliveries.c.quiet_from,
    deliveries.c.quiet_until <= bindparam("now", type_=DateTime(timezone=True)),
)
"""Its reader has no quiet hours at the instant ``now``."""
_TAKE_WAITING = (
    select(*_COLUMNS)
    .where(
        deliveries.c.lane == bindparam("lane"),
        deliveries.c.channel == func.any(bindparam("channels", type_=ARRAY(Text))),
        deliveries.c.state == "queued",
    )
    .order_by(deliveries.c.number)
    .limit(bindparam("limit", type_=Integer))
    .with_for_update(skip_locked=True)
)


_TAKE_WAITING_READ = _TAKE_WAITING.where(MAY_BE_READ)
_TAKE_WAITING_WITH_WAYS = _TAKE_WAITING.where(
    func.jsonb_array_length(deliveries.c.ways) > 0, deliveries.c.claim.is_(None)
)


async def take_waiting(
    tx: Transaction,
    lane: str,
    channels: Sequence[Channel],
    *,
    limit: int,
    with_ways: bool = False,
    read_at: datetime | None = None,
) -> list[Delivery]:
    """The oldest queued deliveries of a lane, locked; those that another copy is sending are passed over.

    ``with_ways``: only those that have another channel to go to. ``read_at``: only those whose readers have
    no quiet hours then.
    """
    statement = _TAKE_WAITING_WITH_WAYS if with_ways else _TAKE_WAITING
    wanted: dict[str, Any] = {"lane": lane, "channels": list(channels), "limit": limit}
    if read_at is not None:
        statement, wanted["now"] = _TAKE_WAITING_READ, read_at
    rows = await tx.execute(statement, wanted)
    return [Delivery(**row) for row in rows.mappings()]


_END = (
    update(deliveries)
    .where(deliveries.c.id == bindparam("ended_id"))
    .values(
        state=bindparam("state"),
        reason=bindparam("reason"),
        sealed=None,
        fallback_at=None,
        ended_at=func.clock_timestamp(),
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


async def show(tx: Transaction, delivery: Delivery, shown: Shown, *, sent_at: datetime) -> None:
    """Keeps for the development page what a provider has got."""
    await tx.execute(_SHOW, [_message(delivery, shown, sent_at)])


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
    """Takes codes that are of no use any more out of deliveries, and of the messages development shows."""
    await tx.execute(
        update(deliveries)
        .where(deliveries.c.sealed.is_not(None), deliveries.c.expires_at <= expired_at)
        .where(deliveries.c.state != "queued")
        .values(sealed=None)
    )
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
