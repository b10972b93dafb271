"""The web application of a service: FastAPI with problems, request ids, deadlines and callers."""

import json
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from http import HTTPStatus
from inspect import cleandoc
from time import perf_counter
from typing import Annotated, Any, TypeVar

import structlog
from fastapi import APIRouter, Body, Depends, FastAPI, Header, Request, Response, Security
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from pydantic import BaseModel
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import HTMLResponse, JSONResponse
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from turnosya.runtime import load, metrics
from turnosya.runtime.bus import deadline_in
from turnosya.runtime.field_errors import unfit_fields, wrong_field
from turnosya.runtime.fields import Closed, unfit_texts
from turnosya.runtime.heads import without_body
from turnosya.runtime.idempotency import Kept, Once, is_well_formed
from turnosya.runtime.identity import Caller, TokenMissing, TokenVerifier
from turnosya.runtime.messages import Forbidden, NotFound, ServiceError
from turnosya.runtime.problems import (
    InternalError,
    Language,
    MalformedRequest,
    MethodNotAllowed,
    PayloadTooLarge,
    UnsupportedMediaType,
    invalid_fields,
    language_of,
    problem_response,
)
from turnosya.runtime.spans import Kind, Span, enter
from turnosya.runtime.telemetry import begin_trace, tracing, well_formed_request_id

log = structlog.get_logger()
C = TypeVar("C")

MAX_JSON_BYTES = 1024 * 1024
# Without the gateway in front (a call straight to a service) a request gets as long as through it.
DEFAULT_TIMEOUT_S = 15.0
_LOOKS = frozenset({"/healthz", "/readyz"})
ACCESS_ENDED = "X-Internal-Access-Ended"
"""Answer header that tells the gateway, before the answer leaves it, whose access has ended."""


class _JsonRequest(Request):
    async def json(self) -> Any:  # noqa: ANN401 - any JSON
        if not hasattr(self, "_json"):
            body = await self.body()
            try:
                parsed = json.loads(
                    body.decode("utf-8", "strict"), parse_constant=_no_constant, object_pairs_hook=_no_doubles
                )
                unfit = unfit_texts(parsed)
            except (ValueError, RecursionError) as error:
                raise MalformedRequest from error
            if unfit:
                raise unfit_fields(unfit)
            self._json = parsed
        return self._json


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _no_doubles(members: list[tuple[str, Any]]) -> dict[str, Any]:
    # RFC 8259 §4 leaves open which of two members of one name counts: no reader shall have to guess.
    found = dict(members)
    if len(found) != len(members):
        raise ValueError("a member twice")
    return found


# What FastAPI says of an answer of which nothing is said.
_SAYS_NOTHING = "Successful Response"


class JsonRoute(APIRoute):
    """A route that reads JSON strictly (its type, encoding, numbers and size) and is documented by its code.

    The first line of its function's docstring is the summary, the rest the description; the first line of its
    model's says what it answers (else ``response_description`` does); whether it needs a token, takes one or
    has no use for one is seen from its parameters.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **more: Any) -> None:  # noqa: ANN401 - FastAPI's
        super().__init__(path, endpoint, **more)
        first, _, rest = cleandoc(endpoint.__doc__ or "").partition("\n")
        if more.get("summary") is None and first:
            # A form feed ends what FastAPI shows; without any text it would take the whole docstring again.
            self.summary, self.description = first.rstrip(".").replace("`", ""), rest.strip() or "\f"
        if "response_description" not in more or more["response_description"] == _SAYS_NOTHING:
            self.response_description = _answers_with(self)
        self.openapi_extra = {**(self.openapi_extra or {}), **_security_of(self.dependant)}

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's handler, behind those checks."""
        handle = super().get_route_handler()
        reads_json = self.body_field is not None

        async def checked(request: Request) -> Response:
            request = _JsonRequest(request.scope, request.receive)
            if reads_json:
                await _check_body(request)
            return await handle(request)

        return checked


