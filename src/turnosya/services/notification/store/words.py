"""The SQL of what people write to us: each message once, and which of ours it answers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import bindparam, select, text

from turnosya.runtime.database import Transaction
from turnosya.services.notification.store.deliveries import Delivery
from turnosya.services.notification.tables import deliveries

_TAKE = text("INSERT INTO words (provider_id) VALUES (:provider_id) ON CONFLICT DO NOTHING")
# The provider brings a message again for seven days.
_FORGET = text("DELETE FROM words WHERE received_at < clock_timestamp() - CAST(:kept AS interval)")
_KEPT = timedelta(days=8)
_COLUMNS = [deliveries.c[name] for name in Delivery.__dataclass_fields__]
_HAS_ARRIVED = deliveries.c.state.in_(("sent", "delivered", "read", "unknown_outcome"))
_ANSWERED = select(*_COLUMNS).where(
    deliveries.c.provider_id == bindparam("provider_id"), deliveries.c.address == bindparam("phone")
)
_LATEST = (
    select(*_COLUMNS)
    .where(deliveries.c.phone == bindparam("phone"), _HAS_ARRIVED, deliveries.c.lane == "news")
    .order_by(deliveries.c.number.desc())
    .limit(bindparam("limit"))
)


async def take(tx: Transaction, provider_id: str) -> bool:
    """Notes that a message has come; False if it had."""
    return bool((await tx.execute(_TAKE, {"provider_id": provider_id})).rowcount)


async def forget(tx: Transaction) -> None:
    """Deletes what cannot come again."""
    await tx.execute(_FORGET, {"kept": _KEPT})


async def answered(tx: Transaction, provider_id: str, phone: str) -> Delivery | None:
    """The message of ours that is named, if it went to that number."""
    row = (await tx.execute(_ANSWERED, {"provider_id": provider_id, "phone": phone})).mappings().one_or_none()
    return None if row is None else Delivery(**row)


async def latest(tx: Transaction, phone: str, *, limit: int) -> Sequence[Delivery]:
    """What the person with a number was last told, newest first."""
    rows: Any = await tx.execute(_LATEST, {"phone": phone, "limit": limit})
    return [Delivery(**row) for row in rows.mappings()]
