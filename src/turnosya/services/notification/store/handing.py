"""The SQL of handing deliveries to providers: claims, outcomes, the next channel, receipts.

Claims and waits are on the time of this server. A row is changed only by whoever holds its claim, or by a
receipt, which only moves it forwards.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, func, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Text, Uuid

from turnosya.runtime.database import Transaction
from turnosya.runtime.ids import new_id
from turnosya.services.notification.rules import Channel
from turnosya.services.notification.store import addresses
from turnosya.services.notification.store.deliveries import MAY_BE_READ, Delivery
from turnosya.services.notification.tables import deliveries

_QUEUED = (
    deliveries.c.lane == bindparam("lane"),
    deliveries.c.channel == func.any(bindparam("channels", type_=ARRAY(Text))),
    deliveries.c.state == "queued",
    deliveries.c.claim.is_(None),
    (deliveries.c.retry_at.is_(None)) | (deliveries.c.retry_at <= func.clock_timestamp()),
    MAY_BE_READ,
)
_COLUMNS = [deliveries.c[name] for name in Delivery.__dataclass_fields__]
_LATELY = text(
    "NOT EXISTS (SELECT 1 FROM deliveries lately WHERE lately.channel = 'whatsapp'"
    " AND lately.address = deliveries.address"
    " AND lately.handed_at > clock_timestamp() - make_interval(secs => :apart_s))"
)
_CANDIDATES = (
    select(*_COLUMNS)
    .where(*_QUEUED)
    .order_by(deliveries.c.number)
    .limit(bindparam("limit"))
    .with_for_update(skip_locked=True)
)
_CANDIDATES_APART = _CANDIDATES.where(_LATELY)
_CLAIM = text(
    "UPDATE deliveries SET claim = :claim, handed_at = clock_timestamp(), attempts = attempts + 1,"
    " claimed_until = clock_timestamp() + make_interval(secs => :lease_s) WHERE id = ANY(:ids)"
).bindparams(bindparam("ids", type_=ARRAY(Uuid)))

# A provider that gives one id twice is wrong, and its messages have gone all the same.
_FREE_PROVIDER_ID = (
    "CASE WHEN provider_id IS NULL AND NOT EXISTS (SELECT 1 FROM deliveries other"
    " WHERE other.provider_id = CAST(:provider_id AS text)) THEN CAST(:provider_id AS text)"
    " ELSE provider_id END"
)
# A receipt may have been faster than we are: then its state stays.
_SENT = text(
    f"""
    UPDATE deliveries SET
        state = CASE WHEN state IN ('queued', 'unknown_outcome') THEN 'sent' ELSE state END,
        reason = NULL, claim = NULL, claimed_until = NULL, retry_at = NULL,
        provider_id = {_FREE_PROVIDER_ID},
        ended_at = coalesce(ended_at, clock_timestamp()),
        fallback_at = CASE WHEN state = 'queued' AND CAST(:fallback_s AS float8) > 0 AND ways <> '[]'
                           THEN clock_timestamp() + make_interval(secs => :fallback_s) END,
        sealed = CASE WHEN state = 'queued' AND CAST(:fallback_s AS float8) > 0 AND ways <> '[]'
                      THEN sealed END
    WHERE id = :id AND claim = :claim
    """  # noqa: S608 - constants of this file
)
_AGAIN = text(
    "UPDATE deliveries SET claim = NULL, claimed_until = NULL, reason = :reason,"
    " retry_at = clock_timestamp() + make_interval(secs => :after_s)"
    " WHERE id = :id AND claim IS NOT DISTINCT FROM :claim"
)
_END = text(
    "UPDATE deliveries SET state = CASE WHEN state = 'queued' THEN :state ELSE state END,"
    " reason = CASE WHEN state = 'queued' THEN :reason ELSE reason END,"
    " claim = NULL, claimed_until = NULL, retry_at = NULL, fallback_at = NULL, sealed = NULL,"
    " ended_at = coalesce(ended_at, clock_timestamp())"
    " WHERE id = :id AND claim IS NOT DISTINCT FROM :claim"
)
_NEXT = text(
    """
    INSERT INTO deliveries (id, occasion, person, channel, template, reader, locale, address, user_id, phone,
        email, facts, data, sealed, link, about_user_id, lane, expires_at, ways, turno_id, turno_starts_at,
        quiet_from, quiet_until, fallback_at)
    SELECT :new_id, occasion, person, :channel, template, reader, locale, :address, user_id, phone, email,
        facts, data, sealed, link, about_user_id, lane, expires_at, CAST(:ways AS jsonb), turno_id,
        turno_starts_at, quiet_from, quiet_until, NULL
    FROM deliveries WHERE id = :id
    ON CONFLICT ON CONSTRAINT one_delivery_each DO NOTHING
    """
)
_LOST = (
    select(*_COLUMNS)
    .where(deliveries.c.claim.is_not(None), deliveries.c.claimed_until < func.clock_timestamp())
    .limit(100)
    .with_for_update(skip_locked=True)
)
_LATE = (
    select(*_COLUMNS)
    .where(deliveries.c.fallback_at <= func.clock_timestamp())
    .limit(100)
    .with_for_update(skip_locked=True)
)
# One that waits ends here; one that a provider has, or is getting now, may still arrive.
_FELL_BACK = text(
    "UPDATE deliveries SET fallback_at = NULL, sealed = CASE WHEN claim IS NULL THEN NULL ELSE sealed END,"
    " state = CASE WHEN state = 'queued' AND claim IS NULL THEN 'failed' ELSE state END,"
    " reason = CASE WHEN state = 'queued' AND claim IS NULL THEN 'too_slow' ELSE reason END,"
    " ended_at = CASE WHEN state = 'queued' AND claim IS NULL THEN clock_timestamp() ELSE ended_at END"
    " WHERE id = :id"
)
_RANK = (
    "CASE {0} WHEN 'queued' THEN 0 WHEN 'unknown_outcome' THEN 1 WHEN 'sent' THEN 2 WHEN 'failed' THEN 3"
    " WHEN 'delivered' THEN 4 WHEN 'read' THEN 5 ELSE 9 END"
)
_RECEIPT = text(
    f"""
    UPDATE deliveries SET state = :state,
        reason = CASE WHEN :state = 'failed' THEN CAST(:reason AS text) END,
        provider_id = {_FREE_PROVIDER_ID},
        delivered_at = CASE WHEN :state = 'delivered' THEN :at
                            WHEN :state = 'read' THEN coalesce(delivered_at, :at) ELSE delivered_at END,
        read_at = CASE WHEN :state = 'read' THEN :at ELSE read_at END,
        ended_at = coalesce(ended_at, clock_timestamp()),
        retry_at = NULL,
        fallback_at = CASE WHEN :state = 'sent' THEN fallback_at END
    WHERE (id = CAST(:id AS uuid) OR CAST(:id AS uuid) IS NULL AND provider_id = :provider_id)
      AND channel = 'whatsapp'
      AND ({_RANK.format("state")}) < ({_RANK.format("CAST(:state AS text)")})
    RETURNING id
    """  # noqa: S608 - constants of this file
)
_DELIVERED_LATER = text(
    "UPDATE deliveries SET delivered_at = least(delivered_at, :at)"
    " WHERE (id = CAST(:id AS uuid) OR CAST(:id AS uuid) IS NULL AND provider_id = :provider_id)"
    " AND channel = 'whatsapp' AND state = 'read'"
)
_BY_ID = select(*_COLUMNS).where(deliveries.c.id == bindparam("id"))


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a provider says became of a message; known by our id, or by theirs where ours is missing."""

    id: UUID | None
    provider_id: str
    state: str
    at: datetime
    reason: str | None = None


