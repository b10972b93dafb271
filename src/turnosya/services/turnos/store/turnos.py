"""The SQL of single turnos and of lists of them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, and_, bindparam, delete, func, insert, or_, select, text, tuple_, update
from sqlalchemy.exc import IntegrityError

from turnosya.runtime.database import Transaction
from turnosya.services.turnos.availability import Reason
from turnosya.services.turnos.store.seats import conflict_of, row_values
from turnosya.services.turnos.tables import appointments, businesses
from turnosya.services.turnos.turno import ACTIVE, LIVE, Status, Turno
from turnosya.services.turnos.windows import Window

_table = appointments.c
_NAMES = [column.name for column in appointments.columns]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which turnos a list shows; None is any. Dates are local to each turno's business, inclusive."""

    client_id: UUID | None = None
    business_id: UUID | None = None
    status: Status | None = None
    first_on: date | None = None
    last_on: date | None = None


async def find(tx: Transaction, turno_id: UUID) -> Turno | None:
    """One turno, held ones included."""
    row = (await tx.execute(select(appointments).where(_table.id == turno_id))).first()
    return None if row is None else turno_of(row)


async def find_locked(tx: Transaction, turno_id: UUID) -> Turno | None:
    """The same, kept for us until the transaction ends."""
    row = (await tx.execute(select(appointments).where(_table.id == turno_id).with_for_update())).first()
    return None if row is None else turno_of(row)


async def find_many(tx: Transaction, ids: Collection[UUID]) -> list[Turno]:
    """Those of these that exist, in the order of their ids, kept for us until the transaction ends."""
    statement = select(appointments).where(_table.id.in_(ids)).order_by(_table.id).with_for_update()
    return [turno_of(row) for row in await tx.execute(statement)]


async def add(tx: Transaction, turno: Turno) -> None:
    """Stores a turno as it is."""
    await tx.execute(insert(appointments).values(**row_values(turno)))


async def add_many(tx: Transaction, turnos: Sequence[Turno]) -> Reason | None:
    """Stores turnos as they are, in one round trip or few; answers why not, if a constraint refuses one."""
    try:
        if turnos:
            await tx.execute(insert(appointments), [row_values(turno) for turno in turnos])
    except IntegrityError as error:
        return conflict_of(error)
    return None


async def save(tx: Transaction, turno: Turno) -> Reason | None:
    """Writes what happened to a turno; answers why not, if a constraint refuses it."""
    try:
        await tx.execute(update(appointments).where(_table.id == turno.id).values(**row_values(turno)))
    except IntegrityError as error:
        return conflict_of(error)
    return None


async def forget(tx: Transaction, ids: Collection[UUID]) -> None:
    """Removes holds: nothing refers to them."""
    await tx.execute(delete(appointments).where(_table.id.in_(ids), _table.status == Status.HELD))


async def listed(
    tx: Transaction, wanted: Wanted, *, after: tuple[datetime, UUID] | None, limit: int
) -> list[tuple[Turno, str]]:
    """Turnos with the zone of their business, by start; holds are never among them."""
    zone = businesses.c.state["timezone"].astext.label("zone")
    statement: Select[Any] = (
        select(appointments, zone)
        .join(businesses, businesses.c.id == _table.business_id)
        .where(_table.status != Status.HELD)
        .order_by(_table.starts_at, _table.id)
        .limit(limit)
    )
    if wanted.client_id is not None:
        statement = statement.where(_table.client_id == wanted.client_id)
    if wanted.business_id is not None:
        statement = statement.where(_table.business_id == wanted.business_id)
    if wanted.status is not None:
        statement = statement.where(_table.status == wanted.status)
    if wanted.first_on is not None:
        statement = statement.where(_table.starts_on >= wanted.first_on)
    if wanted.last_on is not None:
        statement = statement.where(_table.starts_on <= wanted.last_on)
    if after is not None:
        statement = statement.where(tuple_(_table.starts_at, _table.id) > after)
    return [(turno_of(row), row.zone) for row in await tx.execute(statement)]


async def future_of(tx: Transaction, business_id: UUID, *, now: datetime) -> list[Turno]:
    """Turnos of a business that have not begun and are still to take place, by start."""
    statement = (
        select(appointments)
        .where(_table.business_id == business_id, _table.status.in_(ACTIVE), _table.starts_at >= now)
        .order_by(_table.starts_at, _table.id)
    )
    return [turno_of(row) for row in await tx.execute(statement)]


