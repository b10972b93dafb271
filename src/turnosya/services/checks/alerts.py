"""Alerts: raised once however many copies see it, told to admins, closed when it is over."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import structlog

from turnosya.contracts.checks import AlertCleared, AlertRaised
from turnosya.contracts.jobs import ScheduleMissed
from turnosya.runtime.clock import real_now
from turnosya.runtime.ids import new_id
from turnosya.runtime.messages import Unavailable
from turnosya.services.checks import alarms, processes
from turnosya.services.checks.metrics import alerts_open, alerts_raised
from turnosya.services.checks.store import alerts as store

if TYPE_CHECKING:
    from turnosya.runtime.database import Transaction
    from turnosya.services.checks.alarms import Key
    from turnosya.services.checks.context import Checks
    from turnosya.services.checks.store.alerts import Alert

log = structlog.get_logger()

QUIET_S = 600.0
"""The same is told again after so long at the earliest."""
KINDS = ("process_dead", "service_down", "queue_unheard", "dependency_away", "schedule_missed")


async def look(checks: Checks) -> None:
    """Compares what is wrong with what is raised."""
    await processes.look_at_queues(checks)
    can_judge = processes.can_judge(checks)
    if can_judge:
        try:
            await _settle(checks)
        except Unavailable:
            log.warning("alerts_put_off")
    processes.tidy(checks)


async def _settle(checks: Checks) -> None:
    now, lives = real_now(), list(checks.lives.values())
    verdict = alarms.judge(lives, checks.seen, checks.unheard, now=now)
    async with checks.db.read() as tx:
        there = await store.read_open(tx)
    for key in verdict.wrong.keys() - {one.key for one in there}:
        await _raise(checks, key, since=verdict.wrong[key])
    for one in there:
        if alarms.is_over(one.key, verdict, lives, since=one.since, now=now):
            await _clear(checks, one)
    for kind in KINDS:
        alerts_open.labels(kind).set(sum(key[0] == kind for key in verdict.wrong))


async def _raise(checks: Checks, key: Key, *, since: datetime) -> None:
    async with checks.db.transaction() as tx:
        await _raise_in(tx, key, since=since)


async def _raise_in(tx: Transaction, key: Key, *, since: datetime, passes: bool = False) -> None:
    raised = await store.raise_one(tx, new_id(), key, since=since, quiet_s=QUIET_S, passes=passes)
    if raised is None:
        return
    log.error("alert_raised", kind=raised.kind, subject=raised.subject)
    alerts_raised.labels(raised.kind).inc()
    if raised.told:
        event = AlertRaised(alert_id=raised.id, kind=raised.kind, subject=raised.subject, since=raised.since)
        await tx.publish(event)


async def _clear(checks: Checks, alert: Alert) -> None:
    async with checks.db.transaction() as tx:
        cleared = await store.clear(tx, alert.id)
        if cleared is None:
            return
        if cleared.told:
            event = AlertCleared(alert_id=alert.id, kind=alert.kind, subject=alert.subject, since=alert.since)
            await tx.publish(event)
    log.info("alert_cleared", kind=alert.kind, subject=alert.subject)


async def schedule_missed(checks: Checks, event: ScheduleMissed) -> None:
    """A recurring job was not begun at its time: told, and over at once, for the next time is another one."""
    async with checks.db.transaction() as tx:
        await _raise_in(tx, ("schedule_missed", event.key), since=event.run_at, passes=True)


async def lasting(checks: Checks) -> list[Alert]:
    """Those that last."""
    async with checks.db.read() as tx:
        return await store.read_open(tx)
