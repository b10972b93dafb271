"""Booking the same wall time every so many weeks, as one order: all of it, or what is free (R3)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID
from zoneinfo import ZoneInfo

from turnosya.runtime.database import Transaction
from turnosya.runtime.idempotency import Kept, Once
from turnosya.runtime.ids import new_id
from turnosya.services.turnos import copies, telling
from turnosya.services.turnos.booking import Attempt, Order, decide, keys_of, turno_of
from turnosya.services.turnos.fresh import Stale, unless_kept, until_fresh
from turnosya.services.turnos.lapsing import clear_lapsed
from turnosya.services.turnos.refusals import (
    RefusedStart,
    SeriesRefused,
    SlotTaken,
    SlotUnavailable,
    refused,
)
from turnosya.services.turnos.resources import series_resource
from turnosya.services.turnos.shops import Shop
from turnosya.services.turnos.store import seats
from turnosya.services.turnos.store import turnos as turno_store
from turnosya.services.turnos.turno import Turno
from turnosya.services.turnos.windows import recurring_start

if TYPE_CHECKING:
    from turnosya.services.turnos.context import Turnos

_NO_KEY = Once(None, b"")


@dataclass(frozen=True, slots=True)
class Repeat:
    """How often and how many times, the first included; ``allow_partial`` books what is free of them."""

    every_weeks: int
    count: int
    allow_partial: bool = False


async def book(turnos: Turnos, order: Order, repeat: Repeat, once: Once) -> Kept:
    """Books every turno of a series in one transaction; the first answer again for a repeated key.

    Raises SeriesRefused with every refused start, and what ``booking.book`` raises but for a refused time.
    """
    return await unless_kept(
        turnos.db, once, lambda: until_fresh(lambda: _try(turnos, order, repeat, once=once))
    )


async def _try(turnos: Turnos, order: Order, repeat: Repeat, *, once: Once) -> Kept:
    shop = copies.trading(await copies.current_shop(turnos, order.business_id))
    shop = await copies.shop_where(turnos, shop, lambda shop: shop.knows(order.staff_id, order.service_ids))
    if order.staff_id is not None:
        shop.member(order.staff_id)
    attempts = _attempts(turnos, order, repeat, shop)

    async def work(tx: Transaction) -> tuple[int, dict[str, Any]]:
        await seats.lock(tx, keys_of(attempts[0][0]))
        return 201, await _book(turnos, tx, attempts, allow_partial=repeat.allow_partial)

    return await once.answer(turnos.db, work)


def _attempts(turnos: Turnos, order: Order, repeat: Repeat, shop: Shop) -> list[tuple[Attempt, bool]]:
    """One attempt a start, each with whether a clock change has shifted it."""
    sought, now = shop.sought(order.service_ids), turnos.clock.now()
    found = [(Attempt(order, shop, sought, now), False)]
    for start_at, is_shifted in later_starts(shop.calendar.zone, order.starts_at, repeat):
        # A hold is of one time: the first.
        later = replace(order, starts_at=start_at, hold_id=None)
        found.append((Attempt(later, shop, sought, now), is_shifted))
    return found


def later_starts(zone: ZoneInfo, first_at: datetime, repeat: Repeat) -> list[tuple[datetime, bool]]:
    """The starts after the first, at its wall time, and whether a clock change has shifted them (R3)."""
    first_local = first_at.astimezone(zone)
    minute = first_local.hour * 60 + first_local.minute
    rest = timedelta(seconds=first_local.second, microseconds=first_local.microsecond)
    found: list[tuple[datetime, bool]] = []
    for number in range(1, repeat.count):
        day = first_local.date() + timedelta(weeks=repeat.every_weeks * number)
        start_at, is_shifted = recurring_start(zone, day, minute)
        found.append((start_at + rest, is_shifted))
    return found


async def _book(
    turnos: Turnos, tx: Transaction, attempts: list[tuple[Attempt, bool]], *, allow_partial: bool
) -> dict[str, Any]:
    series_id = new_id()
    made: list[Turno] = []
    used: list[UUID] = []
    refusals: list[RefusedStart] = []
    for attempt, is_shifted in attempts:
        try:
            turno, holds = await _decide(turnos, tx, attempt)
        except (SlotTaken, SlotUnavailable) as refusal:
            local = attempt.order.starts_at.astimezone(attempt.shop.calendar.zone)
            refusals.append(RefusedStart(starts_at=local, reason=refusal.reason))
            continue
        made.append(replace(turno, series_id=series_id, shifted_by_dst=is_shifted))
        used += holds
    if refusals and not (allow_partial and made):
        raise SeriesRefused(reason=refusals[0].reason, refused=refusals)
    shop, actor_id = attempts[0][0].shop, attempts[0][0].order.actor_id
    await turno_store.forget(tx, used)
    conflict = await turno_store.add_many(tx, made)
    if conflict is not None:
        raise refused(conflict)
    # A single one that is left of a series is told as any other.
    events = (
        telling.series(series_id, made, shop, actor_id=actor_id)
        if len(made) > 1
        else telling.booked(made[0], shop, actor_id=actor_id)
    )
    for event in events:
        await tx.publish(event)
    return series_resource(series_id, made, refusals, shop.calendar.zone)


async def _decide(turnos: Turnos, tx: Transaction, attempt: Attempt) -> tuple[Turno, list[UUID]]:
    """The turno at one of the starts, and the holds that it replaces; raises the refusal."""
    look = await seats.look(tx, attempt.about, once=_NO_KEY)
    if look is None or look.revisions != attempt.shop.revisions:
        raise Stale
    await clear_lapsed(turnos, tx, attempt.shop, look.seats)
    decision = decide(turnos, attempt, look)
    return turno_of(turnos, attempt, decision), [hold.id for hold in decision.holds]
