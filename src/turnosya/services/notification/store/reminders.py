"""The SQL of reminders and agendas: turnos as last told, what is due of them, when to look next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Uuid

from turnosya.contracts.turnos import Appointment
from turnosya.runtime.database import Transaction

# Who plans holds the lock with all others who plan, and has it before any row; who moves the next run later
# holds it alone, and so sees all that was planned.
_PLANNING = "(SELECT pg_advisory_xact_lock_shared(hashtext('notification.wakes'))) IS NOT NULL"
_ALONE = text("SELECT pg_advisory_xact_lock(hashtext('notification.wakes'))")
# An older event that comes late changes nothing; the same once more plans the same.
_KEEP = text(
    f"""
    WITH kept AS (
        INSERT INTO kept_turnos (appointment_id, version, status, starts_at, business_id, owner_id, client_id,
            appointment)
        SELECT CAST(:id AS uuid), CAST(:version AS bigint), :status, CAST(:starts_at AS timestamptz),
            CAST(:business_id AS uuid), CAST(:owner_id AS uuid), CAST(:client_id AS uuid),
            CAST(:appointment AS jsonb)
        WHERE {_PLANNING}
        ON CONFLICT (appointment_id) DO UPDATE SET version = excluded.version, status = excluded.status,
            starts_at = excluded.starts_at, owner_id = excluded.owner_id, client_id = excluded.client_id,
            appointment = excluded.appointment
        WHERE kept_turnos.version < excluded.version
        RETURNING appointment_id
    ), dropped AS (
        DELETE FROM reminders WHERE appointment_id = (SELECT appointment_id FROM kept)
            AND minutes_before <> ALL(CAST(:minutes AS integer[]))
    ), planned AS (
        INSERT INTO reminders (appointment_id, minutes_before, due_at)
        SELECT appointment_id, minutes, due_at
        FROM kept,
            unnest(CAST(:minutes AS integer[]), CAST(:due_at AS timestamptz[])) AS times (minutes, due_at)
        ON CONFLICT (appointment_id, minutes_before) DO UPDATE SET due_at = excluded.due_at
    )
    SELECT s.owner_id IS NOT NULL AS has_chosen, s.daily_at, s.weekly_at, s.weekday,
        max(a.next_at) FILTER (WHERE a.kind = 'daily') AS daily,
        max(a.next_at) FILTER (WHERE a.kind = 'weekly') AS weekly
    FROM kept LEFT JOIN agenda_settings s ON s.owner_id = CAST(:owner_id AS uuid)
        LEFT JOIN agendas a ON a.business_id = CAST(:business_id AS uuid)
            AND a.owner_id = CAST(:owner_id AS uuid) AND a.timezone = :timezone
    GROUP BY s.owner_id
    """  # noqa: S608 - constants
)
_CLEAR = text("DELETE FROM reminders WHERE appointment_id = :id")
_PLAN = text(
    "INSERT INTO reminders (appointment_id, minutes_before, due_at) VALUES (:id, :minutes, :due_at)"
    " ON CONFLICT DO NOTHING"
)
_OF_CLIENT = text(
    "SELECT appointment FROM kept_turnos WHERE client_id = :client_id AND status = 'confirmed'"
    " AND starts_at > :now ORDER BY appointment_id FOR UPDATE"
)
_DUE = text(
    "SELECT coalesce(k.client_id, k.owner_id) FROM reminders r JOIN kept_turnos k USING (appointment_id)"
    " WHERE r.due_at <= :now ORDER BY r.due_at LIMIT :limit"
)
_TAKE = text(
    """
    SELECT r.appointment_id, r.minutes_before, r.due_at, k.status, k.starts_at, k.appointment,
        coalesce(k.client_id, k.owner_id) AS concerned_id
    FROM reminders r JOIN kept_turnos k USING (appointment_id)
    WHERE r.due_at <= :now ORDER BY r.due_at LIMIT :limit FOR UPDATE OF r SKIP LOCKED
    """
)
_DONE = text(
    "DELETE FROM reminders WHERE appointment_id = :appointment_id AND minutes_before = :minutes_before"
)
_LATER = text(
    "UPDATE reminders SET due_at = :due_at"
    " WHERE appointment_id = :appointment_id AND minutes_before = :minutes_before"
)
_OUTDATED = text(
    """
    SELECT d.id FROM deliveries d LEFT JOIN kept_turnos k ON k.appointment_id = d.turno_id
    WHERE d.id = ANY(:ids) AND (k.appointment_id IS NULL OR k.status <> 'confirmed'
        OR k.starts_at <> d.turno_starts_at OR d.turno_starts_at <= :now)
    """
).bindparams(bindparam("ids", type_=ARRAY(Uuid)))
_FORGET = text("DELETE FROM kept_turnos WHERE starts_at < :before")
_SLEEP = text("DELETE FROM wakes WHERE name = 'reminders'")
_NEXT_AT = text(
    "SELECT least((SELECT min(due_at) FROM reminders), (SELECT min(next_at) FROM agendas)) AS next_at,"
    " (SELECT run_at FROM wakes WHERE name = 'reminders') AS run_at"
)
_WAKE = text(
    "INSERT INTO wakes (name, run_at) VALUES ('reminders', :run_at)"
    " ON CONFLICT (name) DO UPDATE SET run_at = excluded.run_at"
)
_WAKE_EARLIER = text(
    "INSERT INTO wakes (name, run_at) VALUES ('reminders', :run_at)"
    " ON CONFLICT (name) DO UPDATE SET run_at = excluded.run_at WHERE wakes.run_at > excluded.run_at"
)
_RUN_AT = text("SELECT run_at FROM wakes WHERE name = 'reminders'")

# --- agendas

_FOLLOW = text(
    """
    INSERT INTO agendas (business_id, kind, owner_id, timezone, next_at)
    VALUES (:business_id, :kind, :owner_id, :timezone, :next_at)
    ON CONFLICT (business_id, kind) DO UPDATE SET owner_id = excluded.owner_id,
        timezone = excluded.timezone, next_at = excluded.next_at
    WHERE agendas.timezone <> excluded.timezone OR agendas.owner_id <> excluded.owner_id
        OR agendas.next_at > excluded.next_at
    """
)
_AGENDAS_DUE = text(
    "SELECT business_id, kind, owner_id, timezone, next_at FROM agendas WHERE next_at <= :now"
    " ORDER BY next_at LIMIT :limit"
)
_BUSINESSES_OF = text(
    "SELECT DISTINCT ON (business_id) business_id, appointment ->> 'business_timezone' AS timezone"
    " FROM kept_turnos WHERE owner_id = :owner_id ORDER BY business_id, version DESC"
)
_PUT_AGENDA = text(
    "INSERT INTO agendas (business_id, kind, owner_id, timezone, next_at)"
    " VALUES (:business_id, :kind, :owner_id, :timezone, :next_at)"
    " ON CONFLICT (business_id, kind) DO UPDATE SET next_at = excluded.next_at"
)
_AGENDA_NEXT = text(
    "UPDATE agendas SET next_at = :next_at"
    " WHERE business_id = :business_id AND kind = :kind AND next_at = :was_at"
)
_STOP = text("DELETE FROM agendas WHERE business_id = :business_id AND kind = :kind")
_TURNOS_BETWEEN = text(
    "SELECT status, appointment FROM kept_turnos"
    " WHERE business_id = :business_id AND starts_at >= :begin AND starts_at < :end ORDER BY starts_at"
)
_SETTINGS = text(
    "SELECT owner_id, daily_at, weekly_at, weekday FROM agenda_settings WHERE owner_id = ANY(:ids)"
).bindparams(bindparam("ids", type_=ARRAY(Uuid)))
_CHOOSE = text(
    "INSERT INTO agenda_settings (owner_id, daily_at, weekly_at, weekday)"
    " VALUES (:owner_id, :daily_at, :weekly_at, :weekday) ON CONFLICT (owner_id) DO UPDATE SET"
    " daily_at = excluded.daily_at, weekly_at = excluded.weekly_at, weekday = excluded.weekday"
)


@dataclass(frozen=True, slots=True)
class Due:
    """A reminder whose time has come, with the turno as it is known now."""

    appointment_id: UUID
    minutes_before: int
    due_at: datetime
    status: str
    starts_at: datetime
    appointment: dict[str, Any]
    concerned_id: UUID
    """Its client, or the owner of the business where the client has no account."""


@dataclass(frozen=True, slots=True)
class Agenda:
    """When an owner gets the next agenda, or summary, of one business."""

    business_id: UUID
    kind: str
    owner_id: UUID
    timezone: str
    next_at: datetime


@dataclass(frozen=True, slots=True)
class AgendaTimes:
    """When an owner wants them, ``HH:MM`` of the business's zone; None is never."""

    daily_at: str | None = "07:00"
    weekly_at: str | None = "07:00"
    weekday: int = 1


