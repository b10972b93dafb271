"""What is sought for a turno that needs another place."""

from __future__ import annotations

from turnosya.services.turnos.availability import Sought
from turnosya.services.turnos.shops import Shop
from turnosya.services.turnos.turno import Turno


def sought_again(shop: Shop, turno: Turno) -> Sought:
    """What is sought again: as it was sold (R10), by whoever does it now, even if it is sold no more."""
    services = [
        service
        for service in shop.business.services
        if service.id in (turno.service_ids or [turno.service_id]) and not service.deleted
    ]
    able = shop.members_of(services)
    return Sought(
        service_id=None if turno.service_ids else turno.service_id,
        staff_ids=able,
        duration=turno.ends_at - turno.starts_at,
        buffer_before=turno.starts_at - turno.busy_from,
        buffer_after=turno.busy_to - turno.ends_at,
        capacity=services[0].capacity if len(services) == 1 and not turno.service_ids else 1,
    )
