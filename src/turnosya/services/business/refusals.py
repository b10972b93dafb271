"""What business refuses over HTTP, beyond what its contract declares."""

from __future__ import annotations

from turnosya.runtime.messages import Kind, Say, ServiceError


class BusinessHasAppointments(ServiceError):
    """It cannot be deleted while clients have turnos there."""

    kind = Kind.CONFLICT
    says = Say(
        "El negocio tiene turnos pendientes: cancelalos o reprogramalos antes de borrarlo.",
        "The business has future appointments: cancel or move them before deleting it.",
        "O negócio tem agendamentos futuros: cancele ou remarque antes de excluir.",
    )