@dataclass(frozen=True, slots=True)
class Followed:
    """What was known of a business's agendas when a turno of it was kept."""

    times: AgendaTimes
    next_at: Mapping[str, datetime | None]
    """By kind; None is not followed yet, or for another owner or zone."""


async def keep(tx: Transaction, appointment: Appointment, times: Mapping[int, datetime]) -> Followed | None:
    """Keeps a turno as told and reminds of it then; None if a later version is known already.

    ``times`` are by minutes before it. Whoever asks for the next run waits for this transaction.
    """
    kept = await tx.execute(
        _KEEP,
        {
            "id": appointment.id,
            "version": appointment.version,
            "status": appointment.status,
            "starts_at": appointment.starts_at,
            "business_id": appointment.business_id,
            "owner_id": appointment.owner_id,
            "client_id": appointment.client_id,
            "appointment": appointment.model_dump_json(),
            "minutes": list(times),
            "due_at": list(times.values()),
            "timezone": appointment.business_timezone,
        },
    )
    found = kept.first()
    if found is None:
        return None
    chosen = (
        AgendaTimes(found.daily_at, found.weekly_at, found.weekday) if found.has_chosen else AgendaTimes()
    )
    return Followed(chosen, {"daily": found.daily, "weekly": found.weekly})


async def plan(tx: Transaction, appointment_id: UUID, times: Mapping[int, datetime]) -> None:
    """Puts these reminders in place of those that the turno had."""
    await tx.execute(_CLEAR, {"id": appointment_id})
    if times:
        await tx.execute(
            _PLAN,
            [
                {"id": appointment_id, "minutes": minutes, "due_at": due_at}
                for minutes, due_at in times.items()
            ],
        )


