"""What only chat refuses."""

from __future__ import annotations

from turnosya.runtime.messages import Kind, Say, ServiceError


class ClientMessageIdReused(ServiceError):
    """The same ``client_message_id`` with another text."""

    kind = Kind.CONFLICT
    code = "conflict"
    says = Say(
        "Ese mensaje ya se envió con otro texto.",
        "That message was sent before with another text.",
        "Essa mensagem já foi enviada com outro texto.",
    )


class ConversationBlocked(ServiceError):
    """One of the two does not want to hear the other."""

    kind = Kind.FORBIDDEN
    code = "forbidden"
    says = Say(
        "No se pueden enviar mensajes en esta conversación.",
        "No messages can be sent in this conversation.",
        "Não é possível enviar mensagens nesta conversa.",
    )


class TooFast(ServiceError):
    """More than 5 messages a second, after 20 at once."""

    kind = Kind.TOO_MANY
    code = "rate_limited"
    says = Say(
        "Estás enviando mensajes demasiado rápido. Esperá un momento.",
        "You are sending messages too fast. Wait a moment.",
        "Você está enviando mensagens rápido demais. Espere um momento.",
    )
    retry_after_s: int = 1


# Beside a wrong field.
NOTHING_SAID = Say(
    "un mensaje lleva texto o un archivo",
    "a message has a text or a file",
    "uma mensagem leva texto ou um arquivo",
)
UNKNOWN_FILE = Say("no existe ese archivo", "there is no such file", "esse arquivo não existe")
NO_WORD = Say("debe tener al menos una palabra", "must contain a word", "deve ter ao menos uma palavra")
UNKNOWN_MESSAGE = Say(
    "no es un mensaje de esta conversación",
    "is no message of this conversation",
    "não é uma mensagem desta conversa",
)
