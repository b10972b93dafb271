"""Events stored with the data, and the one relay of a service that delivers them after the commit."""

import asyncio
import contextvars
from collections import defaultdict
from typing import Any
from uuid import UUID

import asyncpg
import structlog
from sqlalchemy import bindparam, text
from sqlalchemy.dialects import postgresql

from turnosya.runtime import metrics
from turnosya.runtime.bus import SEQUENCE, Bus, Envelope, Undelivered
from turnosya.runtime.database import UNHURRIED, Database
from turnosya.runtime.messages import Unavailable

log = structlog.get_logger()

# One relay a service: whoever holds this advisory lock of the service's database.
_LOCK = 0x7475_726E_6F73
_CHANNEL = "outbox"
_BATCH = 200
# Aggregates whose events are delivered at once; each aggregate's own go one after the other.
_PARALLEL = 32

_READ = text(
    "SELECT sequence, id, wire_name, aggregate, body, headers FROM outbox ORDER BY sequence LIMIT :limit"
)
# A lost delete only delivers again, which hearers ignore.
_DELETE = text(f"DELETE FROM outbox WHERE id = ANY(:ids) AND {UNHURRIED}").bindparams(  # noqa: S608 - a constant
    bindparam("ids", type_=postgresql.ARRAY(postgresql.UUID))
)


_DEPTH = text(
    "SELECT count(*) AS depth, coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0) AS age_s"
    " FROM (SELECT created_at FROM outbox ORDER BY sequence LIMIT 10000) AS waiting"
)


async def depth(db: Database) -> tuple[int, float]:
    """How many events wait to be delivered, 10,000 at most, and the age of the oldest in seconds."""
    async with db.read() as tx:
        found = (await tx.execute(_DEPTH)).one()
    return int(found.depth), float(found.age_s)


class Relay:
    """Delivers the outbox of one service, at least once and in order per aggregate.

    Every copy runs one; the holder of the advisory lock works, the others wake it by NOTIFY.
    """

    def __init__(self, db: Database, bus: Bus, *, name: str, poll_s: float) -> None:
        self._db = db
        self._bus = bus
        self._name = name
        self._poll_s = poll_s
        self._wake = asyncio.Event()
        self._holding = False
        self._notes: set[asyncio.Task[None]] = set()

    def wake(self) -> None:
        """There are new events: called after each commit that stored some."""
        if self._holding:
            self._wake.set()
        else:
            # In a context of its own: inside a hearer, a second transaction would be refused.
            task = asyncio.get_running_loop().create_task(self._notify(), context=contextvars.Context())
            self._notes.add(task)
            task.add_done_callback(self._notes.discard)

    async def _notify(self) -> None:
        # A lost note costs one poll, never an event.
        try:
            async with self._db.transaction() as tx:
                await tx.execute(text("SELECT pg_notify(:channel, '')"), {"channel": _CHANNEL})
        except Unavailable:
            log.info("outbox_note_lost", service=self._name)

    async def run(self) -> None:
        """Relays for ever; loses and takes up the lock again with the connection that holds it."""
        while True:
            try:
                await self._hold_and_relay()
            except (
                OSError,
                TimeoutError,
                Unavailable,
                asyncpg.PostgresError,
                asyncpg.InterfaceError,
            ) as error:
                log.warning("relay_interrupted", service=self._name, why=type(error).__name__)
            except Exception:
                log.exception("relay_failed", service=self._name)
            self._holding = False
            await asyncio.sleep(self._poll_s)

    async def _hold_and_relay(self) -> None:
        url = self._db.url.set(drivername="postgresql").render_as_string(hide_password=False)
        connection: asyncpg.Connection[Any] = await asyncpg.connect(url, timeout=5)
        try:
            if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK):
                return
            await connection.add_listener(_CHANNEL, self._told)
            connection.add_termination_listener(self._told)
            self._holding = True
            while not connection.is_closed():
                self._wake.clear()
                delivered_all = await self.relay_once()
                if delivered_all:
                    try:
                        # Not wait_for: before Python 3.12 it can lose a cancellation.
                        async with asyncio.timeout(self._poll_s):
                            await self._wake.wait()
                    except TimeoutError:
                        continue
                else:
                    await asyncio.sleep(min(self._poll_s, 0.2))
        finally:
            self._holding = False
            connection.terminate()

    def _told(self, *_: object) -> None:
        self._wake.set()

    async def relay_once(self) -> bool:
        """Delivers what is stored now; False if something could not be delivered."""
        while True:
            async with self._db.at_once() as statements:
                rows = await statements.rows(_READ, {"limit": _BATCH})
            lines: dict[str, list[Any]] = defaultdict(list)
            for row in rows:
                lines[row.aggregate or str(row.id)].append(row)
            limit = asyncio.Semaphore(_PARALLEL)
            done = await asyncio.gather(*(self._deliver_line(line, limit) for line in lines.values()))
            delivered = [event_id for ids in done for event_id in ids]
            if delivered:
                await self._db.write(_DELETE, {"ids": delivered})
            if len(delivered) < len(rows):
                return False
            # What was stored since wakes us.
            if len(rows) < _BATCH:
                return True

    async def _deliver_line(self, line: list[Any], limit: asyncio.Semaphore) -> list[UUID]:
        delivered: list[UUID] = []
        async with limit:
            for row in line:
                headers = {**row.headers, SEQUENCE: str(row.sequence)}
                try:
                    await self._bus.deliver(Envelope(row.wire_name, bytes(row.body), headers))
                except (Undelivered, ConnectionError) as error:
                    log.warning(
                        "event_not_delivered", event_name=row.wire_name, event_id=str(row.id), why=str(error)
                    )
                    break
                metrics.events_told.labels(row.wire_name).inc()
                delivered.append(row.id)
        return delivered
