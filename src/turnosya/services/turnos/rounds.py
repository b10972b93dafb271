"""Planning again within a closure: for whom a change has stranded, and once more for who still waits."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from turnosya.contracts.turnos import BeginSecondRound, OffersWanted
from turnosya.runtime.database import Transaction
from turnosya.runtime.messages import Nothing
from turnosya.services.turnos import copies, grounds
from turnosya.services.turnos.arranging import arrange
from turnosya.services.turnos.fresh import Stale, until_fresh
from turnosya.services.turnos.replanning import Ground
from turnosya.services.turnos.shops import Shop
from turnosya.services.turnos.store import closures as store
from turnosya.services.turnos.store import seats

if TYPE_CHECKING:
    from turnosya.services.turnos.context import Turnos


async def begin_second(turnos: Turnos, request: BeginSecondRound) -> Nothing:
    """The job some time after an answer: once nobody has one open any more, and somebody still waits.

    The plan takes longer than a request may; the event that asks for it is stored with the beginning.
    """
    async with turnos.db.transaction() as tx:
        business_id = await store.begin_second_round(tx, request.closure_id, at=turnos.clock.now())
        if business_id is not None:
            await tx.publish(OffersWanted(business_id=business_id, closure_id=request.closure_id))
    return Nothing()


async def offer_others(turnos: Turnos, event: OffersWanted) -> None:
    """Plans for who has yet to be planned for, and offers what it finds; a second time there are none."""
    await until_fresh(lambda: _offer_others(turnos, event))


async def _offer_others(turnos: Turnos, event: OffersWanted) -> None:
    shop = await copies.kept_shop(turnos, event.business_id)
    now = turnos.clock.now()
    async with turnos.db.read() as tx:
        closing = await store.find(tx, event.closure_id)
        if closing is None:
            return
        ground = await grounds.of_round(tx, shop, closing, now=now)
    plan = replace(await grounds.planned(turnos, closing, ground), is_new=False)

    async def read(tx: Transaction, current: Shop) -> Ground:
        again = await store.find(tx, event.closure_id)
        if again is None or again.reopened_at != closing.reopened_at:
            raise Stale
        return await grounds.of_round(tx, current, closing, now=now)

    async with turnos.db.transaction() as tx:
        await seats.lock(tx, grounds.keys_of(shop, ground))
        await grounds.check_unchanged(turnos, tx, shop, ground, read=read)
        for one in await arrange(turnos, tx, plan):
            await store.decide(
                tx,
                one.appointment_id,
                outcome=one.outcome,
                starts_at=one.starts_at,
                staff_id=one.staff_id,
                reason=one.reason,
            )
        await store.note_plan(tx, closing.id, plan.note)