async def turnos_of_client(tx: Transaction, client_id: UUID, *, now: datetime) -> list[Appointment]:
    """What somebody has booked and is yet to come, locked."""
    rows = await tx.execute(_OF_CLIENT, {"client_id": client_id, "now": now})
    return [Appointment.model_validate(one) for one in rows.scalars()]


async def concerned(tx: Transaction, *, now: datetime, limit: int) -> list[UUID]:
    """Whose reminders are due, the longest due first: clients, or owners of turnos of who has no account."""
    return list((await tx.execute(_DUE, {"now": now, "limit": limit})).scalars())


async def take_due(tx: Transaction, *, now: datetime, limit: int) -> list[Due]:
    """Those reminders, locked; what another copy has is passed over."""
    return [Due(**row) for row in (await tx.execute(_TAKE, {"now": now, "limit": limit})).mappings()]


async def done(tx: Transaction, dues: Sequence[Due]) -> None:
    """These reminders are over."""
    if dues:
        await tx.execute(_DONE, [_key(due) for due in dues])


async def put_off(tx: Transaction, due: Due, until: datetime) -> None:
    """A reminder waits for the end of quiet hours."""
    await tx.execute(_LATER, {**_key(due), "due_at": until})


def _key(due: Due) -> dict[str, Any]:
    return {"appointment_id": due.appointment_id, "minutes_before": due.minutes_before}


async def outdated(tx: Transaction, ids: Sequence[UUID], *, now: datetime) -> set[UUID]:
    """Those of these deliveries whose turno is not booked any more, has another time, or has begun."""
    if not ids:
        return set()
    return set((await tx.execute(_OUTDATED, {"ids": list(ids), "now": now})).scalars())


async def forget_before(tx: Transaction, before: datetime) -> None:
    """Deletes turnos that began before then."""
    await tx.execute(_FORGET, {"before": before})


async def alone(tx: Transaction) -> None:
    """Nobody else plans until this transaction ends. The first thing in it, if it plans itself."""
    await tx.execute(_ALONE)


