"""The central log: what every process logs, kept 14 days (errors 90), found again, and shown as it comes."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import structlog

from turnosya.contracts.checks import KeepLogs, LogLine, TendLogs
from turnosya.runtime.clock import real_now
from turnosya.runtime.messages import Nothing, Unavailable
from turnosya.services.checks.metrics import log_lines_kept
from turnosya.services.checks.store import logs as store
from turnosya.services.checks.store.logs import Lines

if TYPE_CHECKING:
    from turnosya.services.checks.context import Checks

log = structlog.get_logger()

_DAYS_AHEAD = 7
_LOOK_S = 1.0
# A line is stored within a second of its statement's beginning, but may become visible a bit later.
_LOOK_BACK_S = 10.0
_AT_ONCE, _REMEMBERED = 500, 20_000
# A reader comes again by itself (an EventSource does): a token that ended must not read on for ever.
STREAM_S = 300.0


async def keep(checks: Checks, request: KeepLogs) -> Nothing:
    """Stores a batch."""
    await store.keep(checks.db, request.lines)
    log_lines_kept.inc(len(request.lines))
    return Nothing()


async def find(
    checks: Checks, sought: Lines, *, before: tuple[datetime, UUID] | None, limit: int
) -> list[LogLine]:
    """Lines, the latest first."""
    async with checks.db.read() as tx:
        return await store.find(tx, sought, before=before, limit=limit)


async def coming(checks: Checks, *, level: str | None, service: str | None) -> AsyncIterator[str]:
    """Server-sent events: a line each, as they are stored, by whatever copy; a comment when there is none."""
    shown: deque[UUID] = deque(maxlen=_REMEMBERED)
    loop = asyncio.get_running_loop()
    until = loop.time() + STREAM_S
    yield ": the log\n\n"
    while loop.time() < until and not checks.stopping.is_set():
        try:
            async with checks.db.read() as tx:
                new = await store.stored_lately(tx, seconds=_LOOK_BACK_S, shown=shown, limit=_AT_ONCE)
        except Unavailable:
            new = []
        shown.extend(line.id for line in new)
        wanted = [line for line in new if level in {None, line.level} and service in {None, line.service}]
        yield "".join(map(_told, wanted)) or ": nothing\n\n"
        if len(new) < _AT_ONCE:
            await asyncio.sleep(_LOOK_S)


def _told(line: LogLine) -> str:
    body = {**line.model_dump(mode="json"), "fields": json.loads(line.fields)}
    return f"id: {line.id}\nevent: {line.level}\ndata: {json.dumps(body)}\n\n"


async def tend(checks: Checks, _request: TendLogs) -> Nothing:
    """The job: makes the coming days and drops the old ones. A line of a day not made yet is kept too."""
    now = real_now()
    today = now.astimezone(UTC).date()
    ahead = [today + timedelta(days=number) for number in range(-1, _DAYS_AHEAD + 1)]
    for table, kept_days in _kept(checks).items():
        oldest = store.day_name(table, today - timedelta(days=kept_days))
        async with checks.db.transaction() as tx:
            there = await store.days_of(tx, table)
            missing = [day for day in ahead if store.day_name(table, day) not in there]
            old = [name for name in there if name < oldest]
            if missing or old:
                await store.hold_all(tx)
            for day in missing:
                await store.make_day(tx, table, day)
            for name in old:
                await store.drop(tx, name)
            await store.forget_strays(tx, table, before=now - timedelta(days=kept_days))
    return Nothing()


def _kept(checks: Checks) -> Mapping[str, int]:
    return {
        "log_plain": checks.settings.logs_kept_days,
        "log_errors": checks.settings.error_logs_kept_days,
    }
