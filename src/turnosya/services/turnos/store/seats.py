"""The SQL of the booking path (rule R9).

A look, and a write that takes the locks and stands if all is still as it was seen: two round trips. Where
it is not, three statements between BEGIN and COMMIT: locks, look, write.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import Dialect, TextClause, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import DBAPIError, IntegrityError

from turnosya.runtime.database import AtOnce, Statements, Transaction, into_outbox
from turnosya.runtime.idempotency import STILL_KEPT, IdempotencyInProgress, Kept, Once, into_kept
from turnosya.runtime.messages import Event, Unavailable
from turnosya.services.turnos.availability import Reason, Taken
from turnosya.services.turnos.tables import appointments
from turnosya.services.turnos.turno import Status, Turno
from turnosya.services.turnos.windows import Window

LIVE = "status IN ('held', 'pending', 'confirmed', 'proposed') AND NOT overbooked"
_LOCK = text("SELECT count(pg_advisory_xact_lock(key)) FROM unnest(CAST(:keys AS bigint[])) AS key")

# The rows of the members around the time, those of the client at the time, and the client's holds.
_ABOUT = """
    CAST(:about_business AS uuid), CAST(:members AS uuid[]), tstzrange(:around_from, :around_to),
    CAST(:about_client AS uuid), tstzrange(:span_from, :span_to)
"""
_LOOK = text(
    f"""
    SELECT businesses.revision AS business_revision, coalesce(schedules.revision, 0) AS schedule_revision,
           kept.body_digest, kept.status AS kept_status, kept.answer AS kept_answer, seat.*
    FROM businesses
    LEFT JOIN schedules ON schedules.business_id = businesses.id
    LEFT JOIN kept_answers AS kept ON kept.key = :key AND kept.{STILL_KEPT}
    LEFT JOIN LATERAL seats_about({_ABOUT}) AS seat ON true
    WHERE businesses.id = CAST(:about_business AS uuid) ORDER BY seat.id
    """  # noqa: S608 - made of a constant
)

_SEATS = text(f"SELECT seat FROM appointments WHERE session_id = :session_id AND {LIVE}")  # noqa: S608 - as above

_COLUMNS = [column.name for column in appointments.columns]
_DIALECT: Dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
_VALUES = ", ".join(
    f"CAST(:{column.name} AS {column.type.compile(_DIALECT)})" for column in appointments.columns
)


_EVENTS = """
    SELECT event.id, event.wire_name, event.aggregate, event.body, CAST(event.headers AS jsonb)
    FROM unnest(
        CAST(:event_ids AS uuid[]), CAST(:wire_names AS text[]), CAST(:aggregates AS text[]),
        CAST(:bodies AS bytea[]), CAST(:headers AS text[])
    ) WITH ORDINALITY AS event (id, wire_name, aggregate, body, headers, place)
    WHERE (SELECT is_so FROM so)
    ORDER BY event.place
"""
_ANSWER = """
    SELECT CAST(:key AS bytea), CAST(:body_digest AS bytea), CAST(:kept_status AS integer),
           CAST(:answer AS jsonb)
    WHERE (SELECT is_so FROM so) AND CAST(:key AS bytea) IS NOT NULL