async def wake_by(tx: Transaction, due_at: datetime) -> bool:
    """Notes that the job must run then; False if it was asked for by then. Only after `keep`."""
    run_at = (await tx.execute(_RUN_AT)).scalar()
    if run_at is not None and run_at <= due_at:
        return False
    return bool((await tx.execute(_WAKE_EARLIER, {"run_at": due_at})).rowcount)


async def next_wake(tx: Transaction, *, anyway: bool = False) -> datetime | None:
    """When the job must run, if it has not been asked for by then; that it is asked for now is noted.

    ``anyway``: also if it was asked for. Waits for everybody who plans, so that it sees what they planned.
    """
    await alone(tx)
    row = (await tx.execute(_NEXT_AT)).one()
    if row.next_at is None:
        await tx.execute(_SLEEP)
        return None
    if not anyway and row.run_at is not None and row.run_at <= row.next_at:
        return None
    await tx.execute(_WAKE, {"run_at": row.next_at})
    found: datetime = row.next_at
    return found


# --- agendas


async def follow(tx: Transaction, agendas: Sequence[Agenda]) -> None:
    """Keeps when a business's owner is told next; what is known to come earlier stays."""
    if agendas:
        await tx.execute(_FOLLOW, [_values(one) for one in agendas])


def _values(agenda: Agenda) -> dict[str, Any]:
    return {
        "business_id": agenda.business_id,
        "kind": agenda.kind,
        "owner_id": agenda.owner_id,
        "timezone": agenda.timezone,
        "next_at": agenda.next_at,
    }


async def agendas_due(tx: Transaction, *, now: datetime, limit: int) -> list[Agenda]:
    """Agendas whose time has come."""
    rows = await tx.execute(_AGENDAS_DUE, {"now": now, "limit": limit})
    return [Agenda(**row) for row in rows.mappings()]


async def businesses_of(tx: Transaction, owner_id: UUID) -> list[tuple[UUID, str]]:
    """Businesses of an owner that have had turnos lately, with their zones."""
    rows = await tx.execute(_BUSINESSES_OF, {"owner_id": owner_id})
    return [(row.business_id, row.timezone) for row in rows]


async def put_agenda(tx: Transaction, agenda: Agenda, next_at: datetime | None) -> None:
    """It comes next then, whatever was known; never, without a time."""
    if next_at is None:
        await tx.execute(_STOP, {"business_id": agenda.business_id, "kind": agenda.kind})
    else:
        await tx.execute(_PUT_AGENDA, {**_values(agenda), "next_at": next_at})


async def move_agenda(tx: Transaction, agenda: Agenda, next_at: datetime | None) -> bool:
    """It comes next then, or never more; False when somebody else has moved it."""
    if next_at is None:
        await tx.execute(_STOP, {"business_id": agenda.business_id, "kind": agenda.kind})
        return True
    moved = await tx.execute(
        _AGENDA_NEXT,
        {
            "business_id": agenda.business_id,
            "kind": agenda.kind,
            "next_at": next_at,
            "was_at": agenda.next_at,
        },
    )
    return bool(moved.rowcount)


async def turnos_between(
    tx: Transaction, business_id: UUID, begin: datetime, end: datetime
) -> list[Appointment]:
    """A business's turnos that begin in this time, by their start, in whichever state."""
    rows = await tx.execute(_TURNOS_BETWEEN, {"business_id": business_id, "begin": begin, "end": end})
    return [Appointment.model_validate(row.appointment) for row in rows]


async def agenda_times(tx: Transaction, owner_ids: Sequence[UUID]) -> dict[UUID, AgendaTimes]:
    """What these owners chose; who is not among them chose nothing."""
    rows = await tx.execute(_SETTINGS, {"ids": list(owner_ids)})
    return {row.owner_id: AgendaTimes(row.daily_at, row.weekly_at, row.weekday) for row in rows}


async def choose_times(tx: Transaction, owner_id: UUID, times: AgendaTimes) -> None:
    """Puts these in place of what was chosen."""
    await tx.execute(
        _CHOOSE,
        {
            "owner_id": owner_id,
            "daily_at": times.daily_at,
            "weekly_at": times.weekly_at,
            "weekday": times.weekday,
        },
    )


KEPT_FOR = timedelta(days=15)
"""How long a turno that has begun is known: the summary of a week looks back at it."""
