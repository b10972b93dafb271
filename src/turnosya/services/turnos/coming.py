"""A client who answers a reminder that they come: a line of the turno's history, once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from turnosya.runtime.database import Transaction
from turnosya.runtime.idempotency import Kept, Once
from turnosya.services.turnos import agenda
from turnosya.services.turnos.fresh import until_fresh
from turnosya.services.turnos.refusals import AppointmentNotActive
from turnosya.services.turnos.resources import appointment_resource
from turnosya.services.turnos.store import seats
from turnosya.services.turnos.store import turnos as turno_store
from turnosya.services.turnos.turno import Status, What

if TYPE_CHECKING:
    from turnosya.services.turnos.context import Turnos


async def say(turnos: Turnos, turno_id: UUID, actor_id: UUID, once: Once) -> Kept:
    """Notes it and answers the turno; a second time changes nothing. Raises AppointmentNotActive."""
    return await until_fresh(lambda: _try(turnos, turno_id, actor_id, once))


async def _try(turnos: Turnos, turno_id: UUID, actor_id: UUID, once: Once) -> Kept:
    seen = await agenda.seen_by_link(turnos, turno_id)

    async def work(tx: Transaction) -> tuple[int, dict[str, Any]]:
        await seats.lock(tx, [seats.staff_key(seen.turno.staff_id)])
        turno = await agenda.locked(tx, seen.turno, now=turnos.clock.now())
        if turno.status is not Status.CONFIRMED:
            raise AppointmentNotActive
        if turno.history[-1]["what"] != What.COMING.value:
            turno = turno.after(What.COMING, at=turnos.clock.now(), actor_id=actor_id)
            await turno_store.save(tx, turno)
        return 200, appointment_resource(turno, seen.shop.calendar.zone)

    return await once.answer(turnos.db, work)
