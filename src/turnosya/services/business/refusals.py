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


# Beside a wrong field.
NO_CURRENCY = Say("no es una moneda ISO 4217", "is no ISO 4217 currency", "não é uma moeda ISO 4217")
NO_COUNTRY = Say("no es un país ISO 3166-1", "is no ISO 3166-1 country", "não é um país ISO 3166-1")
NO_PAYMENT = Say(
    "no es un medio de pago conocido", "is no known means of payment", "não é um meio de pagamento conhecido"
)
NO_PHONE = Say("no es un número de teléfono", "is no phone number", "não é um número de telefone")
NO_ADDRESS = Say(
    "no es una dirección http o https", "is no http or https address", "não é um endereço http ou https"
)
NO_PLACE = Say(
    "debe ser latitud y longitud: -34.6,-58.4",
    "must be a latitude and a longitude: -34.6,-58.4",
    "deve ser latitude e longitude: -34.6,-58.4",
)
NOT_OF_GALLERY = Say(
    "no es una imagen de esta galería, o está dos veces",
    "is no picture of this gallery, or stands here twice",
    "não é uma imagem desta galeria, ou aparece duas vezes",
)
NOT_WHOLE_GALLERY = Say(
    "debe nombrar todas las imágenes de la galería",
    "must name each picture of the gallery",
    "deve indicar todas as imagens da galeria",
)
