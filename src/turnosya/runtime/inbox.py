"""Events heard: stored first, then handled, retried in order per aggregate, and parked when hopeless.

A row is one event for one hearer. Its states: ``waiting`` (also while a copy handles it under a
lease), ``done``, ``dead``. The same rows and the same code serve every transport.
"""

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import structlog
from sqlalchemy import text

from turnosya.runtime import load, metrics
from turnosya.runtime.bus import AGGREGATE, ID, REQUEST_ID, SEQUENCE, TRACEPARENT, Bus, Envelope, deadline_in
from turnosya.runtime.database import UNHURRIED, Database, Delivery, LostLease, current_delivery
from turnosya.runtime.messages import Event, Unavailable
from turnosya.runtime.outlasting import outlast
from turnosya.runtime.settings import MessagingSettings
from turnosya.runtime.spans import Kind, Span
from turnosya.runtime.telemetry import begin_trace

log = structlog.get_logger()

# What can be handled at once is stored with its lease, which saves the claim; of `room` hearers the first.
_STORE = text(
    """
    INSERT INTO inbox (event_id, hearer, wire_name, aggregate, sequence, body, request_id, traceparent,
        lease, leased_until, attempts)
    SELECT CAST(:event_id AS uuid), hearer, :wire_name, :aggregate, :sequence, CAST(:body AS bytea),
        :request_id, :traceparent, CASE WHEN free THEN CAST(:lease AS uuid) END,
        CASE WHEN free THEN now() + CAST(:lease_for AS interval) END, CASE WHEN free THEN 1 ELSE 0 END
    FROM (
        SELECT hearer, place <= CAST(:room AS integer) AND (CAST(:aggregate AS text) = '' OR NOT EXISTS (
            SELECT 1 FROM inbox e WHERE e.state = 'waiting' AND e.hearer = h.hearer
              AND e.aggregate = CAST(:aggregate AS text) AND e.sequence < CAST(:sequence AS bigint))) AS free
        FROM unnest(CAST(:hearers AS text[])) WITH ORDINALITY AS h (hearer, place)) AS found
    ON CONFLICT DO NOTHING
    RETURNING event_id, hearer, wire_name, body, attempts, request_id, traceparent, 0 AS age_s
    """
)

# A row may run when no earlier one of its aggregate is waiting for the same hearer. A row that another
# copy claims at this moment is still `waiting` in our snapshot, so that its successors stay behind it.
# A lost claim is claimed again.
_CLAIM = text(
    f"""
    UPDATE inbox SET lease = :lease, leased_until = now() + :lease_for, attempts = attempts + 1
    WHERE (event_id, hearer) IN (
        SELECT i.event_id, i.hearer FROM inbox i
        WHERE i.state = 'waiting' AND i.due_at <= now() AND (i.leased_until IS NULL OR i.leased_until < now())
          AND i.hearer = ANY(:hearers)
          AND (i.aggregate = '' OR NOT EXISTS (
              SELECT 1 FROM inbox e WHERE e.state = 'waiting' AND e.hearer = i.hearer
                AND e.aggregate = i.aggregate AND e.sequence < i.sequence))
        ORDER BY i.hearer = ANY(:urgent) DESC, i.due_at LIMIT :room FOR UPDATE OF i SKIP LOCKED)
      AND state = 'waiting' AND (leased_until IS NULL OR leased_until < now()) AND {UNHURRIED}
    RETURNING event_id, hearer, wire_name, body, attempts, request_id, traceparent,
              extract(epoch FROM now() - received_at) AS age_s
    """  # noqa: S608 - a constant
)
_DONE = text(
    "UPDATE inbox SET state = 'done', done_at = now(), lease = NULL"
    " WHERE event_id = :event_id AND hearer = :hearer AND lease = :lease"
)
_LATER = text(
    "UPDATE inbox SET due_at = now() + :delay, lease = NULL, leased_until = NULL, error = :error"
    " WHERE event_id = :event_id AND hearer = :hearer AND lease = :lease AND state = 'waiting'"
)
_DEAD = text(
    "UPDATE inbox SET state = 'dead', done_at = now(), lease = NULL, error = :error, body = :body"
    " WHERE event_id = :event_id AND hearer = :hearer AND lease = :lease AND state = 'waiting'"
)


_DEPTH = text(
    "SELECT count(*) AS depth, coalesce(extract(epoch FROM clock_timestamp() - min(received_at)), 0) AS age_s"
    " FROM (SELECT received_at FROM inbox WHERE state = 'waiting' ORDER BY due_at LIMIT 10000) AS waiting"
)


