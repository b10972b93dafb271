"""One OpenAPI document out of those of all services."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping
from time import monotonic
from typing import Any, cast

import structlog
from pydantic import JsonValue, TypeAdapter, ValidationError

from turnosya.runtime.idempotency import IdempotencyInProgress, IdempotencyKeyReused
from turnosya.runtime.identity import TokenExpired, TokenInvalid, TokenMissing, TokenRevoked
from turnosya.runtime.messages import Invalid, NotFound, ServiceError, TimedOut, Unavailable
from turnosya.runtime.problems import MalformedRequest, PayloadTooLarge, UnsupportedMediaType, refuses
from turnosya.services.gateway import budgets
from turnosya.services.gateway.problems import (
    AccessBlocked,
    HeadersTooLarge,
    RateLimited,
    RequestTimeout,
    UriTooLong,
)

log = structlog.get_logger()

Document = dict[str, Any]
_DOCUMENT = TypeAdapter(dict[str, JsonValue])

_SCHEMAS = "#/components/schemas/"
# FastAPI describes its own refusals; ours look different.
_NOT_OURS = frozenset({"HTTPValidationError", "ValidationError"})
_PROBLEM: Document = {
    "type": "object",
    "description": "RFC 9457. `code` is stable; `detail` is in the caller's language.",
    "required": ["type", "title", "status", "detail", "code", "request_id", "errors"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string"},
        "request_id": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {name: {"type": "string"} for name in ("field", "code", "message")},
            },
        },
    },
}
_HEALTH: Document = {
    "/healthz": {
        "tags": ["gateway"],
        "summary": "The process lives",
        "operationId": "gateway_healthz",
        "security": [],
        "responses": {"200": {"description": "It does"}},
    },
    "/readyz": {
        "tags": ["gateway"],
        "summary": "It can serve",
        "operationId": "gateway_readyz",
        "security": [],
        "responses": {"200": {"description": "It can"}, "503": {"description": "Not yet, or no longer"}},
    },
}
_REFUSAL: Document = {
    "description": "A problem",
    "content": {"application/problem+json": {"schema": {"$ref": _SCHEMAS + "Problem"}}},
}
# What any call of a shape may be answered; what only one call refuses stands at its route.
_ALWAYS = refuses(MalformedRequest, UriTooLong, HeadersTooLarge, RateLimited, Unavailable, TimedOut)
_WITH_TOKEN = refuses(TokenMissing, TokenInvalid, TokenExpired, TokenRevoked, AccessBlocked)
_WITH_BODY = refuses(RequestTimeout, PayloadTooLarge, UnsupportedMediaType, Invalid)
_WITH_QUERY = refuses(Invalid)
_WITH_ID = refuses(NotFound)
_WITH_KEY = refuses(IdempotencyInProgress, IdempotencyKeyReused)
# There the key has a meaning of its own, or none.
_WITHOUT_KEYS = "/v1/auth/"


def merged(
    documents: Mapping[str, Document], *, away: list[str], routed: Callable[[str, str], bool]
) -> Document:
    """The documents by service as one; ``routed(service, path)`` says what is seen outside.

    A schema name that two services use for different things gets the service's name in front.
    """
    whole: Document = {
        "openapi": "3.1.0",
        "info": {"title": "TurnosYa", "version": "1", "description": "Turnos for small businesses."},
        "paths": {path: {"get": operation} for path, operation in _HEALTH.items()},
        "components": {
            "schemas": {"Problem": _PROBLEM},
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }
    if away:
        whole["info"]["description"] += f" Not answering right now, so not shown: {', '.join(away)}."
        whole["info"]["x-unavailable"] = away
    schemas: Document = whole["components"]["schemas"]
    for service, document in documents.items():
        own: Document = dict(document.get("components", {}).get("schemas", {}))
        names = {name: _free_name(name, schema, service, schemas) for name, schema in own.items()}
        for name, schema in own.items():
            if name not in _NOT_OURS:
                schemas[names[name]] = _renamed(schema, names)
        for path, operations in _renamed(document.get("paths", {}), names).items():
            if routed(service, path):
                whole["paths"][path] = operations
                for method, operation in _operations(operations):
                    _describe_refusals(operation, method, path)
                    _name(operation, service)
    return whole


def _free_name(name: str, schema: object, service: str, taken: Document) -> str:
    if name in taken and taken[name] != schema:
        return f"{service.capitalize()}{name}"
    return name


def _renamed(part: Any, names: Mapping[str, str]) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(part, dict):
        items = cast("dict[str, Any]", part)
        return {
            key: _reference(value, names) if key == "$ref" else _renamed(value, names)
            for key, value in items.items()
        }
    if isinstance(part, list):
        values: list[Any] = part  # pyright: ignore[reportUnknownVariableType] - JSON
        return [_renamed(value, names) for value in values]
    return part


def _reference(target: str, names: Mapping[str, str]) -> str:
    name = target.removeprefix(_SCHEMAS)
    return _SCHEMAS + names.get(name, name) if target.startswith(_SCHEMAS) else target


def _operations(item: Document) -> Iterator[tuple[str, Document]]:
    for method in ("get", "put", "post", "delete", "patch"):
        if method in item:
            yield method, item[method]


def _describe_refusals(operation: Document, method: str, path: str) -> None:
    responses: Document = operation.setdefault("responses", {})
    if "HTTPValidationError" in json.dumps(responses.get("422", {})):
        del responses["422"]
    for shape in _shapes(operation, method, path):
        for status, refusal in shape.items():
            there: Document = responses.setdefault(str(status), {"description": ""})
            texts = (there["description"], refusal["description"])
            there["description"] = " ".join(filter(None, texts))
    for status, response in responses.items():
        if status >= "400":
            # The pages behind links refuse with a page.
            response.setdefault("content", _REFUSAL["content"])
    responses["default"] = _REFUSAL


def _shapes(operation: Document, method: str, path: str) -> Iterator[Mapping[int | str, Document]]:
    places = {(one["in"], one["name"].lower()) for one in operation.get("parameters", ())}
    yield _ALWAYS
    if not budgets.Asked(method.upper(), path, "").ignores_token:
        yield _WITH_TOKEN
    if "requestBody" in operation:
        yield _WITH_BODY
    elif any(place == "query" for place, _ in places):
        yield _WITH_QUERY
    if "{" in path:
        yield _WITH_ID
    if ("header", "idempotency-key") in places:
        yield _WITH_QUERY if path.startswith(_WITHOUT_KEYS) else _WITH_KEY


def _name(operation: Document, service: str) -> None:
    operation.setdefault("tags", [service])
    if "operationId" in operation:
        operation["operationId"] = f"{service}_{operation['operationId']}"


class MergedDocument:
    """The merged document, asked for at most every ``fresh_s`` (sooner while a service is away)."""

    def __init__(
        self,
        services: tuple[str, ...],
        get: Callable[[str, str], Awaitable[bytes]],
        *,
        routed: Callable[[str, str], bool],
        fresh_s: float = 60.0,
        fresh_while_away_s: float = 5.0,
    ) -> None:
        self._services = services
        self._get = get
        self._routed = routed
        self._fresh_s = fresh_s
        self._fresh_while_away_s = fresh_while_away_s
        self._until = float("-inf")
        self._body = b""
        self._asking = asyncio.Lock()

    async def get(self) -> bytes:
        """The document as JSON."""
        async with self._asking:
            if monotonic() >= self._until:
                await self._ask()
        return self._body

    async def _ask(self) -> None:
        # One after the other: a service of this process makes its own on our loop, at first for a fifth of a
        # second, and between two of them everybody else has a turn. (FastAPI cannot make it in a thread.)
        found = [await self._document_of(service) for service in self._services]
        documents = {name: document for name, document in zip(self._services, found, strict=True) if document}
        away = [name for name in self._services if name not in documents]
        # In a thread: a tenth of a second in which requests go on.
        self._body = await asyncio.to_thread(self._written, documents, away)
        self._until = monotonic() + (self._fresh_while_away_s if away else self._fresh_s)

    def _written(self, documents: Mapping[str, Document], away: list[str]) -> bytes:
        whole = merged(documents, away=away, routed=self._routed)
        return json.dumps(whole, ensure_ascii=False, separators=(",", ":")).encode()

    async def _document_of(self, service: str) -> Document | None:
        try:
            return dict(_DOCUMENT.validate_json(await self._get(service, "/openapi.json")))
        except (ServiceError, ValidationError) as error:
            log.warning("openapi_not_answered", service=service, error=type(error).__name__)
            return None
