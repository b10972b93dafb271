"""Refusals as RFC 9457 problem documents, in the caller's language; the one place that knows statuses."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, ClassVar, Literal

from starlette.responses import JSONResponse

from turnosya.runtime.messages import FieldError, Invalid, Kind, Say, ServiceError, TimedOut
from turnosya.runtime.telemetry import current_trace

Language = Literal["es", "en", "pt"]
_LANGUAGES: Mapping[str, Language] = {"es": "es", "en": "en", "pt": "pt"}

_STATUS = {
    Kind.INVALID: 422,
    Kind.UNAUTHENTICATED: 401,
    Kind.FORBIDDEN: 403,
    Kind.NOT_FOUND: 404,
    Kind.CONFLICT: 409,
    Kind.TOO_MANY: 429,
    Kind.UNAVAILABLE: 503,
}


class HttpError(ServiceError):
    """A refusal that only exists on HTTP, with its own status."""

    status: ClassVar[int] = 400


class MalformedRequest(HttpError):
    """Not a request that could be read at all."""

    says = Say("El pedido está mal formado.", "The request is malformed.", "A requisição está malformada.")


class MethodNotAllowed(HttpError):
    """The path exists, not with this method."""

    status = 405
    says = Say(
        "Ese método no se admite acá.",
        "That method is not allowed here.",
        "Esse método não é permitido aqui.",
    )


class PayloadTooLarge(HttpError):
    """The body is larger than this call takes."""

    status = 413
    says = Say("El contenido es demasiado grande.", "The body is too large.", "O conteúdo é grande demais.")


class UnsupportedMediaType(HttpError):
    """The body is not JSON."""

    status = 415
    says = Say("Se espera JSON.", "JSON is expected.", "Espera-se JSON.")


class InternalError(HttpError):
    """A defect; logged with the request id."""

    status = 500
    says = Say("Hubo un error inesperado.", "Something unexpected happened.", "Ocorreu um erro inesperado.")


# What a caller reads beside a wrong field, by pydantic's stable error type.
_FIELD_SAYS: Mapping[str, Say] = {
    "missing": Say("es obligatorio", "is required", "é obrigatório"),
    "extra_forbidden": Say("no es un campo conocido", "is not a known field", "não é um campo conhecido"),
    "string_type": Say("debe ser un texto", "must be a text", "deve ser um texto"),
    "string_too_short": Say("es demasiado corto", "is too short", "é curto demais"),
    "string_too_long": Say("es demasiado largo", "is too long", "é longo demais"),
    "int_type": Say("debe ser un número entero", "must be an integer", "deve ser um número inteiro"),
    "bool_type": Say("debe ser verdadero o falso", "must be true or false", "deve ser verdadeiro ou falso"),
    "uuid_parsing": Say("debe ser un UUID", "must be a UUID", "deve ser um UUID"),
    "instant": Say(
        "debe ser un instante con desplazamiento horario (RFC 3339)",
        "must be an instant with an offset (RFC 3339)",
        "deve ser um instante com fuso (RFC 3339)",
    ),
    "date": Say(
        "debe ser una fecha AAAA-MM-DD", "must be a date, YYYY-MM-DD", "deve ser uma data AAAA-MM-DD"
    ),
    "unfit_text": Say(
        "tiene caracteres no admitidos", "has characters that cannot be kept", "tem caracteres inválidos"
    ),
}


def language_of(accept_language: str | None) -> Language:
    """The first of es, en and pt that the header prefers; es without one (RFC 9110 §12.5.4)."""
    wanted: list[tuple[float, int, Language]] = []
    for place, part in enumerate((accept_language or "").split(",")[:20]):
        tag, _, rest = part.strip().partition(";")
        quality = 1.0
        name, _, value = rest.strip().partition("=")
        if name == "q":
            try:
                quality = float(value)
            except ValueError:
                continue
        primary = tag.lower().split("-")[0]
        known = _LANGUAGES.get(primary)
        if known is not None and quality > 0:
            wanted.append((-quality, place, known))
    return min(wanted)[2] if wanted else "es"


def said_in(say: Say, language: Language) -> str:
    """The text in one language."""
    return str(getattr(say, language))


def status_of(error: ServiceError) -> int:
    """The HTTP status of a refusal."""
    override: int | None = getattr(error, "http_status", None)
    return _usual_status(type(error)) if override is None else override


def _usual_status(error: type[ServiceError]) -> int:
    if issubclass(error, HttpError):
        return error.status
    return 504 if issubclass(error, TimedOut) else _STATUS[error.kind]


def refuses(*errors: type[ServiceError]) -> dict[int | str, dict[str, Any]]:
    """``responses=`` of a route: what it refuses beyond what any call of its shape may be answered.

    The gateway adds those, and what every problem looks like, to the merged document.
    """
    found: dict[int | str, dict[str, Any]] = {}
    for error in errors:
        text = f"`{error.code}`: {(error.__doc__ or '').strip().splitlines()[0]}"
        one = found.setdefault(_usual_status(error), {"description": text})
        if one["description"] != text:
            one["description"] += f" {text}"
    return found


def with_status(error: ServiceError, status: int) -> ServiceError:
    """The same refusal, answered with ``status`` by the call that documents it so."""
    error.http_status = status  # type: ignore[attr-defined] # pyright: ignore[reportAttributeAccessIssue]
    return error


def document_of(error: ServiceError, language: Language) -> dict[str, Any]:
    """The problem document of a refusal."""
    status = status_of(error)
    trace = current_trace()
    members = error.members()
    members.pop("retry_after_s", None)
    if isinstance(error, Invalid):
        members["errors"] = [_translated(field, language).model_dump() for field in error.errors]
    return {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": said_in(error.says, language),
        "code": error.code,
        "request_id": trace.request_id if trace else "",
        "errors": [],
        **members,
    }


def _translated(field: FieldError, language: Language) -> FieldError:
    say = _FIELD_SAYS.get(field.code)
    return field if say is None else field.model_copy(update={"message": said_in(say, language)})


def problem_response(
    error: ServiceError, language: Language, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """The answer that refuses."""
    status = status_of(error)
    extra = dict(headers or {})
    retry_after = getattr(error, "retry_after_s", None)
    if retry_after is not None:
        extra["Retry-After"] = str(retry_after)
    if status == HTTPStatus.UNAUTHORIZED:
        extra["WWW-Authenticate"] = "Bearer"
    extra["Content-Language"] = language
    extra["Cache-Control"] = "no-store"
    return JSONResponse(
        document_of(error, language), status, headers=extra, media_type="application/problem+json"
    )


def invalid_fields(errors: Sequence[Mapping[str, Any]]) -> Invalid:
    """A refusal of all the fields that pydantic found wrong."""
    return Invalid(
        errors=[
            FieldError(
                # The first place says where (body, query); the rest is the field.
                field=".".join(str(part) for part in error["loc"][1:]) or str(error["loc"][0]),
                code=str(error["type"]),
                message=str(error["msg"]),
            )
            for error in errors[:50]
        ]
    )
