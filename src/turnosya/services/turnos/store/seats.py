"""The SQL of the booking path: three statements between BEGIN and COMMIT (rule R9)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from turnosya.runtime.database import Transaction
from turnosya.runtime.idempotency import IdempotencyInProgress, Kept, Once
from turnosya.runtime.messages import Event, Unavailable
from turnosya.services.turnos.availability import Reason, Taken
from turnosya.services.turnos.tables import appointments
from turnosya.services.turnos.turno import Status, Turno
from turnosya.services.turnos.windows import Window

LIVE = "status IN ('held', 'pending', 'confirmed', 'proposed') AND NOT overbooked"
_SEAT = (
    "id, staff_id, client_id, service_id, service_ids, status, starts_at, ends_at, busy_from, busy_to, seat,"
    " expires_at, for_appointment_id"
)

_LOCK = text("SELECT count(pg_advisory_xact_lock(key)) FROM unnest(CAST(:keys AS bigint[])) AS key")

# The rows of the members around the time, those of the client at the time, and the client's holds.
_LOOK = text(
    f"""
    SELECT businesses.revision AS business_revision, coalesce(schedules.revision, 0) AS schedule_revision,
           kept.body_digest, kept.status AS kept_status, kept.answer AS kept_answer, seat.*
    FROM businesses
    LEFT JOIN schedules ON schedules.business_id = businesses.id
    LEFT JOIN kept_answers AS kept
        ON kept.key = :key AND kept.kept_at > clock_timestamp() - interval '24 hours'
    LEFT JOIN LATERAL (
        SELECT {_SEAT} FROM appointments
        WHERE staff_id = ANY(CAST(:staff_ids AS uuid[])) AND {LIVE}
          AND tstzrange(busy_from, busy_to) && tstzrange(:busy_from, :busy_to)
        UNION
        SELECT {_SEAT} FROM appointments
        WHERE business_id = :business_id AND client_id = :client_id AND {LIVE} AND for_appointment_id IS NULL
          AND tstzrange(starts_at, ends_at) && tstzrange(:starts_at, :ends_at)
        UNION
        SELECT {_SEAT} FROM appointments
        WHERE business_id = :business_id AND client_id = :client_id AND status = 'held'
          AND for_appointment_id IS NULL
    ) AS seat ON true
    WHERE businesses.id = :business_id
    """  # noqa: S608 - made of two constants
)

_SEATS = text(f"SELECT seat FROM appointments WHERE session_id = :session_id AND {LIVE}")  # noqa: S608 - as above

_COLUMNS = [column.name for column in appointments.columns]
_ARRAYS_AND_JSON = {"service_ids": "CAST(:service_ids AS uuid[])", "history": "CAST(:history AS jsonb)"}
_WRITE = text(
    f"""
    WITH used AS (
        DELETE FROM appointments WHERE id = ANY(CAST(:used AS uuid[])) AND status = 'held'
    ), told AS (
        INSERT INTO outbox (id, wire_name, aggregate, body, headers)
        SELECT event.id, event.wire_name, event.aggregate, event.body, CAST(event.headers AS jsonb)
        FROM unnest(
            CAST(:event_ids AS uuid[]), CAST(:wire_names AS text[]), CAST(:aggregates AS text[]),
            CAST(:bodies AS bytea[]), CAST(:headers AS text[])
        ) WITH ORDINALITY AS event (id, wire_name, aggregate, body, headers, place)
        ORDER BY event.place
    ), kept AS (
        INSERT INTO kept_answers (key, body_digest, status, answer)
        SELECT CAST(:key AS bytea), CAST(:body_digest AS bytea), CAST(:kept_status AS integer),
               CAST(:answer AS jsonb)
        WHERE CAST(:key AS bytea) IS NOT NULL
        ON CONFLICT (key) DO UPDATE SET body_digest = excluded.body_digest, status = excluded.status,
            answer = excluded.answer, kept_at = clock_timestamp()
    )
    INSERT INTO appointments ({", ".join(_COLUMNS)})
    VALUES ({", ".join(_ARRAYS_AND_JSON.get(name, f":{name}") for name in _COLUMNS)})
    """  # noqa: S608 - made of the names of our own columns
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
class Look:
    """What one look under the locks shows."""

    revisions: tuple[int, int]
    kept: Kept | None
    seats: Sequence[Seat]


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
    ordered = sorted(set(keys))
    if once is not None and once.lock_key is not None:
        ordered.insert(0, once.lock_key)
    try:
        await tx.execute(_LOCK, {"keys": ordered})
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != "55P03":
            raise
        raise IdempotencyInProgress if once and once.key else Unavailable from error


async def look(
    tx: Transaction,
    *,
    once: Once,
    business_id: UUID,
    staff_ids: Sequence[UUID],
    client_id: UUID | None,
    span: Window,
    around: Window,
) -> Look | None:
    """All that a booking at ``span`` depends on; None for a business that turnos does not know.

    ``around`` is the wider time in which the members' rows are read.
    """
    rows = await tx.execute(
        _LOOK,
        {
            "key": once.key,
            "business_id": business_id,
            "staff_ids": list(staff_ids),
            "client_id": client_id,
            "starts_at": span.start_at,
            "ends_at": span.end_at,
            "busy_from": around.start_at,
            "busy_to": around.end_at,
        },
    )
    found = rows.all()
    if not found:
        return None
    first = found[0]
    kept = None
    if first.body_digest is not None:
        kept = once.matching(first.body_digest, first.kept_status, json_value(first.kept_answer))
    revisions = (first.business_revision, first.schedule_revision)
    return Look(revisions, kept, [_seat(row) for row in found if row.id is not None])


async def seats_of(tx: Transaction, session_id: UUID) -> set[int]:
    """The seats of a session that are taken."""
    rows = await tx.execute(_SEATS, {"session_id": session_id})
    return {row.seat for row in rows}


async def write(
    tx: Transaction,
    turno: Turno,
    *,
    once: Once,
    events: Sequence[Event] = (),
    answer: Mapping[str, Any] | None = None,
    used_holds: Sequence[UUID] = (),
) -> Reason | None:
    """Stores a new turno, its events and the kept answer, and lets go of the holds it was made of.

    Answers why not, if a constraint refuses it: then the transaction can only be rolled back.
    """
    outgoing = [tx.outgoing(event) for event in events]
    try:
        await tx.execute(
            _WRITE,
            {
                **row_values(turno),
                "history": json.dumps(turno.history),
                "used": list(used_holds),
                "event_ids": [one["id"] for one in outgoing],
                "wire_names": [one["wire_name"] for one in outgoing],
                "aggregates": [one["aggregate"] for one in outgoing],
                "bodies": [one["body"] for one in outgoing],
                "headers": [one["headers"] for one in outgoing],
                "key": once.key,
                "body_digest": once.body_digest,
                "kept_status": 201,
                "answer": json.dumps(answer),
            },
        )
    except IntegrityError as error:
        return conflict_of(error)
    return None


def row_values(turno: Turno) -> dict[str, Any]:
    """The columns of a turno by name."""
    return {name: getattr(turno, name) for name in _COLUMNS}


def conflict_of(error: IntegrityError) -> Reason:
    """Which promise of the database a write would have broken; raises the error again if none of ours."""
    cause = getattr(error.orig, "__cause__", None)
    reason = _CONFLICT_OF.get(str(getattr(cause, "constraint_name", "")))
    if reason is None:
        raise error
    return reason


def json_value(value: object) -> Any:  # noqa: ANN401 - any JSON
    """A jsonb value of a text statement, which the driver hands over as text."""
    return json.loads(value) if isinstance(value, str) else value


def _seat(row: Row[Any]) -> Seat:
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
