"""What a message says of a turno, whatever happened to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from turnosya.contracts.turnos import Appointment


def facts_of(appointment: Appointment) -> dict[str, Any]:
    """For the template."""
    return {
        "business_name": appointment.business_name,
        "service_name": appointment.service_name,
        "staff_name": appointment.staff_name,
        "address_line": appointment.address_line,
        "price": appointment.price.model_dump() if appointment.price else None,
        "timezone": appointment.business_timezone,
        "when": appointment.starts_at.isoformat(),
    }


def turno_data(appointment: Appointment) -> dict[str, Any]:
    """For an app: what the message is about, with the business's own offset."""
    local_start = appointment.starts_at.astimezone(ZoneInfo(appointment.business_timezone))
    return {
        "appointment_id": str(appointment.id),
        "business_id": str(appointment.business_id),
        "starts_at": local_start.isoformat(),
        "status": appointment.status,
    }
