"""What turnos refuses over HTTP, beyond what its contract declares."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from turnosya.runtime.messages import Kind, Message, Say, ServiceError
from turnosya.services.turnos.availability import CONFLICTS, Reason


class SlotUnavailable(ServiceError):
    """That instant is not offered; ``reason`` says why (rule R15)."""

    kind = Kind.INVALID
    says = Say(
        "Ese horario no se ofrece. Elegí uno de la lista.",
        "That time is not offered. Choose one of the list.",
        "Esse horário não é oferecido. Escolha um da lista.",
    )
    reason: str


class SlotTaken(ServiceError):
    """Somebody else has that time; ``reason`` says how (rule R15)."""

    kind = Kind.CONFLICT
    says = Say(
        "Ese horario ya está ocupado. Elegí otro.",
        "That time is taken. Choose another one.",
        "Esse horário já está ocupado. Escolha outro.",
    )
    reason: str


class RefusedStart(Message):
    """One start of a series that cannot be had, and why (rule R15)."""

    starts_at: datetime
    reason: str


class SeriesRefused(ServiceError):
    """Not every turno of a series can be had, and nothing of it is booked; ``reason`` is the first's."""

    kind = Kind.CONFLICT
    code = "slot_taken"
    says = Say(
        "No todos los horarios de la serie están disponibles.",
        "Not all times of the series are available.",
        "Nem todos os horários da série estão disponíveis.",
    )
    reason: str
    refused: list[RefusedStart]


class RefusedMove(Message):
    """A turno that cannot go where it is to go, with its present time, and why (rule R15)."""

    appointment_id: UUID
    starts_at: datetime
    reason: str


class MovesRefused(ServiceError):
    """Not every turno can go where it is to go, and none has; ``reason`` is the first's."""

    kind = Kind.CONFLICT
    code = "slot_taken"
    says = Say(
        "No todos los turnos entran en su nuevo horario: ninguno se movió.",
        "Not every appointment fits at its new time: none was moved.",
        "Nem todos os agendamentos cabem no novo horário: nenhum foi movido.",
    )
    reason: str
    refused: list[RefusedMove]


class HoldExpired(ServiceError):
    """The hold is over, or was never this client's."""

    kind = Kind.CONFLICT
    says = Say(
        "La reserva temporal venció. Elegí el horario otra vez.",
        "The hold has expired. Choose the time again.",
        "A reserva temporária venceu. Escolha o horário outra vez.",
    )


class TooManyHolds(ServiceError):
    """The client already holds as many times in this business as one may."""

    kind = Kind.TOO_MANY
    says = Say(
        "Ya tenés otros horarios reservados mientras decidís.",
        "You already hold other times while you decide.",
        "Você já reservou outros horários enquanto decide.",
    )
    retry_after_s: int


class ProposalExpired(ServiceError):
    """The offer is over: its time came, it was declined, or another time was chosen."""

    kind = Kind.CONFLICT
    says = Say(
        "La propuesta ya no está vigente. Elegí otro horario.",
        "The proposal is no longer open. Choose another time.",
        "A proposta não está mais válida. Escolha outro horário.",
    )


class AppointmentNotActive(ServiceError):
    """It was cancelled, is over, or is in another state that does not allow this."""

    kind = Kind.CONFLICT
    says = Say(
        "El turno ya no está activo.",
        "The appointment is no longer active.",
        "O agendamento não está mais ativo.",
    )


class CancellationWindowClosed(ServiceError):
    """Too late for the client: only the business can cancel or move it now."""

    kind = Kind.FORBIDDEN
    says = Say(
        "Ya pasó el plazo para cancelar o mover el turno. Comunicate con el negocio.",
        "It is too late to cancel or move the appointment. Get in touch with the business.",
        "O prazo para cancelar ou mover o agendamento já passou. Fale com o negócio.",
    )
    until: datetime


def refused(reason: Reason) -> SlotUnavailable | SlotTaken:
    """The refusal of a time for one of the reasons of R15."""
    return SlotTaken(reason=reason.value) if reason in CONFLICTS else SlotUnavailable(reason=reason.value)


# Beside a wrong field.
CURRENCIES = Say(
    "un turno tiene un solo precio, en una moneda",
    "one turno has one price, in one currency",
    "um agendamento tem um só preço, em uma moeda",
)
OVER = Say("ya pasó", "is over", "já passou")
OTHER_HOLD = Say(
    "es una reserva de otro horario, servicio o persona",
    "is a hold of another time, service or member",
    "é uma reserva de outro horário, serviço ou pessoa",
)
OWN_PHONE = Say(
    "una cuenta ya tiene su teléfono", "an account has its own phone", "uma conta já tem seu telefone"
)
MOVES_NOTHING = Say("no puede ser 0", "must not be 0", "não pode ser 0")
SAME_MEMBER = Say(
    "to_staff_id debe ser otra persona",
    "to_staff_id must be another member",
    "to_staff_id deve ser outra pessoa",
)
