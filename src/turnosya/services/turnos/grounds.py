"""What a plan for a closure is made on: read before it, and compared under everybody's locks after it."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from math import ceil, isfinite
from typing import TYPE_CHECKING, TypeAlias
from uuid import UUID

from turnosya.runtime.database import Transaction
from turnosya.services.turnos import copies, lapsing, offering, rules
from turnosya.services.turnos.arranging import Arrangement
from turnosya.services.turnos.closure import (
    IN_SECOND_ROUND,
    AffectedTurno,
    Closing,
    Outcome,
    PlanNote,
    Proposal,
    ProposalStatus,
    Waiting,
    Why,
)
from turnosya.services.turnos.fresh import Stale
from turnosya.services.turnos.hours import Closure
from turnosya.services.turnos.planning.problem import Plan
from turnosya.services.turnos.replanning import Ground, Replanning, Start
from turnosya.services.turnos.shops import Shop
from turnosya.services.turnos.store import closures as store
from turnosya.services.turnos.store import preferences as preference_store
from turnosya.services.turnos.store import seats, waitlist
from turnosya.services.turnos.store import turnos as turno_store
from turnosya.services.turnos.turno import ACTIVE, Status, Turno
from turnosya.services.turnos.windows import Window, local_date

if TYPE_CHECKING:
    from turnosya.services.turnos.context import Turnos

Reading: TypeAlias = "Callable[[Transaction, Shop], Awaitable[Ground]]"
"""Reads the ground anew on the business as it is by then."""

# So many of a line compete in one plan; the others are offered what becomes free after it, one by one.
_IN_PLAN = 20


def keys_of(shop: Shop, ground: Ground | None = None) -> set[int]:
    """Everybody's time: no booking goes by the hours of before, and no client is at two places."""
    keys = copies.keys_of(shop.business)
    if ground is None:
        return keys
    keys |= {seats.staff_key(turno.staff_id) for turno in ground.affected}
    return keys | {
        seats.client_key(shop.business.id, one) for one in _clients(ground.affected, ground.waiting)
    }


def _clients(affected: Sequence[Turno], waiting: Sequence[Waiting]) -> list[UUID]:
    """Whoever of them has an account, each once."""
    found = {turno.client_id for turno in affected} | {one.client_id for one in waiting}
    return sorted(one for one in found if one is not None)


async def of_closing(tx: Transaction, shop: Shop, closing: Closing, *, now: datetime) -> Ground:
    """For a closure that is about to be: what it affects, and the business with it in force."""
    live = await _live(tx, shop, now)
    shut = shop.with_closures([*shop.closures, Closure(closing.span, closing.staff_id)])
    return await _ground(tx, shut, _affected_by(closing, live, now), live, closing=closing, now=now)


async def of_round(tx: Transaction, shop: Shop, closing: Closing, *, now: datetime) -> Ground:
    """For a closure that is: who has yet to be planned for.

    In its second round also those who declined or did not answer, and the waitlist, for what they have freed.
    """
    live = await _live(tx, shop, now)
    is_second = closing.second_round_at is not None
    sought = {one.appointment_id: one for one in await store.affected_by(tx, closing.id)}
    offered = {one.for_appointment_id for one in live if one.status is Status.HELD}
    affected = [
        turno
        for turno in live
        if turno.id in sought
        and turno.id not in offered
        and _is_in_round(turno, sought[turno.id], now, is_second=is_second)
    ]
    ground = await _ground(tx, shop, affected, live, closing=closing, now=now)
    if not is_second:
        return ground
    waiting = [
        one
        for one in await waitlist.line(
            tx, shop.business.id, from_on=local_date(shop.calendar.zone, now), limit=_IN_PLAN
        )
        if shop.knows(one.staff_id, [one.service_id]) and shop.sought((one.service_id,)).is_active
    ]
    gone = await store.ended_offers_of(tx, closing.id)
    before = await store.ended_offers_to(tx, [turno.id for turno in affected], [one.id for one in waiting])
    return replace(
        ground,
        preferences=await preference_store.find(tx, _clients(affected, waiting)),
        in_vain={turno.id for turno in affected if sought[turno.id].reason != Why.TO_BE_PLANNED},
        waiting=waiting,
        freed=[(one.staff_id, Window(one.starts_at, one.ends_at)) for one in gone],
        refused=_refused(before),
    )


def _refused(before: Sequence[Proposal]) -> dict[UUID, set[Start]]:
    """A turno's client is not offered again what they declined, who waits nothing that they were offered."""
    found: defaultdict[UUID, set[Start]] = defaultdict(set)
    for one in before:
        place = (one.staff_id, one.starts_at)
        if one.appointment_id is not None and one.status is ProposalStatus.DECLINED:
            found[one.appointment_id].add(place)
        elif one.waiting_id is not None:
            found[one.waiting_id].add(place)
    return dict(found)