async def live_from(tx: Transaction, business_id: UUID, *, now: datetime) -> list[Turno]:
    """Everything of a business that takes time from ``now`` on, holds included, overbooked ones too."""
    statement = select(appointments).where(
        _table.business_id == business_id, _table.status.in_(LIVE), _table.starts_at >= now
    )
    return [turno_of(row) for row in await tx.execute(statement.order_by(_table.id))]


async def live_after(tx: Transaction, business_id: UUID, *, now: datetime) -> list[Turno]:
    """Everything of a business that takes time after ``now``, what has begun included, by id."""
    statement = select(appointments).where(
        _table.business_id == business_id, _table.status.in_(LIVE), _table.busy_to > now
    )
    return [turno_of(row) for row in await tx.execute(statement.order_by(_table.id))]


async def live_around(tx: Transaction, business_id: UUID, span: Window) -> list[Turno]:
    """Everything of a business that takes some of a time, holds and overbooked ones included, by id."""
    statement = select(appointments).where(
        _table.business_id == business_id,
        _table.status.in_(LIVE),
        _table.busy_from < span.end_at,
        _table.busy_to > span.start_at,
    )
    return [turno_of(row) for row in await tx.execute(statement.order_by(_table.id))]


async def starts_from(
    tx: Transaction, business_ids: Collection[UUID], *, now: datetime
) -> Sequence[Row[Any]]:
    """``business_id``, ``starts_at`` and ``utc_offset_s`` of the same in many businesses."""
    statement = select(_table.business_id, _table.starts_at, _table.utc_offset_s).where(
        _table.business_id.in_(business_ids), _table.status.in_(LIVE), _table.starts_at >= now
    )
    return (await tx.execute(statement)).all()


async def confirmed_before(tx: Transaction, before: datetime, *, limit: int) -> list[Turno]:
    """Confirmed turnos that ended at ``before`` or earlier, the longest over first."""
    statement = (
        select(appointments)
        .where(_table.status == Status.CONFIRMED, _table.ends_at <= before)
        .order_by(_table.ends_at)
        .limit(limit)
    )
    return [turno_of(row) for row in await tx.execute(statement)]


async def for_calendar(
    tx: Transaction, *, client_id: UUID | None, business_id: UUID | None, since: datetime, limit: int
) -> list[Turno]:
    """Turnos of a client or of a business that end after ``since``, by start; holds are never among them."""
    whose = _table.client_id == client_id if business_id is None else _table.business_id == business_id
    statement = (
        select(appointments)
        .where(
            whose, _table.status != Status.HELD, _table.starts_at > since, _table.for_appointment_id.is_(None)
        )
        .order_by(_table.starts_at, _table.id)
        .limit(limit)
    )
    return [turno_of(row) for row in await tx.execute(statement)]


async def defer_constraints(tx: Transaction) -> None:
    """Lets turnos pass each other within this transaction; what must never be is asked at its end."""
    await tx.execute(text("SET CONSTRAINTS ALL DEFERRED"))


async def check_constraints(tx: Transaction) -> Reason | None:
    """Asks at once what was deferred, and everything again as it comes; answers what is not kept."""
    try:
        await tx.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
    except IntegrityError as error:
        return conflict_of(error)
    return None


async def set_local(tx: Transaction, local: Sequence[tuple[UUID, date, int]]) -> None:
    """Writes local dates and offsets of turnos anew, after the zone of their business has changed."""
    if local:
        statement = update(appointments).where(_table.id == bindparam("turno_id"))
        await tx.execute(
            statement.values(starts_on=bindparam("local_date"), utc_offset_s=bindparam("offset_s")),
            [
                {"turno_id": turno_id, "local_date": starts_on, "offset_s": offset_s}
                for turno_id, starts_on, offset_s in local
            ],
        )


async def completed(tx: Transaction, *, client_id: UUID, business_id: UUID, over_before: datetime) -> int:
    """How many turnos a client has completed in a business, those about to complete themselves included."""
    statement = (
        select(func.count())
        .select_from(appointments)
        .where(
            _table.client_id == client_id,
            _table.business_id == business_id,
            or_(
                _table.status == Status.COMPLETED,
                and_(_table.status == Status.CONFIRMED, _table.ends_at <= over_before),
            ),
        )
    )
    return int((await tx.execute(statement)).scalar_one())


def turno_of(row: Row[Any]) -> Turno:
    """A turno as it was stored."""
    values: dict[str, Any] = {name: getattr(row, name) for name in _NAMES}
    values["status"] = Status(row.status)
    return Turno(**values)