"""


def _writing(condition: str) -> str:
    """The statement that writes a turno and all that goes with it where ``condition`` holds."""
    return f"""
    WITH so AS MATERIALIZED (SELECT {condition} AS is_so), used AS (
        DELETE FROM appointments
        WHERE (SELECT is_so FROM so) AND id = ANY(CAST(:used AS uuid[])) AND status = 'held'
    ), told AS (
        {into_outbox(_EVENTS)}
    ), kept AS (
        {into_kept(_ANSWER)}
    )
    INSERT INTO appointments ({", ".join(_COLUMNS)}) SELECT {_VALUES} WHERE (SELECT is_so FROM so)
    RETURNING id
    """  # noqa: S608 - made of constants and the names of our own columns


_WRITE = text(_writing("true"))
_WRITE_IF_STILL_SO = text(
    _writing(
        f"""
        is_still_so(CAST(:locks AS bigint[]), {_ABOUT}, CAST(:key AS bytea),
            CAST(:business_revision AS integer), CAST(:schedule_revision AS integer), CAST(:seen AS text[]))
        """
    )
)

_CONFLICT_OF = {
    "appointments_staff_once": Reason.TAKEN,
    "appointments_seat_once": Reason.TAKEN,
    "appointments_client_once": Reason.CLIENT_BUSY,
}


@dataclass(frozen=True, slots=True)
class Seat:
    """A row that takes time, as the booking path needs it."""

    id: UUID
    client_id: UUID | None
    status: Status
    service_id: UUID
    ends_at: datetime
    expires_at: datetime | None
    offered_for: UUID | None
    """For a held one: the turno, or whoever waits, for which it is an offer; None for a client's own hold."""
    taken: Taken

    def has_lapsed(self, now: datetime) -> bool:
        """Whether it only still stands there because nobody has cleared it."""
        return self.expires_at is not None and self.expires_at <= now and self.status in _LAPSING


_LAPSING = (Status.HELD, Status.PENDING, Status.PROPOSED)


@dataclass(frozen=True, slots=True)
class About:
    """On what a booking depends: rows of these members around its time, and the client's own."""

    business_id: UUID
    staff_ids: Sequence[UUID]
    client_id: UUID | None
    span: Window
    around: Window
    """The wider time in which the members' rows are read."""

    def values(self) -> dict[str, Any]:
        """The parameters of the statements that look there."""
        return {
            "about_business": self.business_id,
            "members": list(self.staff_ids),
            "about_client": self.client_id,
            "span_from": self.span.start_at,
            "span_to": self.span.end_at,
            "around_from": self.around.start_at,
            "around_to": self.around.end_at,
        }


@dataclass(frozen=True, slots=True)
class Look:
    """What one look shows; under the locks it stays so."""

    about: About
    revisions: tuple[int, int]
    kept: Kept | None
    seats: Sequence[Seat]
    seen: Sequence[str]
    """The rows and who wrote them last, by which `write_if_still_so` knows them again."""


def staff_key(staff_id: UUID) -> int:
    """The advisory lock of a staff member's time."""
    return _key(b"staff", staff_id)


def client_key(business_id: UUID, client_id: UUID) -> int:
    """The advisory lock of a client's time in one business."""
    return _key(b"client", business_id, client_id)


def business_key(business_id: UUID) -> int:
    """The advisory lock of what a business is, for changes of hours and the like."""
    return _key(b"business", business_id)


def _key(kind: bytes, *ids: UUID) -> int:
    digest = hashlib.blake2b(kind + b"".join(one.bytes for one in ids), digest_size=8).digest()
    return int.from_bytes(digest, signed=True)


async def lock(tx: Transaction, keys: Iterable[int], *, once: Once | None = None) -> None:
    """Waits for these locks until the end of the transaction: the idempotency key, then all in one order.

    One statement, for what is read after it must be read with a new snapshot.
    """
    await _locking(tx, _LOCK, {"keys": _in_order(keys, once)}, once)


def _in_order(keys: Iterable[int], once: Once | None) -> list[int]:
    first = [] if once is None or once.lock_key is None else [once.lock_key]
    return [*first, *sorted(set(keys))]


async def _locking(
    tx: Statements, statement: TextClause, values: Mapping[str, Any], once: Once | None
) -> Sequence[Any]:
    try:
        return await tx.rows(statement, values)
    except (DBAPIError, asyncpg.LockNotAvailableError) as error:
        if _sqlstate(error) != "55P03":
            raise
        raise IdempotencyInProgress if once and once.key else Unavailable from error


def _sqlstate(error: DBAPIError | asyncpg.PostgresError) -> str | None:
    return getattr(error.orig if isinstance(error, DBAPIError) else error, "sqlstate", None)


