"""What the page of a business says besides what the business says, in three languages."""

from __future__ import annotations

from collections.abc import Mapping

from turnosya.runtime.messages import Say

WORDS: Mapping[str, Say] = {
    "services": Say("Servicios", "Services", "Serviços"),
    "minutes": Say("min", "min", "min"),
    "next_times": Say("Próximos horarios", "Next free times", "Próximos horários"),
    "no_times": Say(
        "Sin horarios libres en las próximas dos semanas",
        "No free time in the next two weeks",
        "Sem horários livres nas próximas duas semanas",
    ),
    "times_unknown": Say(
        "Ahora no podemos mostrar los horarios libres. Probá de nuevo en unos minutos.",
        "We cannot show the free times right now. Try again in a few minutes.",
        "Agora não podemos mostrar os horários livres. Tente de novo em alguns minutos.",
    ),
    "hours": Say("Horarios de atención", "Opening hours", "Horário de atendimento"),
    "closed": Say("Cerrado", "Closed", "Fechado"),
    "open_until": Say("Abierto hasta", "Open until", "Aberto até"),
    "opens": Say("Cerrado. Abre", "Closed. Opens", "Fechado. Abre"),
    "closed_now": Say("Cerrado por ahora", "Closed for now", "Fechado por enquanto"),
    "contact": Say("Contacto", "Contact", "Contato"),
    "address": Say("Dirección", "Address", "Endereço"),
    "phone": Say("Teléfono", "Phone", "Telefone"),
    "email": Say("E-mail", "E-mail", "E-mail"),
    "website": Say("Sitio web", "Website", "Site"),
    "payments": Say("Medios de pago", "Accepted payments", "Formas de pagamento"),
    "ratings": Say("Opiniones", "Ratings", "Avaliações"),
    "stars": Say("estrellas de 5", "stars out of 5", "estrelas de 5"),
    "somebody": Say("Cliente", "Client", "Cliente"),
    "reply": Say("Respuesta del negocio", "Reply of the business", "Resposta do negócio"),
    "no_rating": Say("Todavía sin opiniones", "No ratings yet", "Ainda sem avaliações"),
    "about": Say("Sobre el negocio", "About", "Sobre o negócio"),
    "pictures": Say("Fotos", "Pictures", "Fotos"),
    "picture_of": Say("Foto de", "Picture of", "Foto de"),
    "verified": Say("Negocio verificado", "Verified business", "Negócio verificado"),
    "skip": Say("Ir al contenido", "Skip to content", "Ir para o conteúdo"),
    "languages": Say("Idiomas", "Languages", "Idiomas"),
    "book": Say("Reservá tu turno en", "Book your appointment at", "Agende seu horário em"),
}

PAYMENTS: Mapping[str, Say] = {
    "cash": Say("Efectivo", "Cash", "Dinheiro"),
    "debit_card": Say("Tarjeta de débito", "Debit card", "Cartão de débito"),
    "credit_card": Say("Tarjeta de crédito", "Credit card", "Cartão de crédito"),
    "transfer": Say("Transferencia", "Bank transfer", "Transferência"),
    "mercado_pago": Say("Mercado Pago", "Mercado Pago", "Mercado Pago"),
    "modo": Say("MODO", "MODO", "MODO"),
    "uala": Say("Ualá", "Ualá", "Ualá"),
    "qr": Say("QR", "QR", "QR"),
    "pix": Say("Pix", "Pix", "Pix"),
    "paypal": Say("PayPal", "PayPal", "PayPal"),
    "check": Say("Cheque", "Cheque", "Cheque"),
    "crypto": Say("Criptomonedas", "Cryptocurrency", "Criptomoedas"),
    "other": Say("Otros medios", "Other means", "Outros meios"),
}

NOT_THERE = Say("No hay nada acá", "There is nothing here", "Não há nada aqui")
NOT_THERE_TEXT = Say(
    "Este negocio no está en TurnosYa, o ya no está.",
    "This business is not on TurnosYa, or is not any more.",
    "Este negócio não está no TurnosYa, ou não está mais.",
)
