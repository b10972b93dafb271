"""What files refuses over HTTP."""

from __future__ import annotations

from turnosya.runtime.messages import Kind, Say, ServiceError
from turnosya.runtime.problems import HttpError


class FileTypeRefused(HttpError):
    """By its content not of a kind that is taken for this purpose, or a document with programs."""

    status = 415
    says = Say(
        "No se admite ese tipo de archivo.",
        "That type of file is not accepted.",
        "Esse tipo de arquivo não é aceito.",
    )


class FileCorrupt(ServiceError):
    """It cannot be read, or has more pixels or pages than are taken."""

    kind = Kind.INVALID
    says = Say(
        "El archivo está dañado o es demasiado grande para procesarlo.",
        "The file is damaged, or too large to be worked on.",
        "O arquivo está danificado ou é grande demais para ser processado.",
    )


class FileInUse(ServiceError):
    """Something shows it: take it off there first."""

    kind = Kind.CONFLICT
    says = Say(
        "El archivo está en uso: quitalo primero de donde se muestra.",
        "The file is in use: remove it first from where it is shown.",
        "O arquivo está em uso: remova-o primeiro de onde é exibido.",
    )


class PreconditionFailed(HttpError):
    """It is not the content that the caller named in If-Match (RFC 9110 §15.5.13)."""

    status = 412
    says = Say(
        "El archivo no es el que se esperaba.",
        "The file is not the one that was expected.",
        "O arquivo não é o que se esperava.",
    )


# Beside a wrong field.
NOT_YOUR_BUSINESS = Say("no es un negocio tuyo", "is no business of yours", "não é um negócio seu")
NOT_YOUR_CONVERSATION = Say(
    "no es una conversación tuya", "is no conversation of yours", "não é uma conversa sua"
)
