"""What only the front door refuses, and how a refusal looks in bytes."""

import json

from turnosya.runtime.identity import TokenExpired, TokenInvalid, TokenMissing, TokenRevoked
from turnosya.runtime.messages import Kind, Say, ServiceError
from turnosya.runtime.problems import HttpError, document_of, language_of, status_of
from turnosya.services.gateway import rules
from turnosya.services.gateway.rules import Headers


class UriTooLong(HttpError):
    """A target over 4 KiB."""

    status = 414
    says = Say("La dirección es demasiado larga.", "The address is too long.", "O endereço é longo demais.")


class HeadersTooLarge(HttpError):
    """More than 16 KiB or 64 fields."""

    status = 431
    says = Say(
        "Los encabezados son demasiado grandes.",
        "The headers are too large.",
        "Os cabeçalhos são grandes demais.",
    )


class RequestTimeout(HttpError):
    """A head or a body that did not come in time."""

    status = 408
    says = Say(
        "El pedido tardó demasiado en llegar. Probá de nuevo.",
        "The request took too long to arrive. Try again.",
        "A requisição demorou demais para chegar. Tente de novo.",
    )


class RateLimited(ServiceError):
    """More requests, or connections, than a caller may make."""

    kind = Kind.TOO_MANY
    says = Say(
        "Demasiados pedidos. Esperá un momento y probá de nuevo.",
        "Too many requests. Wait a moment and try again.",
        "Requisições demais. Espere um momento e tente de novo.",
    )
    retry_after_s: int = 1


class AccessBlocked(ServiceError):
    """An admin blocked the user."""

    kind = Kind.UNAUTHENTICATED
    says = Say("La cuenta está bloqueada.", "The account is blocked.", "A conta está bloqueada.")


BAD_TOKEN = (TokenInvalid, TokenExpired, TokenRevoked, AccessBlocked)


def rendered(
    error: ServiceError, *, request_id: str, headers: Headers
) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """Status, fields and body of the problem document that answers a request with these headers."""
    language = language_of((rules.value_of(headers, b"accept-language") or b"")[:256].decode("latin-1"))
    document = {**document_of(error, language), "request_id": request_id}
    fields = [(b"content-type", b"application/problem+json"), (b"content-language", language.encode())]
    retry_after_s: int | None = getattr(error, "retry_after_s", None)
    if retry_after_s is not None:
        fields.append((b"retry-after", b"%d" % retry_after_s))
    if isinstance(error, TokenMissing):
        fields.append((b"www-authenticate", b"Bearer"))
    elif isinstance(error, BAD_TOKEN):
        fields.append((b"www-authenticate", b'Bearer error="invalid_token"'))
    body = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
    return status_of(error), fields, body
