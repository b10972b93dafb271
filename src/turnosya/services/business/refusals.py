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


class RatingRequiresVisit(ServiceError):
    """Only who completed a turno there may say how it was."""

    kind = Kind.FORBIDDEN
    says = Say(
        "Para opinar tenés que haber ido: todavía no completaste ningún turno en este negocio.",
        "To rate it you must have been there: you have not completed an appointment in this business yet.",
        "Para avaliar é preciso ter ido: você ainda não concluiu nenhum agendamento neste negócio.",
    )
