"""Waiting for a time: who wants an earlier or a full day is offered what becomes free, in order (R17)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any
from uuid import UUID

from turnosya.runtime.database import Transaction
from turnosya.runtime.idempotency import Kept, Once
from turnosya.runtime.ids import new_id
from turnosya.runtime.messages import NotFound, invalid
from turnosya.services.turnos import copies, freeing
from turnosya.services.turnos.closure import ProposalStatus, Waiting
from turnosya.services.turnos.closure_resources import waiting_resource
from turnosya.services.turnos.refusals import OVER
from turnosya.services.turnos.store import closures, seats
from turnosya.services.turnos.store import waitlist as store
from turnosya.services.turnos.windows import Window, local_date

if TYPE_CHECKING:
    from turnosya.services.turnos.context import Turnos


@dataclass(frozen=True, slots=True)
class Wish:
    """What a client waits for; the dates are local to the business, inclusive."""

    business_id: UUID
    client_id: UUID
    service_id: UUID
    staff_id: UUID | None
    first_on: date
    last_on: date


async def join(turnos: Turnos, wish: Wish, once: Once) -> Kept:
    """A place at the end of the line. Raises NotFound, and Invalid for what is not of the business."""
    shop = copies.trading(await copies.current_shop(turnos, wish.business_id))
    shop = await copies.shop_where(turnos, shop, lambda shop: shop.knows(wish.staff_id, [wish.service_id]))
    shop.service(wish.service_id)
    if wish.staff_id is not None:
        shop.member(wish.staff_id)
    now = turnos.clock.now()
    if wish.last_on < local_date(shop.calendar.zone, now):
        raise invalid("to", "past", OVER)
    one = Waiting(
        id=new_id(),
        business_id=wish.business_id,
        client_id=wish.client_id,
        service_id=wish.service_id,
        staff_id=wish.staff_id,
        first_on=wish.first_on,
        last_on=wish.last_on,
        appointment_id=None,
        created_at=now,
    )

    async def work(tx: Transaction) -> tuple[int, dict[str, Any]]:
        await store.add(tx, one)
        return 201, waiting_resource(one, shop.calendar.zone)

    return await once.answer(turnos.db, work)


async def leave(turnos: Turnos, client_id: UUID, waiting_id: UUID) -> None:
    """Gives a place up; what was held for it goes to the next. NotFound for another's place."""
    async with turnos.db.read() as tx:
        one = await store.find(tx, waiting_id)
        offer = await closures.waiting_offer(tx, waiting_id)
    if one is None or one.client_id != client_id:
        raise NotFound
    shop = await copies.kept_shop(turnos, one.business_id)
    async with turnos.db.transaction() as tx:
        await seats.lock(tx, [seats.staff_key(offer.staff_id)] if offer else [])
        current = await closures.open_for(tx, waiting_id)
        await store.remove(tx, waiting_id=waiting_id)
        if current is not None:
            await closures.end(tx, current, ProposalStatus.WITHDRAWN)
            freed = Window(current.starts_at, current.ends_at)
            await freeing.freed(turnos, tx, shop, staff_id=current.staff_id, span=freed)
