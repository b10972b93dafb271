"""Sends what is queued, a line at a time, apart from hearing: a killed process leaves its rows to others."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

import structlog

from turnosya.contracts.notification import ForgetOld
from turnosya.runtime.clock import real_now
from turnosya.runtime.messages import Nothing, Unavailable
from turnosya.services.notification import handing, letters, metrics, rules
from turnosya.services.notification.context import CODE_LINE, CODES, MAIL_LINE, PUSH_LINE, WHATSAPP_LINE
from turnosya.services.notification.store import addresses
from turnosya.services.notification.store import deliveries as store
from turnosya.services.notification.store import handing as handing_store
from turnosya.services.notification.store import reminders as reminder_store
from turnosya.services.notification.store import words as words_store

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from turnosya.runtime.database import Transaction
    from turnosya.services.notification.context import Line, Notification
    from turnosya.services.notification.rules import Channel

log = structlog.get_logger()

# Small enough that a lane's transaction is short, large enough that 10,000 reminders need 200 of them.
_BATCH = 50
# Whoever was handed to a provider and has not come back by then was killed on the way: three time-outs.
_LEASE_TIMEOUTS = 3
_WATCH_S = 0.5


async def send_codes(notification: Notification) -> None:
    """The line of codes, for ever."""
    await _run(notification, CODE_LINE)


async def send_whatsapp(notification: Notification) -> None:
    """The line of news by WhatsApp, for ever."""
    await _run(notification, WHATSAPP_LINE)


async def send_cards(notification: Notification) -> None:
    """The line of news by push, for ever."""
    await _run(notification, PUSH_LINE)


async def send_mail(notification: Notification) -> None:
    """The line of news by e-mail, for ever."""
    await _run(notification, MAIL_LINE)


async def forget(notification: Notification, _request: ForgetOld) -> Nothing:
    """The job: deletes what ended long ago, and codes that were shown and have expired."""
    await forget_once(notification)
    return Nothing()


async def forget_once(notification: Notification) -> None:
    """The same, now."""
    now = real_now()
    async with notification.db.transaction() as tx:
        await store.forget(tx, before=now - timedelta(days=notification.settings.deliveries_kept_days))
        await store.hide_codes(tx, expired_at=now)
        await reminder_store.forget_before(tx, notification.clock.now() - reminder_store.KEPT_FOR)
        await words_store.forget(tx)
        await store.forget_days(tx, before=now.date() - timedelta(days=2))
        await addresses.forget_shut(tx)


async def watch(notification: Notification) -> None:
    """Looks after what was handed over and never came back, and what is not delivered in its time."""
    while True:
        try:
            await watch_once(notification)
        except Unavailable:
            log.warning("watch_put_off")
        except Exception:
            log.exception("watch_failed")
        await asyncio.sleep(_WATCH_S)


async def watch_once(notification: Notification) -> None:
    """The same, now."""
    async with notification.db.transaction() as tx:
        lost = await handing_store.lost(tx)
        for delivery in lost:
            log.warning("delivery_claim_lost", delivery_id=str(delivery.id))
            await handing.record(notification, tx, delivery, handing.LOST)
        late = await handing_store.late(tx)
        for delivery in late:
            log.info("delivery_is_late", delivery_id=str(delivery.id), channel=delivery.channel)
            await handing_store.next_way(tx, delivery)
            await handing_store.fell_back(tx, delivery)
    for delivery in (*lost, *late):
        notification.wake(delivery.lane)


async def _run(notification: Notification, line: Line) -> None:
    wake = notification.waiting[line]
    hands: set[asyncio.Task[None]] = set()
    try:
        while True:
            wake.clear()
            wait_s = notification.settings.notification_poll_s
            try:
                wait_s = await _send(notification, line, hands)
            except Unavailable:
                log.warning("deliveries_wait_for_database", lane=line.lane)
            except Exception:
                log.exception("deliveries_failed", lane=line.lane)
            if wait_s > 0:
                try:
                    # Not wait_for: before Python 3.12 it can lose a cancellation that comes with the wake-up.
                    async with asyncio.timeout(wait_s):
                        await wake.wait()
                except TimeoutError:
                    continue
    finally:
        if hands:
            # Told to stop: what a provider is reading now is waited for, else nobody would know of it.
            await asyncio.wait(hands, timeout=notification.settings.provider_timeout_s + 1)


async def _send(notification: Notification, line: Line, hands: set[asyncio.Task[None]]) -> float:
    """Sends some of a line, or begins to; the seconds until the next look, 0 for at once."""
    served: list[Channel] = [channel for channel in line.channels if notification.providers.serves(channel)]
    unserved: list[Channel] = [channel for channel in line.channels if channel not in served]
    wait_s = notification.settings.notification_poll_s
    if unserved:
        show = _show if notification.shows else _without_provider
        if await show(notification, line, unserved) == _BATCH:
            wait_s = 0.0
    for channel in served:
        room = min(_BATCH, notification.settings.hands_at_once - len(hands))
        if room <= 0:
            # Whoever ends wakes us.
            break
        taken = await _claim(notification, line, channel, room)
        wait_s = min(wait_s, taken.wait_s)
        for delivery in taken.deliveries:
            task = asyncio.create_task(handing.hand(notification, delivery))
            hands.add(task)
            task.add_done_callback(partial(_ended, hands, notification.waiting[line]))
    return wait_s


def _ended(hands: set[asyncio.Task[None]], wake: asyncio.Event, task: asyncio.Task[None]) -> None:
    hands.discard(task)
    wake.set()


@dataclass(frozen=True, slots=True)
class _Taken:
    """What was claimed to be handed over, and after how long it is worth looking for more."""

    wait_s: float
    deliveries: Sequence[store.Delivery] = ()


async def _claim(notification: Notification, line: Line, channel: Channel, room: int) -> _Taken:
    settings = notification.settings
    is_code, is_paced = line.lane == CODES, channel == "whatsapp"
    pace = rules.pace_of(line.lane, settings.whatsapp_per_s)
    nothing = _Taken(settings.notification_poll_s)
    async with notification.db.transaction() as tx:
        outlook = await addresses.outlook(tx, channel)
        if (outlook.paused_for or "").startswith(handing.STOPPED):
            await _elsewhere(tx, line, channel)
            return nothing
        if outlook.paused_for is not None and not is_code:
            return nothing
        if is_paced and not pace.room(outlook.ahead_s):
            # News gathers as much as may go at once, a code goes as soon as one may.
            return _Taken(pace.wait_s(outlook.ahead_s, 1 if is_code else pace.depth))
        waiting = await handing_store.waiting(
            tx,
            line.lane,
            [channel],
            limit=room,
            read_at=notification.clock.now(),
            apart_s=settings.whatsapp_one_per_s if is_paced and not is_code else 0.0,
        )
        outdated = await _outdated(notification, tx, waiting)
        for delivery in waiting:
            if delivery.id in outdated:
                await handing_store.end(tx, delivery, state="suppressed", reason="turno_changed")
        chosen = [delivery for delivery in waiting if delivery.id not in outdated]
        if is_paced and chosen:
            # The last lock that is taken: who holds it holds up every copy.
            chosen = chosen[: await addresses.take_room(tx, channel, pace=pace, wanted=len(chosen))]
        claimed: Sequence[store.Delivery] = ()
        if chosen:
            lease_s = settings.provider_timeout_s * _LEASE_TIMEOUTS
            claimed = await handing_store.claim(tx, chosen, lease_s=lease_s)
    return _Taken(0.0, claimed) if waiting else nothing


async def _outdated(notification: Notification, tx: Transaction, waiting: list[store.Delivery]) -> set[UUID]:
    """Reminders whose turno has changed since they were queued."""
    about_turnos = [delivery.id for delivery in waiting if delivery.turno_id is not None]
    return await reminder_store.outdated(tx, about_turnos, now=notification.clock.now())


async def _elsewhere(tx: Transaction, line: Line, channel: Channel) -> None:
    """A channel whose account does not work is not waited for where there is another."""
    for delivery in await store.take_waiting(tx, line.lane, [channel], limit=_BATCH, with_ways=True):
        await handing_store.next_way(tx, delivery)
        await handing_store.end(tx, delivery, state="failed", reason="channel_stopped")


async def _without_provider(notification: Notification, line: Line, channels: list[Channel]) -> int:
    """Ends what cannot be sent; what was not sent is not called sent."""
    async with notification.db.transaction() as tx:
        waiting = await store.take_waiting(tx, line.lane, channels, limit=_BATCH)
        for delivery in waiting:
            moved = await handing_store.next_way(tx, delivery)
            await handing_store.end(tx, delivery, state="failed", reason="no_provider")
            metrics.outcomes.labels(delivery.channel, "no_provider").inc()
            if not moved:
                log.error(
                    "delivery_failed",
                    delivery_id=str(delivery.id),
                    channel=delivery.channel,
                    why="no_provider",
                )
    if waiting:
        notification.wake(line.lane)
    return len(waiting)


async def _show(notification: Notification, line: Line, channels: list[Channel]) -> int:
    """Ends a batch of a lane's deliveries on the page of development and says how many.

    Showing a message and noting it as sent are one transaction: exactly once.
    """
    async with notification.db.transaction() as tx:
        waiting = await store.take_waiting(
            tx, line.lane, channels, limit=_BATCH, read_at=notification.clock.now()
        )
        outdated = await _outdated(notification, tx, waiting)
        ends = [
            store.Ended(delivery, "suppressed", "turno_changed")
            if delivery.id in outdated
            else _shown(notification, delivery)
            for delivery in waiting
        ]
        await store.end(tx, ends, sent_at=notification.clock.now())
    return len(ends)


def _shown(notification: Notification, delivery: store.Delivery) -> store.Ended:
    if rules.has_expired(delivery.expires_at, real_now=real_now()):
        return store.Ended(delivery, "suppressed", "expired")
    written = letters.write(notification, delivery)
    if written is None:
        return store.Ended(delivery, "failed", "not_written")
    metrics.outcomes.labels(delivery.channel, "shown").inc()
    return store.Ended(delivery, "sent", shown=store.Shown(written.letter, written.data))
