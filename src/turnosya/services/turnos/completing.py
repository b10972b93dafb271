"""Confirmed turnos that ended an hour ago, and of which nobody has said that the client did not come."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import UUID

import structlog

from turnosya.contracts.turnos import CompleteOver
from turnosya.runtime.messages import Nothing
from turnosya.services.turnos import copies, rules, telling
from turnosya.services.turnos.store import seats
from turnosya.services.turnos.store import turnos as turno_store
from turnosya.services.turnos.turno import Status, Turno, What

if TYPE_CHECKING:
    from turnosya.services.turnos.context import Turnos

log = structlog.get_logger()

# A batch takes a transaction a business; a run of the job ends long before its lease does.
_BATCH = 200
_BATCHES = 10


async def complete_over(turnos: Turnos, _request: CompleteOver) -> Nothing:
    """The job: completes all that is over, longest over first."""
    for _ in range(_BATCHES):
        before = turnos.clock.now() - rules.COMPLETES_AFTER
        async with turnos.db.read() as tx:
            found = await turno_store.confirmed_before(tx, before, limit=_BATCH)
        for business_id, over in _by_business(found):
            try:
                await _complete_in(turnos, business_id, over)
            except Exception:
                # The others must not wait for whatever one business's state makes of it.
                log.exception("completing_failed", business_id=str(business_id))
        if len(found) < _BATCH:
            break
    return Nothing()


async def complete(turnos: Turnos, over: Sequence[Turno]) -> None:
    """Completes those of these that still stand confirmed."""
    for business_id, its in _by_business(over):
        await _complete_in(turnos, business_id, its)


def _by_business(turnos: Sequence[Turno]) -> Iterable[tuple[UUID, list[Turno]]]:
    found: defaultdict[UUID, list[Turno]] = defaultdict(list)
    for turno in turnos:
        found[turno.business_id].append(turno)
    return found.items()


async def _complete_in(turnos: Turnos, business_id: UUID, over: Sequence[Turno]) -> None:
    shop = await copies.kept_shop(turnos, business_id)
    async with turnos.db.transaction() as tx:
        await seats.lock(tx, {seats.staff_key(turno.staff_id) for turno in over})
        now = turnos.clock.now()
        for turno in await turno_store.find_many(tx, [turno.id for turno in over]):
            if rules.is_over(turno, now):
                changed = turno.after(What.COMPLETED, at=now, actor_id=None)
                done = replace(changed, status=Status.COMPLETED)
                await turno_store.save(tx, done)
                await tx.publish(telling.completed_by_itself(done, shop))
