"""Letting go of a time that was held while a client decided."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from turnosya.runtime.messages import NotFound
from turnosya.services.turnos.store import seats
from turnosya.services.turnos.store import turnos as turno_store
from turnosya.services.turnos.turno import Status

if TYPE_CHECKING:
    from turnosya.services.turnos.context import Turnos


async def release(turnos: Turnos, client_id: UUID, hold_id: UUID) -> None:
    """Frees a client's own hold; NotFound for any other."""
    async with turnos.db.read() as tx:
        hold = await turno_store.find(tx, hold_id)
    if hold is None or hold.status is not Status.HELD or hold.client_id != client_id:
        raise NotFound
    if hold.for_appointment_id is not None:
        # An offer: it is declined, not let go.
        raise NotFound
    async with turnos.db.transaction() as tx:
        await seats.lock(tx, [seats.staff_key(hold.staff_id)])
        await turno_store.forget(tx, [hold_id])