def _answers_with(route: APIRoute) -> str:
    """What the answer is: what its model says of itself, where the route does not say it."""
    model: Any = route.response_model
    if route.response_class is HTMLResponse:
        return "A page for people"
    if model is None:
        return "Done" if route.status_code == HTTPStatus.NO_CONTENT else _SAYS_NOTHING
    of_type: Mapping[str, Any] = getattr(model, "__pydantic_generic_metadata__", {})
    says = cleandoc((of_type.get("origin") or model).__doc__ or _SAYS_NOTHING)
    return says.partition("\n")[0].rstrip(".").replace("``", "`")


def _security_of(dependant: Dependant) -> dict[str, Any]:
    """What FastAPI does not know of a route: that it takes a token and goes without, or ignores it."""
    asked = set(_calls_in(dependant))
    if _signed_in in asked:
        return {}
    return {"security": [{}, {"bearer": []}] if _maybe_signed_in in asked else []}


def _calls_in(dependant: Dependant) -> Iterator[object]:
    for one in dependant.dependencies:
        yield one.call
        yield from _calls_in(one)


async def _check_body(request: Request) -> None:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_JSON_BYTES:
            raise PayloadTooLarge
    request._body = body  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - where Starlette itself keeps it
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if (
        body
        and media_type != "application/json"
        and not (media_type.startswith("application/") and media_type.endswith("+json"))
    ):
        raise UnsupportedMediaType


def router(prefix: str, *, tags: Sequence[str]) -> APIRouter:
    """A router whose routes read JSON strictly. Every service makes its routes with this."""
    return APIRouter(prefix=prefix, tags=list(tags), route_class=JsonRoute)


# --- who calls ---


async def _maybe_signed_in(
    request: Request, authorization: Annotated[str | None, Header(include_in_schema=False)] = None
) -> Caller | None:
    if authorization is None:
        return None
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise TokenMissing
    tokens: TokenVerifier = request.app.state.tokens
    return await tokens.verify(token.strip())


# Only for the OpenAPI document, where a lock then stands beside the call; it decides nothing.
_DOCUMENTED = HTTPBearer(scheme_name="bearer", bearerFormat="JWT", auto_error=False)


async def _signed_in(
    caller: Annotated[Caller | None, Depends(_maybe_signed_in)], _: Annotated[object, Security(_DOCUMENTED)]
) -> Caller:
    if caller is None:
        raise TokenMissing
    return caller


async def _admin(caller: Annotated[Caller, Depends(_signed_in)]) -> Caller:
    if not caller.is_admin:
        raise Forbidden
    return caller


MaybeSignedIn = Annotated[Caller | None, Depends(_maybe_signed_in)]
"""A route's parameter of this type is the caller, or None without a token."""
SignedIn = Annotated[Caller, Depends(_signed_in)]
"""A route's parameter of this type is the caller; 401 without a token."""
Admin = Annotated[Caller, Depends(_admin)]
"""A route's parameter of this type is the caller; 403 for all but admins."""


def _language(request: Request) -> Language:
    return language_of(request.headers.get("accept-language"))


CallerLanguage = Annotated[Language, Depends(_language)]
"""A route's parameter of this type is the language the caller prefers: es, en or pt."""


async def _once(
    request: Request,
    caller: Annotated[Caller | None, Depends(_maybe_signed_in)],
    idempotency_key: Annotated[str | None, Header(max_length=1000)] = None,
) -> Once:
    if idempotency_key is not None and not is_well_formed(idempotency_key):
        raise wrong_field("Idempotency-Key", "idempotency_key")
    body: Any = await request.json() if idempotency_key is not None and await request.body() else None
    who = str(caller.user_id) if caller else _phone_of(body)
    return Once.of(key=idempotency_key, caller=who, method=request.method, path=request.url.path, body=body)


def _phone_of(body: Any) -> str:  # noqa: ANN401 - any JSON
    return str(body.get("phone", "")) if isinstance(body, dict) else ""  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]


OnceOnly = Annotated[Once, Depends(_once)]
"""A route's parameter of this type is the caller's idempotency key."""


class _Empty(Closed):
    """A body without fields."""


NoBody = Annotated[_Empty | None, Body()]
"""For a POST that needs none, ``= None``: what is sent all the same is read, and its fields refused."""