async def waiting(
    tx: Transaction,
    lane: str,
    channels: Sequence[Channel],
    *,
    limit: int,
    read_at: datetime,
    apart_s: float = 0.0,
) -> list[Delivery]:
    """Queued deliveries, oldest first, that nobody else claims while this transaction lasts.

    None whose reader has quiet hours at ``read_at``. At most one for each address; none where ``apart_s``
    seconds have not passed since the last one there.
    """
    wanted: dict[str, Any] = {"lane": lane, "channels": list(channels), "limit": limit, "now": read_at}
    statement = _CANDIDATES
    if apart_s > 0:
        statement, wanted["apart_s"] = _CANDIDATES_APART, apart_s
    rows = await tx.execute(statement, wanted)
    chosen: dict[tuple[str, str], Delivery] = {}
    for row in rows.mappings():
        chosen.setdefault((row["channel"], row["address"]), Delivery(**row))
    return list(chosen.values())


async def claim(tx: Transaction, chosen: Sequence[Delivery], *, lease_s: float) -> list[Delivery]:
    """Takes what ``waiting`` found, to be handed over at once; nobody else has it until the lease is over."""
    claim_id = new_id()
    await tx.execute(
        _CLAIM, {"claim": claim_id, "lease_s": lease_s, "ids": [delivery.id for delivery in chosen]}
    )
    return [replace(delivery, claim=claim_id, attempts=delivery.attempts + 1) for delivery in chosen]


