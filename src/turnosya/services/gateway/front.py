"""The front door: who asks, may they, and on to the service that answers."""

from dataclasses import dataclass, field
from http import HTTPStatus
from time import perf_counter

import structlog
from pydantic import ValidationError
from starlette.types import Receive, Scope, Send

from turnosya.contracts.auth import AccessChanged
from turnosya.runtime.http import MAX_JSON_BYTES, http_step
from turnosya.runtime.identity import Caller, TokenInvalid, TokenRevoked, TokenVerifier
from turnosya.runtime.messages import Forbidden, NotFound, ServiceError
from turnosya.runtime.metrics import http_seconds
from turnosya.runtime.problems import InternalError
from turnosya.runtime.spans import Kind, Span, enter, enter_untold
from turnosya.services.gateway import budgets, forward_auth, hygiene, paths, rules
from turnosya.services.gateway.access import AccessList
from turnosya.services.gateway.budgets import Asked
from turnosya.services.gateway.doorway import Doorway
from turnosya.services.gateway.exchange import Exchange
from turnosya.services.gateway.hygiene import Origin
from turnosya.services.gateway.limits import Limits
from turnosya.services.gateway.own_pages import OwnPages
from turnosya.services.gateway.problems import BAD_TOKEN, AccessBlocked, RateLimited
from turnosya.services.gateway.refusals import Refusals
from turnosya.services.gateway.rules import Headers
from turnosya.services.gateway.ways import Ways

log = structlog.get_logger()

# A refresh is some 200 bytes, but blanks may stand between: whatever auth reads is read here.
_REFRESH_BYTES = MAX_JSON_BYTES


