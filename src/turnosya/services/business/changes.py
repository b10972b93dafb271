"""The one way in which a business changes: decided on its present state, asked of turnos where needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import structlog

from turnosya.contracts.business import BusinessChanged, OnConflict
from turnosya.contracts.files import FileReleased
from turnosya.contracts.turnos import ApplyBusiness, FollowBusiness
from turnosya.runtime.database import Transaction
from turnosya.runtime.idempotency import Kept, Once
from turnosya.runtime.messages import Conflict, Event, Forbidden, NotFound, Unavailable
from turnosya.services.business import papers, rules
from turnosya.services.business.state import BusinessState
from turnosya.services.business.store import businesses as store
from turnosya.services.business.store import pictures

if TYPE_CHECKING:
    from turnosya.services.business.context import Businesses

log = structlog.get_logger()

Decide = Callable[[BusinessState], BusinessState]
May = Callable[[BusinessState, UUID], None]
"""Raises unless somebody may change a business."""
Telling = Callable[[BusinessState], Sequence[Event]]

# Each further try means that somebody else changed the same business while turnos was asked.
TRIES = 4

# An owner does not wait longer for turnos to follow; the event tells it anyway.
FOLLOW_TIMEOUT_S = 2.0


def check_owner(state: BusinessState, actor_id: UUID) -> None:
    """Raises Forbidden unless it is theirs: what everybody may see, its owner alone may change."""
    if state.owner_id != actor_id:
        raise Forbidden


def anybody(_state: BusinessState, _actor_id: UUID) -> None:
    """The route has let admins in only, and they may for every business."""


def nothing_more(_state: BusinessState) -> Sequence[Event]:
    """``BusinessChanged`` alone tells of the change."""
    return ()


async def apply(
    here: Businesses,
    business_id: UUID,
    actor_id: UUID,
    decide: Decide,
    *,
    on_conflict: OnConflict | None = None,
    may: May = check_owner,
    telling: Telling = nothing_more,
) -> BusinessState:
    """Makes the business what ``decide`` says, and tells the others; ``telling`` is told besides.

    What could strand turnos is first asked of turnos, which takes it over at once; no transaction is
    open meanwhile. The version is reserved before, so that no other change can go by the same number.
    Raises NotFound, Forbidden, NeedsDecision, Unavailable with turnos away, and whatever ``decide`` raises.
    """
    for _ in range(TRIES):
        async with here.db.transaction() as tx:
            before = await locked(tx, business_id, actor_id, may)
            after = decide(before)
            if after == before:
                return before
            after = replace(after, version=await store.reserve_version(tx, business_id))
            asks_turnos = rules.could_strand(before, after)
            if not asks_turnos:
                await commit(tx, before, after, telling(after), now=here.clock.now())
        if not asks_turnos:
            await _tell_at_once(here, after)
            return after
        await here.bus.call(ApplyBusiness(business=after.told(), on_conflict=on_conflict, actor_id=actor_id))
        async with here.db.transaction() as tx:
            present = await store.lock(tx, business_id)
            if present is not None and present.version == before.version:
                await commit(tx, before, after, telling(after), now=here.clock.now())
                return after
    raise Conflict


async def locked(tx: Transaction, business_id: UUID, actor_id: UUID, may: May = check_owner) -> BusinessState:
    """The business, locked. NotFound if there is none, or it is suspended and another's; Forbidden."""
    return _changeable(await store.lock(tx, business_id), actor_id, may)


async def found(tx: Transaction, business_id: UUID, actor_id: UUID) -> BusinessState:
    """The profile of somebody's own business, not locked; raises the same."""
    return _changeable(await store.find_profile(tx, business_id), actor_id, check_owner)


def _changeable(state: BusinessState | None, actor_id: UUID, may: May) -> BusinessState:
    if state is None or state.deleted:
        raise NotFound
    try:
        may(state, actor_id)
    except Forbidden:
        if state.suspension is not None:
            raise NotFound from None
        raise
    return state


async def commit(
    tx: Transaction,
    before: BusinessState,
    after: BusinessState,
    besides: Sequence[Event] = (),
    *,
    now: datetime,
) -> None:
    """Stores the new state with the events that tell of it; ``before`` is locked in this transaction.

    What is deleted shows nothing and asks nothing any more; papers are for one name.
    """
    await store.replace(tx, before, after)
    if rules.is_another_name(before, after):
        await papers.end_with_name(tx, before, after, now=now)
    if after.deleted:
        await papers.end_all(tx, before.id, now=now)
    shown = await pictures.delete_all(tx, before.id) if after.deleted else []
    released = [FileReleased(file_id=one.file_id, by=one.by) for one in shown]
    for event in (BusinessChanged(business=after.told()), *released, *besides):
        await tx.publish(event)


async def add(
    here: Businesses,
    business_id: UUID,
    actor_id: UUID,
    decide: Decide,
    *,
    once: Once,
    shown: Callable[[BusinessState], Mapping[str, Any]],
) -> Kept:
    """Adds something to the business, which can strand nothing, or gives the first answer again."""
    added: BusinessState | None = None

    async def work(tx: Transaction) -> tuple[int, Mapping[str, Any]]:
        nonlocal added
        before = await locked(tx, business_id, actor_id)
        added = replace(decide(before), version=await store.reserve_version(tx, business_id))
        await commit(tx, before, added, now=here.clock.now())
        return 201, shown(added)

    kept = await once.answer(here.db, work)
    if added is not None:
        await _tell_at_once(here, added)
    return kept


async def _tell_at_once(here: Businesses, state: BusinessState) -> None:
    """What turnos offers is by the new state before the owner hears that it is made."""
    try:
        await here.bus.call(FollowBusiness(business=state.told()), timeout_s=FOLLOW_TIMEOUT_S)
    except Unavailable as error:
        log.info("turnos_follows_later", business_id=str(state.id), why=error.code)