async def sent(tx: Transaction, delivery: Delivery, *, provider_id: str | None, fallback_s: float) -> bool:
    """The provider has it; False when somebody else has taken it over meanwhile."""
    done = await tx.execute(
        _SENT,
        {
            "id": delivery.id,
            "claim": delivery.claim,
            "provider_id": provider_id,
            "fallback_s": fallback_s,
        },
    )
    return bool(done.rowcount)


async def again(tx: Transaction, delivery: Delivery, *, after_s: float, reason: str) -> None:
    """It stays queued, and is not looked at before then."""
    await tx.execute(
        _AGAIN, {"id": delivery.id, "claim": delivery.claim, "after_s": after_s, "reason": reason}
    )


async def end(tx: Transaction, delivery: Delivery, *, state: str, reason: str) -> None:
    """It is over, unless a receipt has said better."""
    await tx.execute(_END, {"id": delivery.id, "claim": delivery.claim, "state": state, "reason": reason})


async def next_way(tx: Transaction, delivery: Delivery) -> bool:
    """Queues the same on the next of its ways that may be used; whether there was one.

    To be done before what it replaces is ended: a code is taken from there.
    """
    shut = await addresses.shut(tx, [(_channel(way[0]), way[1]) for way in delivery.ways])
    ways = [way for way in delivery.ways if (way[0], way[1]) not in shut]
    if not ways:
        return False
    await tx.execute(
        _NEXT,
        {
            "id": delivery.id,
            "new_id": new_id(),
            "channel": ways[0][0],
            "address": ways[0][1],
            "ways": _json(ways[1:]),
        },
    )
    return True


def _channel(name: str) -> Channel:
    return "whatsapp" if name == "whatsapp" else "email" if name == "email" else "push"


def _json(ways: Sequence[Sequence[str]]) -> str:
    return json.dumps([list(way) for way in ways])


async def lost(tx: Transaction) -> list[Delivery]:
    """Those whose claim has run out: whoever handed them over was killed, or never came back."""
    return [Delivery(**row) for row in (await tx.execute(_LOST)).mappings()]


async def late(tx: Transaction) -> list[Delivery]:
    """Those that have not been delivered in the time they had."""
    return [Delivery(**row) for row in (await tx.execute(_LATE)).mappings()]


async def fell_back(tx: Transaction, delivery: Delivery) -> None:
    """Another channel has been tried; this one is not waited for any more."""
    await tx.execute(_FELL_BACK, {"id": delivery.id})


async def receive(tx: Transaction, receipt: Receipt) -> Delivery | None:
    """Moves a delivery forwards; the delivery, if that changed anything."""
    values = {
        "id": receipt.id,
        "provider_id": receipt.provider_id,
        "state": receipt.state,
        "at": receipt.at,
    }
    found = (await tx.execute(_RECEIPT, {**values, "reason": receipt.reason})).scalar_one_or_none()
    if found is None:
        if receipt.state == "delivered":
            # It came after ``read``: when it was delivered is still worth knowing.
            values.pop("state")
            await tx.execute(_DELIVERED_LATER, values)
        return None
    return Delivery(**(await tx.execute(_BY_ID, {"id": found})).mappings().one())


_GIVE_UP = text(
    "SELECT id FROM deliveries WHERE channel = :channel AND address = :address AND lane = 'news'"
    " AND state = 'queued' AND claim IS NULL FOR UPDATE SKIP LOCKED"
)


async def queued_to(tx: Transaction, channel: Channel, address: str) -> list[Delivery]:
    """News that waits to go to an address."""
    rows = await tx.execute(_GIVE_UP, {"channel": channel, "address": address})
    return [
        Delivery(**(await tx.execute(_BY_ID, {"id": id_})).mappings().one()) for id_ in rows.scalars().all()
    ]