@dataclass(frozen=True, slots=True)
class FrontDoor:
    """The gateway's ASGI application. ``limits`` is None where rates are lifted."""

    table: paths.PathTable
    ways: Ways
    tokens: TokenVerifier
    access: AccessList
    limits: Limits | None
    doorway: Doorway
    own_pages: OwnPages
    timeout_s: float
    is_development: bool
    refusals: Refusals = field(default_factory=Refusals)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers every request, whatever happens behind it."""
        exchange = Exchange(
            scope, receive, send, outwards=self.doorway.outwards, on_access_ended=self._end_access
        )
        traceparent = rules.value_of(exchange.headers, b"traceparent")
        is_told = scope["raw_path"] not in paths.HEALTH and not exchange.is_socket
        trace = (enter if is_told else enter_untold)(
            exchange.request_id, traceparent.decode("latin-1") if traceparent else None
        )
        began = perf_counter()
        with Span(trace, paths.OWN, Kind.SERVER, "HTTP") as span:
            try:
                await self._serve(scope, exchange, trace.traceparent)
            except ServiceError as refusal:
                await exchange.refuse(refusal)
            except Exception:
                log.exception("front_door_failed")
                await exchange.refuse(InternalError())
            if exchange.is_socket:
                return
            # The route is known to the service, which counts it; here it would be whatever one types.
            service = self.table.find(scope["raw_path"]) or "none"
            http_step(span, scope["method"], service, exchange.status)
            seconds = http_seconds.labels(paths.OWN, service, scope["method"], exchange.status)
            seconds.observe(perf_counter() - began)

    async def _serve(self, scope: Scope, exchange: Exchange, traceparent: str) -> None:
        client: tuple[str, int] | None = scope["client"]
        peer = client[0] if client else ""
        proxies = self.doorway.limits.proxies
        origin = hygiene.origin_of(exchange.headers, peer=peer, scheme=scope["scheme"], proxies=proxies)
        if scope["raw_path"] in paths.HEALTH and not exchange.is_socket:
            await self.own_pages.answer(scope, exchange)
            return
        if forward_auth.is_asked(scope["raw_path"]) and rules.is_among(peer, proxies):
            await self._answer_proxy(scope, exchange, origin)
            return
        if exchange.is_socket and not paths.takes_sockets(scope["raw_path"]):
            raise NotFound
        if exchange.is_socket and not self.doorway.outwards.may_open_socket(exchange.headers, origin):
            raise Forbidden
        asked = Asked("GET" if exchange.is_socket else scope["method"], scope["path"], origin.address)
        if asked.method == "OPTIONS" and await self._answered_preflight(exchange):
            return
        fields = _fields_for(asked, exchange)
        caller = await self._admit(asked, fields, exchange)
        service = self.table.find(scope["raw_path"])
        if service == paths.OWN:
            await self.own_pages.answer(scope, exchange)
            return
        if service is None:
            raise NotFound
        own = self._own_fields(origin, service, exchange)
        headers = [*fields, *own, (b"traceparent", traceparent.encode("ascii"))]
        inner = {**scope, "headers": headers, "client": (origin.address, 0), "scheme": origin.scheme}
        await self._hand_over(service, inner, exchange, caller)

    async def _hand_over(self, service: str, scope: Scope, exchange: Exchange, caller: Caller | None) -> None:
        if caller is None or not exchange.is_socket:
            await self.ways.to(service)(scope, exchange)
            return
        held = self.access.sockets.enter(caller, exchange)
        try:
            # Once more, for while the request was counted its access may have ended.
            refusal = self.access.refusal_of(caller)
            if refusal is not None:
                raise refusal
            await self.ways.to(service)(scope, exchange)
        finally:
            self.access.sockets.leave(held)

    def _own_fields(self, origin: Origin, service: str, exchange: Exchange) -> list[tuple[bytes, bytes]]:
        return hygiene.own_fields(
            origin, service=service, request_id=exchange.request_id, timeout_s=self.timeout_s
        )

    async def _answer_proxy(self, scope: Scope, exchange: Exchange, origin: Origin) -> None:
        """Says whether what a proxy was asked may go on to its service, and with which fields."""
        target_bytes = self.doorway.limits.target_bytes
        question = forward_auth.question_of(scope, exchange.headers, target_bytes=target_bytes)
        # Whether a socket or polling is wanted is not said here: no page of strangers gets either.
        may_open_socket = self.doorway.outwards.may_open_socket(exchange.headers, origin)
        if paths.takes_sockets(question.raw_path) and not may_open_socket:
            raise Forbidden
        asked = Asked(question.method, question.path, origin.address)
        caller = await self._admit(asked, _fields_for(asked, exchange), exchange)
        service = self.table.find(question.raw_path)
        if service is None:
            raise NotFound
        exchange.extra.extend(forward_auth.who_fields(caller))
        exchange.extra.extend(
            field
            for field in self._own_fields(origin, service, exchange)
            if field[0] != b"x-request-id"  # every answer has it
        )
        await exchange.answer(HTTPStatus.OK, [])

    async def _answered_preflight(self, exchange: Exchange) -> bool:
        fields = self.doorway.outwards.preflight(exchange.headers)
        if fields is None:
            return False
        exchange.extra.extend(fields)
        await exchange.answer(HTTPStatus.NO_CONTENT, [])
        return True

    # --- who asks, and may they

    async def _admit(self, asked: Asked, fields: Headers, exchange: Exchange) -> Caller | None:
        try:
            caller = await self._caller(fields)
        except BAD_TOKEN as refusal:
            if isinstance(refusal, TokenInvalid):
                self.refusals.note(refusal.code, None)
            # Checking a forged token costs us more than it costs the forger.
            await self._charge(asked, None, exchange)
            raise
        await self._charge(asked, caller, exchange)
        return caller

    async def _caller(self, fields: Headers) -> Caller | None:
        authorization = rules.value_of(fields, b"authorization")
        if authorization is None:
            return None
        scheme, _, token = authorization.decode("latin-1").partition(" ")
        if scheme.lower() != "bearer":
            raise TokenInvalid
        token = token.strip()
        caller = self.tokens.recall(token) or await self.tokens.verify(token)
        try:
            await self.access.check(caller)
        except (TokenRevoked, AccessBlocked) as refusal:
            self.refusals.note(refusal.code, caller)
            raise
        return caller

    async def _charge(self, asked: Asked, caller: Caller | None, exchange: Exchange) -> None:
        if self.limits is None:
            return
        family = budgets.family_in(await exchange.peek(_REFRESH_BYTES)) if asked.is_refresh else None
        buckets = budgets.buckets_of(
            asked,
            user_id=caller.user_id if caller else None,
            family=family,
            codes_exempt=self.is_development and rules.is_loopback(asked.address),
        )
        verdict = await self.limits.charge(buckets)
        exchange.extra.extend(verdict.fields())
        try:
            verdict.enforce()
        except RateLimited as refusal:
            self.refusals.note(refusal.code, caller)
            raise

    def _end_access(self, field: bytes) -> None:
        """A service said, with its answer, whose access has just ended."""
        try:
            change = AccessChanged.model_validate_json(field)
        except ValidationError:
            log.exception("access_ended_unreadable")
            return
        self.access.change(change)


def _fields_for(asked: Asked, exchange: Exchange) -> list[tuple[bytes, bytes]]:
    """The caller's fields that a service may see."""
    fields = hygiene.without_hop_fields(exchange.headers)
    if asked.ignores_token:
        return [field for field in fields if field[0] != b"authorization"]
    return fields