async def look(tx: Statements, about: About, *, once: Once) -> Look | None:
    """All that a booking depends on; None for a business that turnos does not know."""
    found = await tx.rows(_LOOK, {"key": once.key, **about.values()})
    if not found:
        return None
    first = found[0]
    kept = None
    if first.body_digest is not None:
        kept = once.matching(first.body_digest, first.kept_status, json_value(first.kept_answer))
    rows = [row for row in found if row.id is not None]
    return Look(
        about,
        (first.business_revision, first.schedule_revision),
        kept,
        [_seat(row) for row in rows],
        [f"{row.id} {row.written_by}" for row in rows],
    )


async def seats_of(tx: Transaction, session_id: UUID) -> set[int]:
    """The seats of a session that are taken."""
    rows = await tx.execute(_SEATS, {"session_id": session_id})
    return {row.seat for row in rows}


@dataclass(frozen=True, slots=True)
class New:
    """A new turno and what is written with it: its events, the kept answer; the holds it was made of go."""

    turno: Turno
    once: Once
    events: Sequence[Event] = ()
    answer: Mapping[str, Any] | None = None
    used_holds: Sequence[UUID] = ()

    def values(self, tx: Statements) -> dict[str, Any]:
        """The parameters of the statements that write it."""
        outgoing = [tx.outgoing(event) for event in self.events]
        return {
            **row_values(self.turno),
            "history": json.dumps(self.turno.history),
            "used": list(self.used_holds),
            "event_ids": [one["id"] for one in outgoing],
            "wire_names": [one["wire_name"] for one in outgoing],
            "aggregates": [one["aggregate"] for one in outgoing],
            "bodies": [one["body"] for one in outgoing],
            "headers": [one["headers"] for one in outgoing],
            "key": self.once.key,
            "body_digest": self.once.body_digest,
            "kept_status": 201,
            "answer": json.dumps(self.answer),
        }


async def write(tx: Transaction, new: New) -> Reason | None:
    """Stores it, under the locks.

    Answers why not, if a constraint refuses it: then the transaction can only be rolled back.
    """
    try:
        await tx.execute(_WRITE, new.values(tx))
    except IntegrityError as error:
        return conflict_of(error)
    return None


async def write_if_still_so(tx: AtOnce, new: New, seen: Look, keys: Iterable[int]) -> bool:
    """Takes the locks and stores it if all is as ``seen``, in one statement that is all of its transaction.

    False if something has changed, or a constraint refuses it: nothing is written then.
    """
    once = new.once
    values = {
        **new.values(tx),
        **seen.about.values(),
        "locks": _in_order(keys, once),
        "business_revision": seen.revisions[0],
        "schedule_revision": seen.revisions[1],
        "seen": list(seen.seen),
    }
    try:
        return bool(await _locking(tx, _WRITE_IF_STILL_SO, values, once))
    except asyncpg.IntegrityConstraintViolationError as error:
        conflict_of(error)
        return False


def row_values(turno: Turno) -> dict[str, Any]:
    """The columns of a turno by name."""
    return {name: getattr(turno, name) for name in _COLUMNS}


def conflict_of(error: IntegrityError | asyncpg.IntegrityConstraintViolationError) -> Reason:
    """Which promise of the database a write would have broken; raises the error again if none of ours."""
    cause: object = getattr(error.orig, "__cause__", None) if isinstance(error, IntegrityError) else error
    reason = _CONFLICT_OF.get(str(getattr(cause, "constraint_name", "")))
    if reason is None:
        raise error
    return reason


def json_value(value: object) -> Any:  # noqa: ANN401 - any JSON
    """A jsonb value of a text statement, which the driver hands over as text."""
    return json.loads(value) if isinstance(value, str) else value


def _seat(row: Any) -> Seat:  # noqa: ANN401 - of the look
    status = Status(row.status)
    return Seat(
        id=row.id,
        client_id=row.client_id,
        status=status,
        service_id=row.service_id,
        ends_at=row.ends_at,
        expires_at=row.expires_at,
        offered_for=row.for_appointment_id,
        taken=Taken(
            row.staff_id,
            None if row.service_ids else row.service_id,
            row.starts_at,
            Window(row.busy_from, row.busy_to),
            row.seat,
            is_held=status is Status.HELD,
        ),
    )