async def depth(db: Database) -> tuple[int, float]:
    """How many events wait to be handled, 10,000 at most, and the age of the oldest in seconds."""
    async with db.read() as tx:
        found = (await tx.execute(_DEPTH)).one()
    return int(found.depth), float(found.age_s)


@dataclass(frozen=True, slots=True)
class Hearer:
    """A function that hears one kind of event, bound to its service's context."""

    name: str
    event: type[Event]
    handle: Callable[[Any], Awaitable[None]]


class Inbox:
    """What one service has heard, and the workers of this process that handle it."""

    def __init__(
        self, db: Database, bus: Bus, hearers: Sequence[Hearer], settings: MessagingSettings, *, name: str
    ) -> None:
        self._db = db
        self._bus = bus
        self._name = name
        self._settings = settings
        # One function may hear several kinds of event: their rows are one line per aggregate then.
        self._hearers: Mapping[tuple[str, str], Hearer] = {
            (hearer.name, hearer.event.wire_name): hearer for hearer in hearers
        }
        self._names = sorted({hearer.name for hearer in hearers})
        # Somebody holds the phone in hand and waits for the code: these go before all others.
        self._urgent = sorted({one.name for one in hearers if one.event.secret_fields()})
        self._wake = asyncio.Event()
        self._stopping = False
        self._running: set[asyncio.Task[None]] = set()
        # Stored here and not claimed yet, as far as we know; and whether the last claim took all it might.
        self._behind = 0
        self._was_full = False

    async def store(self, envelope: Envelope) -> None:
        """Keeps an event for each of its hearers here, and begins with it; a repeated one changes nothing."""
        hearers = [name for name, wire_name in self._hearers if wire_name == envelope.wire_name]
        if not hearers:
            return
        lease = uuid4()
        rows = await self._db.write(
            _STORE,
            {
                "event_id": envelope.headers[ID],
                "hearers": hearers,
                "wire_name": envelope.wire_name,
                "aggregate": envelope.headers.get(AGGREGATE, ""),
                "sequence": int(envelope.headers.get(SEQUENCE, "0")),
                "body": envelope.body,
                "request_id": envelope.headers.get(REQUEST_ID),
                "traceparent": envelope.headers.get(TRACEPARENT),
                "lease": lease,
                "lease_for": timedelta(seconds=self._settings.lease_s),
                "room": self._room(is_urgent=any(name in self._urgent for name in hearers)),
            },
        )
        ready = [row for row in rows if row.attempts]
        self._begin(ready, lease)
        if len(ready) < len(rows):
            self._behind += len(rows) - len(ready)
            self._wake.set()

    def _room(self, *, is_urgent: bool = False) -> int:
        """How many more may begin. While many wait for an answer, what nobody waits for is done singly."""
        if self._stopping:
            return 0
        workers = self._settings.inbox_workers
        most = 2 * workers if is_urgent else 1 if load.is_busy() else workers
        return max(0, most - len(self._running))

    async def run(self) -> None:
        """Handles what is due, until it is told to finish."""
        while not self._stopping:
            self._wake.clear()
            try:
                if self._hearers and (room := self._room()):
                    await self._claim(room)
            except Unavailable:
                log.warning("inbox_waits_for_database", service=self._name)
            except Exception:
                log.exception("inbox_failed", service=self._name)
            # All there was room for is claimed: what falls due, or ends before others, wakes us.
            try:
                # Not wait_for: before Python 3.12 it can lose a cancellation that comes with the wake-up.
                async with asyncio.timeout(self._settings.poll_s):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _claim(self, room: int) -> None:
        lease = uuid4()
        rows = await self._db.write(
            _CLAIM,
            {
                "lease": lease,
                "lease_for": timedelta(seconds=self._settings.lease_s),
                "hearers": self._names,
                "urgent": self._urgent,
                "room": room,
            },
        )
        self._was_full = len(rows) == room
        # Others may have claimed what we stored: with nothing left to wait behind, it is not waited for.
        is_over = not rows and not self._running
        self._behind = 0 if is_over else max(0, self._behind - sum(row.attempts == 1 for row in rows))
        if not self._stopping:
            self._begin(rows, lease)

    def _begin(self, rows: Sequence[Any], lease: UUID) -> None:
        for row in rows:
            task = asyncio.get_running_loop().create_task(
                self._handle(row, lease), context=contextvars.Context()
            )
            self._running.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if self._behind or self._was_full:
            self._wake.set()

    async def _handle(self, row: Any, lease: UUID) -> None:  # noqa: ANN401 - a row of _CLAIM
        hearer = self._hearers[row.hearer, row.wire_name]
        delivery = Delivery(row.event_id, row.hearer, lease)
        key = {"event_id": row.event_id, "hearer": row.hearer, "lease": lease}
        trace = begin_trace(row.request_id, row.traceparent)
        within_s = self._settings.lease_s * 0.7
        with Span(trace, self._name, Kind.CONSUMER, f"hear {row.wire_name}") as heard, deadline_in(within_s):
            heard.note("turnosya.hearer", hearer.name)
            try:
                await self._call(hearer, delivery, row.body)
                if not delivery.marked:
                    await self._write(_DONE, key)
            except LostLease:
                log.info("event_already_heard", hearer=hearer.name, event_id=str(row.event_id))
            except Exception as error:  # noqa: BLE001 - tried again, then a dead letter; `_failed` logs it
                heard.fail(type(error).__name__)
                await self._failed(hearer, row, key, error)
                return
        metrics.events_heard.labels(hearer.name, "done").inc()
        metrics.inbox_seconds.labels(self._name).observe(float(row.age_s))

    async def _call(self, hearer: Hearer, delivery: Delivery, body: bytes) -> None:
        token = current_delivery.set(delivery)
        try:
            # Ends before the lease does, so that no two copies work on one event at once.
            async with asyncio.timeout(self._settings.lease_s * 0.7):
                await hearer.handle(self._bus.decode(hearer.event, bytes(body)))
        finally:
            current_delivery.reset(token)

    async def _failed(self, hearer: Hearer, row: Any, key: dict[str, Any], error: Exception) -> None:  # noqa: ANN401
        why = f"{type(error).__name__} at {_last_line(error)}"
        delays: tuple[float, ...] = self._settings.retry_delays_s
        attempts = int(row.attempts)
        if attempts > len(delays):
            log.error("event_dead", hearer=hearer.name, event_id=str(row.event_id), exc_info=error)
            metrics.events_heard.labels(hearer.name, "dead").inc()
            # What carries a secret is not kept: the code has long expired.
            body = b"{}" if hearer.event.secret_fields() else bytes(row.body)
            await self._write(_DEAD, {**key, "error": why, "body": body})
            return
        delay_s = delays[attempts - 1]
        log.warning(
            "event_retried", hearer=hearer.name, event_id=str(row.event_id), delay_s=delay_s, exc_info=error
        )
        metrics.events_heard.labels(hearer.name, "retried").inc()
        await self._write(_LATER, {**key, "delay": timedelta(seconds=delay_s), "error": why})
        asyncio.get_running_loop().call_later(delay_s, self._wake.set)

    async def _write(self, statement: Any, values: dict[str, Any]) -> None:  # noqa: ANN401 - a text() of this file
        # Not tried again while we end: whoever comes after us has it when the lease runs out.
        within_s = 0.0 if self._stopping else self._settings.lease_s
        try:
            await outlast(partial(self._db.write, statement, values), within_s=within_s)
        except Unavailable:
            # The lease has run out and the event is handled again.
            log.warning("inbox_outcome_lost", service=self._name, event_id=str(values["event_id"]))

    async def finish(self, within_s: float) -> None:
        """Begins nothing more; waits until running handlers have ended, cancels those that do not in time."""
        self._stopping = True
        if self._running:
            _, late = await asyncio.wait(self._running, timeout=within_s)
            for task in late:
                task.cancel()

    async def sweep(self) -> None:
        """Deletes what was done long ago, and at once the bodies of handled events that carry a secret."""
        secret = [hearer.name for hearer in self._hearers.values() if hearer.event.secret_fields()]
        async with self._db.transaction() as tx:
            await tx.execute(
                text(
                    "DELETE FROM inbox"
                    " WHERE state = 'done' AND done_at < now() - make_interval(days => :days)"
                ),
                {"days": self._settings.done_kept_days},
            )
            if secret:
                await tx.execute(
                    text(
                        "UPDATE inbox SET body = ''"
                        " WHERE state = 'done' AND body <> '' AND hearer = ANY(:secret)"
                    ),
                    {"secret": secret},
                )


def _last_line(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "unknown" if trace is None else f"{trace.tb_frame.f_code.co_qualname}:{trace.tb_lineno}"