def below_paths(app: ASGIApp, beside: Mapping[str, ASGIApp]) -> ASGIApp:
    """``app``, but for paths below one of ``beside``."""

    async def choose(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        for prefix, other in beside.items():
            if path == prefix or path.startswith(f"{prefix}/"):
                await other(scope, receive, send)
                return
        await app(scope, receive, send)

    return choose


def kept_response(kept: Kept) -> Response:
    """The answer of a request under an idempotency key, marked when it was given before."""
    headers = {"Idempotent-Replayed": "true"} if kept.replayed else None
    if kept.answer is None:
        return Response(status_code=kept.status, headers=headers)
    return JSONResponse(kept.answer, kept.status, headers=headers)


def json_of(model: BaseModel) -> dict[str, Any]:
    """A resource as the JSON values of an answer."""
    return model.model_dump(mode="json")


# --- the application ---


def context_of(kind: type[C]) -> Callable[[Request], Awaitable[C]]:
    """What hands a route its service's context: ``Annotated[Turnos, Depends(context_of(Turnos))]``."""

    # Not a plain function: FastAPI would call that in a thread, twice the cost of a whole route.
    async def context(request: Request) -> C:
        found = request.app.state.context
        assert isinstance(found, kind)  # noqa: S101 - a service mounts its own routers only
        return found

    return context


def web_app(
    name: str,
    context: object,
    *,
    tokens: TokenVerifier,
    routers: Sequence[APIRouter],
    ready: Callable[[], Awaitable[bool]],
) -> ASGIApp:
    """The ASGI application of a service; ``ready`` decides what ``/readyz`` answers."""
    app = FastAPI(
        title=f"TurnosYa {name}",
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
        # A path with a slash too many is not built; a redirect would say our own address, or a forged Host.
        redirect_slashes=False,
    )
    app.state.service = name
    app.state.tokens = tokens
    app.state.context = context
    app.state.routes = [route for one in routers for route in one.routes if isinstance(route, APIRoute)]
    for one in routers:
        app.include_router(one)
    _add_health(app, ready)
    app.router.default = _NotThere(app.router.default)
    app.add_exception_handler(ServiceError, _on_service_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(ClientDisconnect, _on_hang_up)
    app.add_exception_handler(Exception, _on_defect)
    return _Edge(name, app)


def _add_health(app: FastAPI, ready: Callable[[], Awaitable[bool]]) -> None:
    @app.get("/healthz", include_in_schema=False)
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/readyz", include_in_schema=False)
    async def readyz() -> Response:
        if await ready():
            return JSONResponse({"status": "ok"})
        return JSONResponse({"status": "not ready"}, 503, headers={"Retry-After": "2"})

    _ = healthz, readyz


async def _on_service_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ServiceError)  # noqa: S101 - registered for it
    metrics.refusals.labels(request.app.state.service, error.code).inc()
    headers: dict[str, str] = getattr(error, "answer_headers", {})
    return problem_response(error, _language(request), headers)


async def _on_validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for it
    errors = error.errors()
    if any(one["type"] == "json_invalid" for one in errors):
        return problem_response(MalformedRequest(), _language(request))
    if any(one["loc"][0] == "path" for one in errors):
        return problem_response(NotFound(), _language(request))
    return problem_response(invalid_fields(errors), _language(request))


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for it
    if isinstance(error.__cause__, ServiceError):
        # FastAPI wraps whatever reading the body raised.
        return problem_response(error.__cause__, _language(request))
    by_status: dict[int, ServiceError] = {
        404: NotFound(),
        405: MethodNotAllowed(),
        415: UnsupportedMediaType(),
    }
    problem = by_status.get(error.status_code, MalformedRequest())
    headers = dict(error.headers or {})
    if isinstance(problem, MethodNotAllowed):
        headers["Allow"] = ", ".join(_methods_at(request)) or headers.get("Allow", "")
    return problem_response(problem, _language(request), headers)


def _methods_at(request: Request) -> list[str]:
    """All that the path of a request takes (RFC 9110 §15.5.6): Starlette names only its first route's."""
    there: list[APIRoute] = [
        route for route in request.app.state.routes if route.matches(request.scope)[0] is not Match.NONE
    ]
    # `/me` is also an `/{id}`, of which nobody has that one.
    same = [route.methods or set[str]() for route in there if route.path == there[0].path]
    methods = set[str]().union(*same)
    return sorted({*methods, "HEAD"} if "GET" in methods else methods)


async def _on_hang_up(request: Request, _error: Exception) -> Response:
    # The client went, or was cut off, before its body was whole; nobody reads this.
    return problem_response(MalformedRequest(), _language(request))


async def _on_defect(request: Request, error: Exception) -> Response:
    # The template, not the path: that may be a secret.
    log.error("request_crashed", route=getattr(request.scope.get("route"), "path", ""), exc_info=error)
    return problem_response(InternalError(), _language(request))


class _NotThere:
    """A path that is not there: for a socket, too, with a problem, where Starlette only hangs up."""

    def __init__(self, for_requests: ASGIApp) -> None:
        self._for_requests = for_requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            language = language_of(Headers(scope=scope).get("accept-language"))
            await problem_response(NotFound(), language)(scope, receive, send)
        else:
            await self._for_requests(scope, receive, send)


class _Edge:
    """Around the application: trace, deadline, request id and the time it took."""

    def __init__(self, name: str, app: FastAPI) -> None:
        self._name = name
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers: dict[bytes, bytes] = dict(scope["headers"])
        request_id = well_formed_request_id(headers.get(b"x-request-id", b"").decode("latin-1") or None)
        traceparent = headers.get(b"traceparent", b"").decode("latin-1")
        # Who looks whether we live is no step of anything.
        begins = not traceparent and scope["path"] not in _LOOKS
        trace = (enter if begins else begin_trace)(request_id, traceparent)
        if scope["type"] == "websocket":
            with tracing(trace):
                await self.app(scope, receive, send)
            return
        method = scope["method"]
        if method == "HEAD":
            scope, receive, send = self._as_get(scope), *without_body(receive, send)
        began, status, began_answer = perf_counter(), 500, False
        answered = load.begin()

        async def sending(message: Message) -> None:
            nonlocal status, began_answer
            if message["type"] == "http.response.start":
                answered()
                status, began_answer = message["status"], True
                message["headers"] = [*message["headers"], (b"x-request-id", trace.request_id.encode())]
            await send(message)

        timeout_ms = headers.get(b"x-internal-timeout-ms", b"")[:9]
        seconds = int(timeout_ms) / 1000 if timeout_ms.isdigit() else DEFAULT_TIMEOUT_S
        with Span(trace, self._name, Kind.SERVER, method) as span, deadline_in(seconds):
            try:
                await self.app(scope, receive, sending)
            except Exception:
                # Starlette answers with our problem, then raises again: `_on_defect` has logged it.
                if not began_answer:
                    raise
            finally:
                answered()
                route = getattr(scope.get("route"), "path", "unmatched")
                http_step(span, method, route, status)
                metrics.http_seconds.labels(self._name, route, method, status).observe(perf_counter() - began)

    def _as_get(self, scope: Scope) -> Scope:
        """A HEAD as the GET whose fields it wants (RFC 9110 §9.3.2), unless a route answers it by itself."""
        routes: list[APIRoute] = self.app.state.routes
        own = any("HEAD" in (one.methods or ()) and one.matches(scope)[0] is Match.FULL for one in routes)
        return scope if own else {**scope, "method": "GET"}


def http_step(span: Span, method: str, route: str, status: int) -> None:
    """Names a step for what was asked and answered: a template, never a path, which may hold a secret."""
    if not span.trace.sampled:
        return
    span.name = f"{method} {route}"
    span.note("http.request.method", method)
    span.note("http.route", route)
    span.note("http.response.status_code", status)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        span.fail(str(status))


__all__ = [
    "ACCESS_ENDED",
    "Admin",
    "CallerLanguage",
    "JsonRoute",
    "MaybeSignedIn",
    "NoBody",
    "OnceOnly",
    "SignedIn",
    "below_paths",
    "context_of",
    "json_of",
    "kept_response",
    "router",
    "web_app",
]
