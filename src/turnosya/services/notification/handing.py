"""Hands one delivery to its provider, and writes down what became of it.

The claim is stored before the provider is asked, the outcome after. Whoever is killed between the two
leaves a claim that runs out: then nobody knows, and only a code is handed over once more. A database that
is away is waited for, since then somebody does know.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING

import structlog

from turnosya.contracts.users import DropDevice
from turnosya.runtime.clock import real_now
from turnosya.runtime.messages import Unavailable
from turnosya.runtime.outlasting import outlast
from turnosya.services.notification import letters, metrics, rules, telling
from turnosya.services.notification.channels.outcome import Outcome, Outgoing
from turnosya.services.notification.context import CODES
from turnosya.services.notification.store import addresses
from turnosya.services.notification.store import deliveries as store
from turnosya.services.notification.store import handing as handing_store

if TYPE_CHECKING:
    from collections.abc import Sequence

    from turnosya.contracts.users import Device
    from turnosya.runtime.database import Transaction
    from turnosya.services.notification.context import Notification
    from turnosya.services.notification.rules import Channel
    from turnosya.services.notification.store.deliveries import Delivery

log = structlog.get_logger()

LOST = Outcome("unknown", "worker_lost")
STOPPED = "stopped:"
_UNKNOWN_AGAIN_S = 1.0
# With two requests it is less than the three time-outs after which a claim is lost.
_SHARE_TO_WAIT, _LEAST_WAIT_S = 0.8, 0.005


async def hand(notification: Notification, delivery: Delivery) -> None:
    """Hands over what is claimed; whatever happens on the way is an outcome."""
    written = None
    try:
        if rules.has_expired(delivery.expires_at, real_now=real_now()):
            await _end(notification, delivery, "suppressed", "expired")
            return
        written = letters.write(notification, delivery)
        if written is None:
            await _end(notification, delivery, "failed", "not_written")
            return
        outcome = await _outcome(notification, delivery, written)
        await outlast(
            partial(_record, notification, delivery, outcome, written),
            within_s=notification.settings.provider_timeout_s,
        )
    except Unavailable:
        # The claim runs out, and then it is known that nothing is known.
        log.warning("delivery_outcome_lost", delivery_id=str(delivery.id))
        return
    except Exception:
        log.exception("delivery_hand_failed", delivery_id=str(delivery.id), channel=delivery.channel)
        return
    await _drop(notification, outcome.gone)
    if outcome.kind != "sent":
        notification.wake(delivery.lane)


async def _record(
    notification: Notification, delivery: Delivery, outcome: Outcome, written: letters.Written
) -> None:
    async with notification.db.transaction() as tx:
        await record(notification, tx, delivery, outcome, written=written)


async def _outcome(notification: Notification, delivery: Delivery, written: letters.Written) -> Outcome:
    devices: Sequence[Device] = ()
    if delivery.channel == "push" and delivery.user_id is not None:
        try:
            reach = await telling.reaches(notification, [delivery.user_id])
        except Unavailable:
            return Outcome("again", "users_away")
        devices = reach[delivery.user_id].devices if delivery.user_id in reach else ()
    message = Outgoing(
        delivery_id=delivery.id,
        address=delivery.address,
        template=delivery.template,
        reader=delivery.reader,
        locale=delivery.locale,
        letter=written.letter,
        data=written.data,
        code=written.code,
        expires_at=delivery.expires_at,
        devices=devices,
    )
    outcome = await _send(notification, delivery.channel, message)
    if outcome.instead is None:
        return outcome
    # Room was taken for one request, and this is another.
    if not await _has_room(notification, delivery):
        return Outcome("again", "no_room")
    return await _send(notification, delivery.channel, replace(message, address=outcome.instead))


async def _send(notification: Notification, channel: Channel, message: Outgoing) -> Outcome:
    began = monotonic()
    outcome = await notification.providers.send(channel, message)
    metrics.provider_seconds.labels(channel).observe(monotonic() - began)
    return outcome


async def _has_room(notification: Notification, delivery: Delivery) -> bool:
    """Takes room for one more request, and waits for it a part of the time that a provider may take."""
    settings = notification.settings
    pace = rules.pace_of(delivery.lane, settings.whatsapp_per_s)
    until = monotonic() + settings.provider_timeout_s * _SHARE_TO_WAIT
    while True:
        async with notification.db.transaction() as tx:
            if await addresses.take_room(tx, delivery.channel, pace=pace, wanted=1):
                return True
            outlook = await addresses.outlook(tx, delivery.channel)
        wait_s = max(pace.wait_s(outlook.ahead_s, 1), _LEAST_WAIT_S)
        if monotonic() + wait_s > until:
            return False
        await asyncio.sleep(wait_s)


async def _end(notification: Notification, delivery: Delivery, state: str, reason: str) -> None:
    async with notification.db.transaction() as tx:
        await handing_store.end(tx, delivery, state=state, reason=reason)


async def _drop(notification: Notification, tokens: Sequence[str]) -> None:
    for token in tokens:
        try:
            await notification.bus.call(DropDevice(token=token))
        except Unavailable:
            # The provider says so again with the next card.
            log.info("device_not_dropped")


async def record(
    notification: Notification,
    tx: Transaction,
    delivery: Delivery,
    outcome: Outcome,
    *,
    written: letters.Written | None = None,
) -> None:
    """Writes what became of a delivery, and queues it on its next channel where that is what follows."""
    metrics.outcomes.labels(delivery.channel, outcome.kind).inc()
    if outcome.kind == "sent":
        fallback_s = _fallback_s(notification, delivery)
        is_ours = await handing_store.sent(
            tx, delivery, provider_id=outcome.provider_id, fallback_s=fallback_s
        )
        if is_ours and notification.shows and written is not None:
            # In development the page shows all that was sent, whoever sent it.
            await store.show(
                tx, delivery, store.Shown(written.letter, written.data), sent_at=notification.clock.now()
            )
        return
    log.info(
        "delivery_not_sent",
        delivery_id=str(delivery.id),
        channel=delivery.channel,
        outcome=outcome.kind,
        why=outcome.reason,
    )
    if outcome.kind == "again":
        await _again(tx, delivery, outcome)
    elif outcome.kind == "unknown":
        await _unknown(tx, delivery, outcome)
    elif outcome.kind == "stopped":
        await _stopped(notification, tx, delivery, outcome)
    else:
        if outcome.kind == "refused":
            log.error(
                "provider_refused_ours",
                delivery_id=str(delivery.id),
                channel=delivery.channel,
                template=delivery.template,
                why=outcome.reason,
            )
        if outcome.shut_days is not None:
            rest = timedelta(days=outcome.shut_days) if outcome.shut_days else None
            await addresses.shut_now(tx, delivery.channel, delivery.address, reason=outcome.reason, rest=rest)
        await give_up(tx, delivery, outcome.reason)


def _fallback_s(notification: Notification, delivery: Delivery) -> float:
    """How long what was handed over may take to arrive before its next channel is tried; 0 for ever.

    News is only waited for where WhatsApp tells us what arrived: elsewhere all of it would be late.
    """
    settings = notification.settings
    if delivery.lane == CODES:
        return settings.code_fallback_s
    is_told = delivery.channel == "whatsapp" and settings.whatsapp_app_secret is not None
    return settings.news_fallback_s if is_told and rules.matters(delivery.template) else 0.0


async def give_up(tx: Transaction, delivery: Delivery, reason: str) -> None:
    """It does not arrive on this channel: the next one is tried, if there is any."""
    await handing_store.next_way(tx, delivery)
    await handing_store.end(tx, delivery, state="failed", reason=reason)


async def _again(tx: Transaction, delivery: Delivery, outcome: Outcome) -> None:
    if outcome.rests and outcome.after_s is not None:
        log.warning("channel_is_slowed", channel=delivery.channel, why=outcome.reason, rest_s=outcome.after_s)
        await addresses.pause(
            tx, delivery.channel, rest=timedelta(seconds=outcome.after_s), reason=outcome.reason
        )
    after_s = rules.retry_delay_s(delivery.lane, delivery.attempts, asked_s=outcome.after_s)
    if after_s is None or rules.has_expired(
        delivery.expires_at, real_now=real_now() + timedelta(seconds=after_s)
    ):
        await give_up(tx, delivery, outcome.reason)
        return
    await handing_store.again(tx, delivery, after_s=after_s, reason=outcome.reason)


async def _unknown(tx: Transaction, delivery: Delivery, outcome: Outcome) -> None:
    if rules.may_hand_again(delivery.lane, delivery.attempts):
        await handing_store.again(tx, delivery, after_s=_UNKNOWN_AGAIN_S, reason=outcome.reason)
        return
    if rules.goes_on_unknown(delivery.lane, delivery.template):
        await handing_store.next_way(tx, delivery)
    await handing_store.end(tx, delivery, state="unknown_outcome", reason=outcome.reason)


async def _stopped(notification: Notification, tx: Transaction, delivery: Delivery, outcome: Outcome) -> None:
    rest_s = notification.settings.provider_rest_s
    log.error("channel_is_stopped", channel=delivery.channel, why=outcome.reason, rest_s=rest_s)
    await addresses.pause(
        tx, delivery.channel, rest=timedelta(seconds=rest_s), reason=STOPPED + outcome.reason
    )
    moved = await handing_store.next_way(tx, delivery)
    again_at = real_now() + timedelta(seconds=rest_s)
    if moved or rules.has_expired(delivery.expires_at, real_now=again_at):
        await handing_store.end(tx, delivery, state="failed", reason=outcome.reason)
    else:
        await handing_store.again(tx, delivery, after_s=rest_s, reason=outcome.reason)
