"""Turnos' copy of what business knows: asked for on first need, followed by event, changed on request."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import structlog

from turnosya.contracts.business import Business, BusinessChanged, GetBusiness
from turnosya.contracts.turnos import ApplyBusiness, FollowBusiness
from turnosya.runtime.clock import real_now
from turnosya.runtime.database import Transaction
from turnosya.runtime.messages import NotFound, Nothing, ServiceError
from turnosya.services.turnos import stranding, zones
from turnosya.services.turnos.shops import Shop
from turnosya.services.turnos.store import seats, shops
from turnosya.services.turnos.store import turnos as turno_store
from turnosya.services.turnos.windows import local_date, utc_offset_s

if TYPE_CHECKING:
    from turnosya.services.turnos.context import Turnos

log = structlog.get_logger()


async def recent_shop(turnos: Turnos, business_id: UUID) -> Shop:
    """A business as it was when this process last read it; NotFound if there is none.

    Only for what compares ``revisions`` before it decides; others read ``current_shop``.
    """
    known = turnos.window.get(business_id)
    # What is refused altogether is never compared with anything: whether it still is, is looked up.
    if known is None or known.business.suspended:
        known = await kept_shop(turnos, business_id)
    return _open(known)


async def current_shop(turnos: Turnos, business_id: UUID) -> Shop:
    """A business as it is stored now; asks business on first need. NotFound if there is none."""
    return _open(await kept_shop(turnos, business_id))


async def kept_shop(turnos: Turnos, business_id: UUID) -> Shop:
    """The same, though it may be closed for good: its turnos are still there to be read."""
    async with turnos.db.read() as tx:
        shop = await shops.find(tx, business_id)
    if shop is None:
        return await _asked_shop(turnos, business_id)
    turnos.window.put(shop)
    return shop


async def shop_where(turnos: Turnos, shop: Shop, holds: Callable[[Shop], bool]) -> Shop:
    """``shop``, or, where the wanted does not hold there, what business says it is by now.

    The event of what was added a moment ago may still be on its way: nobody is refused by a copy alone.
    """
    return shop if holds(shop) else _open(await _asked_shop(turnos, shop.business.id))


async def is_run_by(turnos: Turnos, business_id: UUID, user_id: UUID) -> bool:
    """Whether somebody owns a business or works there. NotFound if there is none."""
    shop = await current_shop(turnos, business_id)
    return (await shop_where(turnos, shop, lambda shop: shop.is_run_by(user_id))).is_run_by(user_id)


async def _asked_shop(turnos: Turnos, business_id: UUID) -> Shop:
    business = await turnos.bus.call(GetBusiness(business_id=business_id))
    async with turnos.db.transaction() as tx:
        await shops.take_over(tx, business)
        shop = await locked_shop(tx, business_id)
    turnos.window.put(shop)
    return shop


def _open(shop: Shop) -> Shop:
    if shop.business.deleted:
        raise NotFound
    return shop


def shown_to(shop: Shop, user_id: UUID | None) -> Shop:
    """``shop`` for somebody who looks at it; NotFound while it is suspended, but for who runs it."""
    if shop.business.suspended and (user_id is None or not shop.is_run_by(user_id)):
        raise NotFound
    return shop


def trading(shop: Shop) -> Shop:
    """``shop`` for something new; NotFound while it is suspended, whoever asks."""
    if shop.business.suspended:
        raise NotFound
    return shop


async def locked_shop(tx: Transaction, business_id: UUID) -> Shop:
    """A business within a transaction, of which turnos has heard before."""
    shop = await shops.find(tx, business_id)
    if shop is None:
        raise NotFound
    return shop


async def follow(turnos: Turnos, event: BusinessChanged) -> None:
    """Business has changed: what it says now is so."""
    await _follow(turnos, event.business)


async def follow_at_once(turnos: Turnos, request: FollowBusiness) -> Nothing:
    """The same, asked for before the event arrives."""
    await _follow(turnos, request.business)
    return Nothing()


async def _follow(turnos: Turnos, business: Business) -> None:
    async with turnos.db.transaction() as tx:
        await seats.lock(tx, keys_of(business))
        before = await shops.find(tx, business.id)
        await shops.take_over(tx, business)
        if before is not None and before.business.version <= business.version:
            await _follow_zone(turnos, tx, before, business)


async def apply(turnos: Turnos, request: ApplyBusiness) -> Nothing:
    """Takes a change over before business makes it, unless it would strand turnos (R11)."""
    business = request.business
    known = await kept_shop(turnos, business.id)
    async with turnos.db.transaction() as tx:
        await seats.lock(tx, {*keys_of(known.business), *keys_of(business)})
        shop = await locked_shop(tx, business.id)
        previous = await shops.known_before(tx, business.id)
        is_waiting = previous is not None
        if shop.business.version == business.version or (
            shop.business.version > business.version and not is_waiting
        ):
            # A repeat; or business has since gone on, and will see so itself.
            return Nothing()
        before = shop.with_business(previous or shop.business)
        await stranding.resolve(
            turnos,
            tx,
            stranding.Change(before, shop.with_business(business)),
            on_conflict=request.on_conflict,
            actor_id=request.actor_id,
        )
        await shops.apply(tx, business, previous=before.business, at=real_now())
        await _follow_zone(turnos, tx, shop, business)
    return Nothing()


async def take_back_forever(turnos: Turnos) -> None:
    """Undoes, some seconds later, changes that business asked about and then did not make."""
    wait_s = turnos.settings.take_back_after_s
    while True:
        try:
            await take_back(turnos)
        except ServiceError as error:
            log.warning("take_back_put_off", why=error.code)
        await asyncio.sleep(wait_s / 2)


async def take_back(turnos: Turnos) -> None:
    """Compares each change that has waited long enough with what business knows."""
    async with turnos.db.read() as tx:
        since = real_now() - timedelta(seconds=turnos.settings.take_back_after_s)
        waiting = await shops.waiting_since(tx, since)
    for business_id, version in waiting:
        try:
            await _take_back_one(turnos, business_id, version)
        except Exception:
            # The others must not wait for whatever one business's state makes of it.
            log.exception("take_back_failed", business_id=str(business_id))


async def _take_back_one(turnos: Turnos, business_id: UUID, version: int) -> None:
    actual = await turnos.bus.call(GetBusiness(business_id=business_id))
    async with turnos.db.transaction() as tx:
        await seats.lock(tx, keys_of(actual))
        shop = await locked_shop(tx, business_id)
        if actual.version >= version:
            await shops.take_over(tx, actual)
        elif await shops.put_back(tx, actual, unless_after=version):
            log.warning("change_taken_back", business_id=str(business_id), version=version)
        else:
            return
        await _follow_zone(turnos, tx, shop, actual)


def keys_of(business: Business) -> set[int]:
    """The locks under which what a business is, and everybody's time there, stand still."""
    return {seats.business_key(business.id), *(seats.staff_key(member.id) for member in business.staff)}


async def _follow_zone(turnos: Turnos, tx: Transaction, before: Shop, after: Business) -> None:
    """Turnos keep their instant in a new zone; their wall time and local date follow."""
    if before.business.timezone == after.timezone:
        return
    zone = zones.zone(after.timezone)
    future = await turno_store.live_from(tx, after.id, now=turnos.clock.now())
    local = [
        (turno.id, local_date(zone, turno.starts_at), utc_offset_s(zone, turno.starts_at)) for turno in future
    ]
    await turno_store.set_local(tx, local)