async def _live(tx: Transaction, shop: Shop, now: datetime) -> list[Turno]:
    rows = await turno_store.live_after(tx, shop.business.id, now=now)
    return [turno for turno in rows if not rules.has_lapsed(turno, now)]


async def _ground(
    tx: Transaction,
    shop: Shop,
    affected: Sequence[Turno],
    live: Sequence[Turno],
    *,
    closing: Closing,
    now: datetime,
) -> Ground:
    return Ground(
        shop=shop,
        affected=sorted(affected, key=lambda turno: (turno.starts_at, turno.id)),
        live=live,
        preferences=await preference_store.find(tx, _clients(affected, ())),
        moves=await store.moves_of(tx, [turno.id for turno in affected]),
        horizon_days=closing.horizon_days,
        now=now,
    )


def _is_in_round(turno: Turno, found: AffectedTurno, now: datetime, *, is_second: bool) -> bool:
    if turno.status is not Status.PROPOSED or found.outcome is not Outcome.WAITING:
        return False
    if found.reason == Why.TO_BE_PLANNED:
        return True
    # An offer that would outlast the time in which its client may choose would only put off the end.
    has_time = turno.expires_at is not None and turno.expires_at - now >= offering.AT_LEAST
    return is_second and has_time and found.reason in IN_SECOND_ROUND


def _affected_by(closing: Closing, live: Sequence[Turno], now: datetime) -> list[Turno]:
    offered = {one.for_appointment_id for one in live if one.status is Status.HELD and meets(one, closing)}
    return [
        turno
        for turno in live
        if turno.starts_at > now and (_is_affected(turno, closing) or _has_lost_offer(turno, offered))
    ]


def _is_affected(turno: Turno, closing: Closing) -> bool:
    """Turnos in the closed time, but for those that need another time already."""
    is_open = turno.status in ACTIVE and turno.status is not Status.PROPOSED
    return is_open and meets(turno, closing)


def _has_lost_offer(turno: Turno, offered: Collection[UUID | None]) -> bool:
    """Whether what an earlier closure offered for it lies in this one."""
    return turno.status is Status.PROPOSED and turno.id in offered


def meets(turno: Turno, closing: Closing) -> bool:
    """Whether some of a turno lies in a closed time of its member; its buffers may (R5)."""
    is_then = turno.starts_at < closing.ends_at and closing.starts_at < turno.ends_at
    return is_then and closing.staff_id in (None, turno.staff_id)


async def planned(turnos: Turnos, closing: Closing, ground: Ground) -> Arrangement:
    """The one plan for all of them, with what it is worth."""
    if closing.reschedule == "none":
        return Arrangement(closing, ground, {})
    # Worked out beside the loop: months of several members' hours are much to look through.
    replanning = await asyncio.to_thread(Replanning, ground)
    plan = await turnos.planner.plan(replanning.problem)
    note = asdict(_note(plan)) if replanning.problem.affected else None
    return Arrangement(closing, ground, replanning.spots(plan), note)


def _note(plan: Plan) -> PlanNote:
    everybody = len(plan.placed) + len(plan.unplaced)
    return PlanNote(
        status="proved" if plan.is_proved else "limit",
        limit=plan.limit,
        # Upwards: what is not proved is never shown as 0.
        gap_percent=ceil(plan.gap * 10_000) / 100 if isfinite(plan.gap) else None,
        placed=len(plan.placed),
        placed_at_most=everybody - plan.least_unplaced,
    )


async def check_unchanged(
    turnos: Turnos, tx: Transaction, shop: Shop, ground: Ground, *, read: Reading
) -> None:
    """Clears what is over; Stale if the plan would be another now that everybody's time is locked."""
    rows = await turno_store.live_after(tx, shop.business.id, now=ground.now)
    lapsed = [turno.id for turno in rows if rules.has_lapsed(turno, ground.now)]
    if lapsed:
        await lapsing.clear(turnos, tx, shop, lapsed)
    current = await copies.locked_shop(tx, shop.business.id)
    if current.revisions != shop.revisions:
        raise Stale
    if _decisive(await read(tx, current)) != _decisive(ground):
        raise Stale


def _decisive(ground: Ground) -> tuple[object, ...]:
    takers = {(turno.id, turno.version) for turno in ground.live}
    return (
        ground.affected,
        ground.preferences,
        ground.moves,
        ground.waiting,
        ground.freed,
        ground.refused,
        takers,
    )
