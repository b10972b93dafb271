"""What the front door itself refuses, and how a refusal looks on the wire (RFC 9457)."""

import json
from dataclasses import dataclass
from http import HTTPStatus

from turnosya.runtime.messages import Say


@dataclass(frozen=True, slots=True)
class Refusal:
    """One stable problem: its code, its status and what it says in each language."""

    code: str
    status: int
    says: Say
    headers: tuple[tuple[bytes, bytes], ...] = ()


class Refused(Exception):
    """Raised where the front door decides not to go on with a request."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.code)
        self.refusal = refusal


MALFORMED_REQUEST = Refusal(
    "malformed_request",
    400,
    Say("El pedido está mal formado.", "The request is malformed.", "A requisição está malformada."),
)
URI_TOO_LONG = Refusal(
    "uri_too_long",
    414,
    Say("La dirección es demasiado larga.", "The address is too long.", "O endereço é longo demais."),
)
HEADERS_TOO_LARGE = Refusal(
    "headers_too_large",
    431,
    Say(
        "Los encabezados son demasiado grandes.",
        "The headers are too large.",
        "Os cabeçalhos são grandes demais.",
    ),
)
PAYLOAD_TOO_LARGE = Refusal(
    "payload_too_large",
    413,
    Say("El contenido es demasiado grande.", "The content is too large.", "O conteúdo é grande demais."),
)
REQUEST_TIMEOUT = Refusal(
    "request_timeout",
    408,
    Say(
        "El pedido tardó demasiado en llegar. Probá de nuevo.",
        "The request took too long to arrive. Try again.",
        "A requisição demorou demais para chegar. Tente de novo.",
    ),
)
NOT_FOUND = Refusal("not_found", 404, Say("No se encontró.", "Not found.", "Não encontrado."))
FORBIDDEN = Refusal(
    "forbidden",
    403,
    Say("No tenés permiso para hacer esto.", "You may not do this.", "Você não pode fazer isso."),
)
METHOD_NOT_ALLOWED = Refusal(
    "method_not_allowed",
    405,
    Say(
        "Este método no se acepta acá.", "This method is not accepted here.", "Este método não é aceito aqui."
    ),
    ((b"allow", b"GET, HEAD"),),
)
RATE_LIMITED = Refusal(
    "rate_limited",
    429,
    Say(
        "Demasiados pedidos. Esperá un momento y probá de nuevo.",
        "Too many requests. Wait a moment and try again.",
        "Requisições demais. Espere um momento e tente de novo.",
    ),
)
INTERNAL_ERROR = Refusal(
    "internal_error",
    500,
    Say(
        "Algo falló de nuestro lado. Probá de nuevo.",
        "Something failed on our side. Try again.",
        "Algo falhou do nosso lado. Tente de novo.",
    ),
)
SERVICE_UNAVAILABLE = Refusal(
    "service_unavailable",
    503,
    Say(
        "El servicio no está disponible en este momento. Probá de nuevo en unos segundos.",
        "The service is not available right now. Try again in a few seconds.",
        "O serviço não está disponível agora. Tente de novo em alguns segundos.",
    ),
    ((b"retry-after", b"2"),),
)
SERVICE_TIMEOUT = Refusal(
    "service_timeout",
    504,
    Say(
        "El servicio tardó demasiado en responder. Probá de nuevo.",
        "The service took too long to answer. Try again.",
        "O serviço demorou demais para responder. Tente de novo.",
    ),
)

_CHALLENGE = ((b"www-authenticate", b'Bearer error="invalid_token"'),)
TOKEN_INVALID = Refusal(
    "token_invalid",
    401,
    Say(
        "La sesión no es válida. Ingresá de nuevo.",
        "The token is not valid. Log in again.",
        "A sessão não é válida. Entre de novo.",
    ),
    _CHALLENGE,
)
TOKEN_EXPIRED = Refusal(
    "token_expired",
    401,
    Say("La sesión venció. Renovala.", "The token has expired. Refresh it.", "A sessão expirou. Renove-a."),
    _CHALLENGE,
)
TOKEN_REVOKED = Refusal(
    "token_revoked",
    401,
    Say(
        "La sesión terminó. Ingresá de nuevo.",
        "The session has ended. Log in again.",
        "A sessão terminou. Entre de novo.",
    ),
    _CHALLENGE,
)
ACCESS_BLOCKED = Refusal(
    "access_blocked",
    401,
    Say("La cuenta está bloqueada.", "The account is blocked.", "A conta está bloqueada."),
    _CHALLENGE,
)


def document(refusal: Refusal, *, request_id: str, language: str) -> bytes:
    """The problem document of ``refusal``; ``language`` is one of es, en, pt."""
    says = refusal.says
    detail = says.en if language == "en" else says.pt if language == "pt" else says.es
    problem = {
        "type": "about:blank",
        "title": HTTPStatus(refusal.status).phrase,
        "status": refusal.status,
        "detail": detail,
        "code": refusal.code,
        "request_id": request_id,
        "errors": [],
    }
    return json.dumps(problem, ensure_ascii=False, separators=(",", ":")).encode()
