"""Refusals as RFC 9457 problem documents, in the caller's language; the one place that knows statuses."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, ClassVar, Literal

from starlette.responses import JSONResponse

from turnosya.runtime.field_errors import field_errors
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
    return _status_of(type(error))


def _status_of(error: type[ServiceError]) -> int:
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
        one = found.setdefault(_status_of(error), {"description": text})
        if one["description"] != text:
            one["description"] += f" {text}"
    return found


def document_of(error: ServiceError, language: Language) -> dict[str, Any]:
    """The problem document of a refusal."""
    status = status_of(error)
    trace = current_trace()
    members = members_of(error, language)
    members.pop("retry_after_s", None)
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


def members_of(error: ServiceError, language: Language) -> dict[str, Any]:
    """What a refusal carries, as JSON values; wrong fields with their words in one language."""
    if isinstance(error, Invalid):
        return {"errors": [_in_one_language(field, language) for field in error.errors]}
    return error.members()


def _in_one_language(field: FieldError, language: Language) -> dict[str, str]:
    message = field.message if field.says is None else said_in(field.says, language)
    return {"field": field.field, "code": field.code, "message": message}


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
    # The first place says where (body, query); the rest is the field.
    return Invalid(errors=field_errors(errors, within=1))
