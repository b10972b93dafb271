"""Whether each service lives, asked of each over the same bus that carries everybody's requests."""

from __future__ import annotations

import asyncio

import structlog

from turnosya.runtime import metrics
from turnosya.runtime.clock import real_now
from turnosya.runtime.messages import ServiceError
from turnosya.services.checks import alerts, days, rules
from turnosya.services.checks.context import Checks
from turnosya.services.checks.rules import Health

log = structlog.get_logger()


async def watch(checks: Checks) -> None:
    """Asks every service again and again, until this process stops."""
    while not checks.stopping.is_set():
        try:
            await look(checks)
            await alerts.look(checks)
        except Exception:
            log.exception("look_failed")
        every_s = checks.settings.health_every_s
        await asyncio.sleep(every_s / 4 if rules.is_in_doubt(checks.seen) else every_s)


async def seen(checks: Checks) -> dict[str, Health]:
    """What the last look saw of each service; those who come before the first look wait for one."""
    if not checks.seen:
        async with checks.looking:
            if not checks.seen:
                await _look(checks)
    return checks.seen


async def look(checks: Checks) -> None:
    """Asks every service at once; takes as long as the slowest, 2 s at most."""
    async with checks.looking:
        await _look(checks)


async def _look(checks: Checks) -> None:
    latencies = await asyncio.gather(*(_latency_ms(checks, name) for name in rules.WATCHED))
    if checks.stopping.is_set() and checks.seen:
        return
    at, before = real_now(), checks.seen
    checks.seen = {
        name: rules.next_health(before.get(name), latency_ms=latency_ms, at=at)
        for name, latency_ms in zip(rules.WATCHED, latencies, strict=True)
    }
    days.count(checks)
    for name, health in checks.seen.items():
        metrics.service_up.labels(name).set(health.status != "down")
        if name not in before or before[name].status != health.status:
            log.info("service_health", service=name, status=health.status)


async def _latency_ms(checks: Checks, name: str) -> float | None:
    try:
        return await checks.bus.ping(name) * 1000
    except ServiceError:
        return None
