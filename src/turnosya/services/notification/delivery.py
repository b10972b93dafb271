"""Sends what is queued, a lane at a time, apart from hearing: a killed process leaves its rows to others."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from math import ceil
from typing import TYPE_CHECKING, Any

import structlog
from jinja2 import TemplateError

from turnosya.contracts.auth import CodeRequested
from turnosya.runtime.clock import real_now
from turnosya.runtime.messages import Unavailable
from turnosya.services.notification import rules, store, wording
from turnosya.services.notification.context import CODES, NEWS

if TYPE_CHECKING:
    from datetime import datetime

    from turnosya.services.notification.context import Notification

log = structlog.get_logger()

# Small enough that a lane's transaction is short, large enough that 10,000 reminders need 200 of them.
_BATCH = 50
# So a code that was shown in development is readable for a minute longer than it lives, at most.
_FORGET_S = 60.0


async def send_codes(notification: Notification) -> None:
    """The lane of codes, for ever."""
    await _run(notification, CODES)


async def send_news(notification: Notification) -> None:
    """The lane of all else, for ever."""
    await _run(notification, NEWS)


async def forget(notification: Notification) -> None:
    """Deletes what ended long ago, and codes that were shown and have expired, once a minute."""
    while True:
        try:
            await forget_once(notification)
        except Unavailable:
            log.warning("forgetting_put_off")
        await asyncio.sleep(_FORGET_S)


async def forget_once(notification: Notification) -> None:
    """The same, now."""
    now = real_now()
    async with notification.db.transaction() as tx:
        await store.forget(tx, before=now - timedelta(days=notification.settings.deliveries_kept_days))
        await store.hide_codes(tx, expired_at=now)
        await store.forget_days(tx, before=now.date() - timedelta(days=2))


async def _run(notification: Notification, lane: str) -> None:
    wake = notification.waiting[lane]
    while True:
        wake.clear()
        ended = 0
        try:
            ended = await send_waiting(notification, lane)
        except Unavailable:
            log.warning("deliveries_wait_for_database", lane=lane)
        except Exception:
            log.exception("deliveries_failed", lane=lane)
        if ended < _BATCH:
            try:
                # Not wait_for: before Python 3.12 it can lose a cancellation that comes with the wake-up.
                async with asyncio.timeout(notification.settings.notification_poll_s):
                    await wake.wait()
            except TimeoutError:
                continue


async def send_waiting(notification: Notification, lane: str) -> int:
    """Ends a batch of a lane's deliveries and says how many.

    In development showing a message and noting it as sent are one transaction: exactly once.
    """
    async with notification.db.transaction() as tx:
        waiting = await store.take_waiting(tx, lane, limit=_BATCH)
        ends = [_ended(notification, delivery) for delivery in waiting]
        await store.end(tx, ends, sent_at=notification.clock.now())
    return len(ends)


def _ended(notification: Notification, delivery: store.Delivery) -> store.Ended:
    now = real_now()
    if rules.has_expired(delivery.expires_at, real_now=now):
        return store.Ended(delivery, "suppressed", "expired")
    if not notification.shows:
        # Providers are not connected yet: what was not sent is not called sent.
        log.error(
            "delivery_failed", delivery_id=str(delivery.id), channel=delivery.channel, why="no_provider"
        )
        return store.Ended(delivery, "failed", "no_provider")
    try:
        secrets = _opened(notification, delivery, now)
        letter = wording.write(
            delivery.template,
            delivery.reader,
            delivery.channel,
            locale=delivery.locale,
            facts={**delivery.facts, **secrets},
        )
    except (TemplateError, LookupError, ValueError):
        log.exception("delivery_failed", delivery_id=str(delivery.id), template=delivery.template)
        return store.Ended(delivery, "failed", "not_written")
    data = dict(delivery.data)
    data |= {name: secrets[name] for name in ("code", "link") if name in secrets}
    return store.Ended(delivery, "sent", shown=store.Shown(letter, data))


def _opened(notification: Notification, delivery: store.Delivery, now: datetime) -> dict[str, Any]:
    if delivery.link is not None:
        link = store.Link.of(delivery.link)
        return {"link": notification.links.address(link.to, link.subject, expires_at=link.expires_at)}
    if delivery.sealed is None:
        return {}
    event = notification.bus.decode(CodeRequested, delivery.sealed)
    assert isinstance(event, CodeRequested)  # noqa: S101 - decoded as such
    return {"code": event.code, "minutes": max(1, ceil((event.expires_at - now).total_seconds() / 60))}
