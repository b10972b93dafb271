"""The SQL of businesses, schedules and overrides."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, fields
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, and_, delete, func, or_, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert

from turnosya.contracts.business import Business
from turnosya.runtime.database import Transaction
from turnosya.services.turnos.hours import Closure
from turnosya.services.turnos.shops import OverrideEntry, Schedule, Shop
from turnosya.services.turnos.store import closures
from turnosya.services.turnos.tables import businesses, overrides, schedules

_SCHEDULE = [field.name for field in fields(Schedule)]
_OVERRIDE = [field.name for field in fields(OverrideEntry)]

_WITH_SCHEDULE = select(
    businesses.c.id, businesses.c.state, businesses.c.revision.label("business_revision"), schedules
).join(schedules, schedules.c.business_id == businesses.c.id, isouter=True)


async def find(tx: Transaction, business_id: UUID) -> Shop | None:
    """A business with its schedule and overrides, if turnos has heard of it."""
    row = (await tx.execute(_WITH_SCHEDULE.where(businesses.c.id == business_id))).first()
    if row is None:
        return None
    entries = await tx.execute(
        select(overrides)
        .where(overrides.c.business_id == business_id)
        .order_by(overrides.c.date, overrides.c.id)
    )
    shut = [Closure(one.span, one.staff_id) for one in await closures.in_force(tx, [business_id])]
    return _shop(row, [_override(entry) for entry in entries], shut)


async def revisions_of(tx: Transaction, ids: Sequence[UUID]) -> dict[UUID, tuple[int, int]]:
    """``Shop.revisions`` of those that turnos has heard of."""
    statement = (
        select(
            businesses.c.id, businesses.c.revision, func.coalesce(schedules.c.revision, 0).label("schedule")
        )
        .join(schedules, schedules.c.business_id == businesses.c.id, isouter=True)
        .where(businesses.c.id.in_(ids))
    )
    return {row.id: (row.revision, row.schedule) for row in await tx.execute(statement)}


async def find_many(tx: Transaction, ids: Sequence[UUID]) -> list[Shop]:
    """The same as ``find`` of many, in no order."""
    if not ids:
        return []
    rows = (await tx.execute(_WITH_SCHEDULE.where(businesses.c.id.in_(ids)))).all()
    entries: defaultdict[UUID, list[OverrideEntry]] = defaultdict(list)
    found = select(overrides).where(overrides.c.business_id.in_(ids))
    for entry in await tx.execute(found.order_by(overrides.c.date, overrides.c.id)):
        entries[entry.business_id].append(_override(entry))
    shut: defaultdict[UUID, list[Closure]] = defaultdict(list)
    for one in await closures.in_force(tx, ids):
        shut[one.business_id].append(Closure(one.span, one.staff_id))
    return [_shop(row, entries[row.id], shut[row.id]) for row in rows]


async def take_over(tx: Transaction, business: Business) -> None:
    """Keeps what business says it is now, unless that or something newer is known; nothing waits any more."""
    values = {
        "version": business.version,
        "state": business.model_dump(mode="json"),
        "previous": None,
        "applied_at": None,
    }
    await tx.execute(
        insert(businesses)
        .values(id=business.id, revision=1, **values)
        .on_conflict_do_update(
            index_elements=[businesses.c.id],
            set_={**values, "revision": businesses.c.revision + 1},
            where=or_(
                businesses.c.version < business.version,
                and_(businesses.c.version == business.version, businesses.c.applied_at.is_not(None)),
            ),
        )
    )


async def apply(tx: Transaction, business: Business, *, previous: Business, at: datetime) -> None:
    """Keeps a change that business has yet to make, and what it was before, since ``at`` (real time)."""
    await tx.execute(
        update(businesses)
        .where(businesses.c.id == business.id)
        .values(
            version=business.version,
            revision=businesses.c.revision + 1,
            state=business.model_dump(mode="json"),
            previous=previous.model_dump(mode="json"),
            applied_at=at,
        )
    )


async def known_before(tx: Transaction, business_id: UUID) -> Business | None:
    """What a business was before the change that it has yet to make; None if nothing waits."""
    row = (await tx.execute(select(businesses.c.previous).where(businesses.c.id == business_id))).first()
    return None if row is None or row.previous is None else Business.model_validate(row.previous)


async def put_back(tx: Transaction, actual: Business, *, unless_after: int) -> bool:
    """Makes a business again what it says it is, if the change that waits is still ``unless_after``."""
    done = await tx.execute(
        update(businesses)
        .where(
            businesses.c.id == actual.id,
            businesses.c.version == unless_after,
            businesses.c.applied_at.is_not(None),
        )
        .values(
            version=actual.version,
            revision=businesses.c.revision + 1,
            state=actual.model_dump(mode="json"),
            previous=None,
            applied_at=None,
        )
    )
    return done.rowcount == 1


async def waiting_since(tx: Transaction, before: datetime) -> list[tuple[UUID, int]]:
    """Businesses, with the version, whose change has waited since before an instant (real time)."""
    rows = await tx.execute(
        select(businesses.c.id, businesses.c.version)
        .where(businesses.c.applied_at < before)
        .order_by(businesses.c.applied_at)
        .limit(100)
    )
    return [(row.id, row.version) for row in rows]


async def zones_of(tx: Transaction, *, after: UUID | None, limit: int) -> Sequence[Row[Any]]:
    """``id`` and ``timezone`` of businesses, in the order of their ids."""
    statement = (
        select(businesses.c.id, businesses.c.state["timezone"].astext.label("timezone"))
        .order_by(businesses.c.id)
        .limit(limit)
    )
    if after is not None:
        statement = statement.where(businesses.c.id > after)
    return (await tx.execute(statement)).all()


async def save_schedule(tx: Transaction, business_id: UUID, schedule: Schedule) -> None:
    """Stores a schedule; its revision grows by one."""
    values: dict[str, Any] = {**asdict(schedule), "weekly": [dict(entry) for entry in schedule.weekly]}
    values["revision"] = schedule.revision + 1
    await tx.execute(
        insert(schedules)
        .values(business_id=business_id, **values)
        .on_conflict_do_update(index_elements=[schedules.c.business_id], set_=values)
    )


async def add_override(tx: Transaction, business_id: UUID, entry: OverrideEntry) -> None:
    """Stores one override."""
    await tx.execute(insert(overrides).values(business_id=business_id, **asdict(entry)))


async def remove_override(tx: Transaction, override_id: UUID) -> None:
    """Deletes one override."""
    await tx.execute(delete(overrides).where(overrides.c.id == override_id))


async def list_overrides(
    tx: Transaction, business_id: UUID, *, after: tuple[date, UUID] | None, limit: int
) -> list[OverrideEntry]:
    """Overrides of a business by date."""
    statement = (
        select(overrides)
        .where(overrides.c.business_id == business_id)
        .order_by(overrides.c.date, overrides.c.id)
        .limit(limit)
    )
    if after is not None:
        statement = statement.where(tuple_(overrides.c.date, overrides.c.id) > after)
    return [_override(row) for row in await tx.execute(statement)]


def _shop(row: Row[Any], entries: Sequence[OverrideEntry], shut: Sequence[Closure]) -> Shop:
    """A row of ``_WITH_SCHEDULE`` with what belongs to it."""
    return Shop(
        Business.model_validate(row.state),
        row.business_revision,
        Schedule() if row.revision is None else Schedule(**{name: getattr(row, name) for name in _SCHEDULE}),
        tuple(entries),
        tuple(shut),
    )


def _override(row: Row[Any]) -> OverrideEntry:
    return OverrideEntry(**{name: getattr(row, name) for name in _OVERRIDE})
