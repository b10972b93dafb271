"""What the provider's webhook says: receipts move deliveries forwards, and people answer."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any
from uuid import UUID

import structlog

from turnosya.services.notification import handing, metrics, replies
from turnosya.services.notification.channels.outcome import Outcome, mapping, mappings
from turnosya.services.notification.channels.whatsapp_errors import outcome_of
from turnosya.services.notification.store import handing as store
from turnosya.services.notification.store.handing import Receipt

if TYPE_CHECKING:
    from pydantic import SecretStr

    from turnosya.runtime.database import Transaction
    from turnosya.services.notification.context import Notification
    from turnosya.services.notification.store.deliveries import Delivery

log = structlog.get_logger()

_STATES = frozenset({"sent", "delivered", "read", "failed"})


def is_ours(notification: Notification, token: str) -> bool:
    """Whether this is the text that the webhook was registered with."""
    return _equal(notification.settings.whatsapp_verify_token, token)


def is_signed(notification: Notification, body: bytes, signature: str) -> bool:
    """Whether the provider signed these very bytes: HMAC-SHA-256 by the app's secret, in constant time."""
    secret = notification.settings.whatsapp_app_secret
    if secret is None:
        return False
    signed = hmac.new(secret.get_secret_value().encode(), body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(f"sha256={signed}".encode(), signature.encode("utf-8", "replace"))


def _equal(secret: SecretStr | None, given: str) -> bool:
    return secret is not None and hmac.compare_digest(
        secret.get_secret_value().encode(), given.encode("utf-8", "replace")
    )


async def take(notification: Notification, body: bytes) -> None:
    """Stores all that one call of the webhook brings, in one transaction.

    What it does not understand it leaves: the provider would send the same again for seven days.
    """
    try:
        found: Any = json.loads(body)
    except (ValueError, RecursionError):
        log.warning("webhook_not_understood")
        return
    # By id, so that two calls that bring the same in another order do not wait for each other in a ring.
    receipts = sorted(_receipts(found), key=lambda one: (str(one.id), one.provider_id))
    words = sorted(replies.words_in(_values(found)), key=lambda one: one.provider_id)
    lanes: set[str] = set()
    async with notification.db.transaction() as tx:
        for word in words:
            await replies.take(tx, word)
        for receipt in receipts:
            delivery = await store.receive(tx, receipt)
            metrics.receipts.labels(receipt.state, "none" if delivery is None else "moved").inc()
            if delivery is not None and receipt.state == "failed":
                log.info("delivery_failed_later", delivery_id=str(delivery.id), why=receipt.reason)
                await _went_wrong(notification, tx, delivery, receipt)
                lanes.add(delivery.lane)
    for lane in lanes:
        notification.wake(lane)


async def _went_wrong(
    notification: Notification, tx: Transaction, delivery: Delivery, receipt: Receipt
) -> None:
    code = int(receipt.reason.removeprefix("whatsapp_")) if receipt.reason else None
    outcome = outcome_of(code)
    if outcome.kind == "again":
        # The provider took it and could not: what is told now is that it did not arrive.
        outcome = Outcome("elsewhere", outcome.reason)
    await handing.record(notification, tx, delivery, outcome)


def _values(found: object) -> Iterator[Mapping[str, Any]]:
    for entry in mappings((mapping(found) or {}).get("entry")):
        for change in mappings(entry.get("changes")):
            value = mapping(change.get("value"))
            if change.get("field") == "messages" and value is not None:
                yield value


def _receipts(found: object) -> Iterator[Receipt]:
    for value in _values(found):
        for status in mappings(value.get("statuses")):
            receipt = _receipt(status)
            if receipt is not None:
                yield receipt


def _receipt(status: Mapping[str, Any]) -> Receipt | None:
    state, provider_id = status.get("status"), status.get("id")
    at = replies.instant_of(status.get("timestamp"))
    if state not in _STATES or not isinstance(provider_id, str) or at is None:
        return None
    reason = None
    if state == "failed":
        code = next((one.get("code") for one in mappings(status.get("errors"))), None)
        reason = f"whatsapp_{code}" if isinstance(code, int) else None
    return Receipt(_id(status.get("biz_opaque_callback_data")), provider_id[:200], state, at, reason)


def _id(given: object) -> UUID | None:
    try:
        return UUID(given) if isinstance(given, str) else None
    except ValueError:
        return None
