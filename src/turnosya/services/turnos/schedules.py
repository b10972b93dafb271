"""Changing when a business is open: its schedule and its overrides, without stranding anybody unasked."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any
from uuid import UUID

from turnosya.contracts.business import OnConflict
from turnosya.runtime.database import Transaction
from turnosya.runtime.idempotency import Kept, Once
from turnosya.runtime.ids import new_id
from turnosya.runtime.messages import Forbidden, NotFound
from turnosya.services.turnos import copies, stranding
from turnosya.services.turnos.fresh import unless_kept
from turnosya.services.turnos.resources import override_resource
from turnosya.services.turnos.shops import OverrideEntry, Schedule, Shop
from turnosya.services.turnos.store import seats, shops
from turnosya.services.turnos.stranding import Change

if TYPE_CHECKING:
    from turnosya.services.turnos.context import Turnos


@dataclass(frozen=True, slots=True)
class Owner:
    """Who changes which business, and what is to become of turnos that the change would strand."""

    user_id: UUID
    business_id: UUID
    on_conflict: OnConflict | None = None


async def replace_schedule(
    turnos: Turnos, owner: Owner, decide: Callable[[Shop], Schedule], *, staff_ids: Collection[UUID]
) -> Schedule:
    """Makes the schedule what ``decide`` says; raises Forbidden, NotFound, NeedsDecision.

    ``staff_ids`` are the members that the new schedule names.
    """
    shop = await _owned(turnos, owner, staff_ids)
    async with turnos.db.transaction() as tx:
        before = await _lock(tx, shop)
        after = before.with_schedule(decide(before))
        await _settle(turnos, tx, owner, Change(before, after))
        await shops.save_schedule(tx, owner.business_id, after.schedule)
    return after.schedule


@dataclass(frozen=True, slots=True)
class NewOverride:
    """What replaces the hours of a date; no hours close it."""

    date: date
    hours: list[dict[str, str]]
    staff_id: UUID | None
    note: str | None


async def add_override(turnos: Turnos, owner: Owner, new: NewOverride, once: Once) -> Kept:
    """Stores an override, and answers it."""
    return await unless_kept(turnos.db, once, lambda: _add_override(turnos, owner, new, once))


async def _add_override(turnos: Turnos, owner: Owner, new: NewOverride, once: Once) -> Kept:
    shop = await _owned(turnos, owner, [new.staff_id] if new.staff_id else [])
    if new.staff_id is not None:
        shop.member(new.staff_id)
    entry = OverrideEntry(new_id(), new.date, new.hours, new.staff_id, new.note, turnos.clock.now())

    async def work(tx: Transaction) -> tuple[int, dict[str, Any]]:
        before = await _lock(tx, shop)
        after = before.with_overrides([*before.overrides, entry])
        await _settle(turnos, tx, owner, Change(before, after))
        await shops.add_override(tx, owner.business_id, entry)
        await shops.save_schedule(tx, owner.business_id, before.schedule)
        return 201, override_resource(entry, before.calendar.zone)

    return await once.answer(turnos.db, work)


async def remove_override(turnos: Turnos, owner: Owner, override_id: UUID) -> None:
    """Deletes an override; the regular hours are back."""
    shop = await _owned(turnos, owner)
    async with turnos.db.transaction() as tx:
        before = await _lock(tx, shop)
        kept = [entry for entry in before.overrides if entry.id != override_id]
        if len(kept) == len(before.overrides):
            raise NotFound
        await _settle(turnos, tx, owner, Change(before, before.with_overrides(kept)))
        await shops.remove_override(tx, override_id)
        await shops.save_schedule(tx, owner.business_id, before.schedule)


async def _owned(turnos: Turnos, owner: Owner, staff_ids: Collection[UUID] = ()) -> Shop:
    shop = await copies.current_shop(turnos, owner.business_id)
    if shop.business.owner_id != owner.user_id:
        raise Forbidden
    return await copies.shop_where(turnos, shop, lambda shop: all(shop.knows(one) for one in staff_ids))


async def _lock(tx: Transaction, shop: Shop) -> Shop:
    """The business as it is, with everybody's time locked: no booking goes by the hours of before."""
    members = [seats.staff_key(member.id) for member in shop.business.staff]
    await seats.lock(tx, [seats.business_key(shop.business.id), *members])
    return await copies.locked_shop(tx, shop.business.id)


async def _settle(turnos: Turnos, tx: Transaction, owner: Owner, change: Change) -> None:
    await stranding.resolve(turnos, tx, change, on_conflict=owner.on_conflict, actor_id=owner.user_id)
