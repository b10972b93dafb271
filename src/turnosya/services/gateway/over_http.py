"""Hands a request to a service in another process, over kept-alive HTTP connections."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import suppress
from hashlib import sha256
from http import HTTPStatus
from time import monotonic
from urllib.parse import parse_qs

import aiohttp
import structlog
from aiohttp import ClientHandlerType, ClientRequest, ClientResponse, ClientTimeout, WSMsgType
from starlette.types import Message, Scope
from uvicorn.protocols.utils import ClientDisconnected
from yarl import URL

from turnosya.runtime.messages import Forbidden, TimedOut, Unavailable
from turnosya.services.gateway.exchange import Exchange
from turnosya.services.gateway.paths import takes_sockets
from turnosya.services.gateway.rules import Headers

log = structlog.get_logger()

# A small answer is sent on in one piece; a larger one, or one of unknown length, as it comes.
WHOLE_BYTES = 64 * 1024
CONNECT_S = 2.0
# A copy that refused the connection is left alone this long, unless all of them did.
REST_S = 1.0
# Less than what our listeners grant an idle connection, so that they never close one as we use it.
KEEP_ALIVE_S = 30.0
# A socket's service that does not answer a ping in half of this is gone.
HEARTBEAT_S = 20.0
# Codes that stand for "no close frame" and must not be sent (RFC 6455 §7.4.1).
_COPY = "X-Internal-Copy"
_NOT_SENT = {1005: 1000, 1006: 1011, 1015: 1011}


class _HandshakeRefused(Exception):
    """A service answered a WebSocket handshake with an ordinary answer."""

    def __init__(self, response: ClientResponse, body: bytes) -> None:
        super().__init__(response.status)
        self.response = response
        self.body = body


async def _keep_refusal(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
    """Aiohttp drops the body of a refused handshake; the client must see the service's problem."""
    response = await handler(request)
    if response.status != HTTPStatus.SWITCHING_PROTOCOLS:
        raise _HandshakeRefused(response, await response.read())
    return response


class _Copy:
    """One process of a service."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        # The same at every gateway; ids of sockets that begin with it lead back here.
        self.name = sha256(self.url.encode()).hexdigest()[:8]
        self.rests_until = 0.0

    def address(self, scope: Scope) -> URL:
        """The same bytes of path and query on this copy."""
        query: bytes = scope["query_string"]
        target: bytes = scope["raw_path"] + (b"?" + query if query else b"")
        return URL(self.url + target.decode("ascii"), encoded=True)


class OverHttp:
    """Carries requests and WebSockets to one of several copies of a service, in turn."""

    def __init__(self, urls: Sequence[str], *, timeout_s: float, rest_s: float = REST_S) -> None:
        self._copies = [_Copy(url) for url in urls]
        self._turn = 0
        self._timeout_s = timeout_s
        self._rest_s = rest_s
        self._session: aiohttp.ClientSession | None = None
        self._sockets: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Closes the kept connections."""
        for session in (self._session, self._sockets):
            if session is not None:
                await session.close()
        self._session = self._sockets = None

    async def __call__(self, scope: Scope, exchange: Exchange) -> None:
        """Raises ``Unavailable`` when no copy takes the request, ``TimedOut`` when none answers in time."""
        if exchange.is_socket:
            await self._carry_socket(scope, exchange)
        else:
            await self._carry_request(scope, exchange)

    # --- requests

    async def _carry_request(self, scope: Scope, exchange: Exchange) -> None:
        first = await exchange.receive()
        if first["type"] == "http.disconnect":
            return
        carrying = _Carrying(exchange, first, self._timeout_s)
        try:
            async with asyncio.timeout(self._timeout_s) as carrying.deadline:
                response = await self._ask(scope, carrying)
                async with response:
                    await self._answer(response, carrying)
        except TimeoutError:
            if not carrying.client_is_gone:
                log.warning("service_too_slow", request_id=exchange.request_id)
                raise TimedOut from None
        except (aiohttp.ClientError, OSError) as error:
            if not carrying.client_is_gone:
                log.warning("service_gone", request_id=exchange.request_id, error=type(error).__name__)
                raise Unavailable from None
        finally:
            carrying.stop()

    async def _ask(self, scope: Scope, carrying: "_Carrying") -> ClientResponse:
        headers = _texts(scope["headers"])
        body = carrying.body()
        if self._session is None:
            self._session = _session()
        for copy in self._in_turn(scope):
            try:
                return await self._session.request(
                    scope["method"],
                    copy.address(scope),
                    headers=[*headers, (_COPY, copy.name)],
                    data=body,
                    allow_redirects=False,
                )
            except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
                # Nothing of the request has left us, so another copy may have it.
                copy.rests_until = monotonic() + self._rest_s
        raise Unavailable

    async def _answer(self, response: ClientResponse, carrying: "_Carrying") -> None:
        exchange = carrying.exchange
        start: Message = {
            "type": "http.response.start",
            "status": response.status,
            "headers": response.raw_headers,
        }
        if response.content_length is not None and response.content_length <= WHOLE_BYTES:
            body = await response.read()
            await exchange.send(start)
            await exchange.send({"type": "http.response.body", "body": body})
            return
        await exchange.send(start)
        carrying.answer_has_begun()
        async for part in response.content.iter_any():
            await exchange.send({"type": "http.response.body", "body": part, "more_body": True})
        await exchange.send({"type": "http.response.body", "body": b""})

    def _in_turn(self, scope: Scope) -> Iterator[_Copy]:
        """Every copy once, beginning with the next in turn; those that rest come last.

        A socket that has begun at one of them is known there only.
        """
        home = _home_of_socket(scope)
        if any(copy.name == home for copy in self._copies):
            yield from (copy for copy in self._copies if copy.name == home)
            return
        self._turn += 1
        start = self._turn % len(self._copies)
        ordered = self._copies[start:] + self._copies[:start]
        now = monotonic()
        yield from (copy for copy in ordered if copy.rests_until <= now)
        yield from (copy for copy in ordered if copy.rests_until > now)

    # --- WebSockets

    async def _carry_socket(self, scope: Scope, exchange: Exchange) -> None:
        await exchange.receive()
        try:
            async with asyncio.timeout(self._timeout_s):
                inner = await self._open_socket(scope)
        except TimeoutError:
            raise TimedOut from None
        except _HandshakeRefused as refused:
            if refused.response.status == HTTPStatus.FORBIDDEN and not refused.body:
                # What a server makes of an application that closes without accepting.
                raise Forbidden from None
            await exchange.answer(refused.response.status, _unframed(refused.response), refused.body)
            return
        except (aiohttp.ClientError, OSError):
            raise Unavailable from None
        try:
            await exchange.send({"type": "websocket.accept", "subprotocol": inner.protocol})
        except ClientDisconnected:
            # Gone during the handshake: the service is not to hold a socket of nobody.
            await inner.close()
            return
        inwards = asyncio.create_task(_inwards(exchange, inner))
        outwards = asyncio.create_task(_outwards(exchange, inner))
        try:
            await asyncio.wait({inwards, outwards}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in (inwards, outwards):
                pump.cancel()
            await asyncio.gather(inwards, outwards, return_exceptions=True)
            await inner.close()

    async def _open_socket(self, scope: Scope) -> "aiohttp.ClientWebSocketResponse[bool]":
        headers = _texts(scope["headers"])
        if self._sockets is None:
            self._sockets = _session(_keep_refusal)
        for copy in self._in_turn(scope):
            try:
                return await self._sockets.ws_connect(
                    copy.address(scope),
                    headers=[*headers, (_COPY, copy.name)],
                    protocols=scope["subprotocols"],
                    max_msg_size=0,
                    heartbeat=HEARTBEAT_S,
                )
            except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
                copy.rests_until = monotonic() + self._rest_s
        raise Unavailable


def _home_of_socket(scope: Scope) -> str | None:
    """The copy that gave out the ``sid`` in the query; None without one."""
    if not takes_sockets(scope["raw_path"]):
        return None
    found = parse_qs(scope["query_string"].decode("ascii", "replace")).get("sid", [""])[0]
    return found.partition(".")[0] or None


class _Carrying:
    """One request under way: its body, its deadline, and whether its client is still there."""

    def __init__(self, exchange: Exchange, first: Message, timeout_s: float) -> None:
        self.exchange = exchange
        self.deadline = asyncio.timeout(None)
        self.client_is_gone = False
        self._first = first
        self._timeout_s: float | None = timeout_s
        self._watching: asyncio.Task[None] | None = None

    def body(self) -> bytes | AsyncIterator[bytes] | None:
        """The body for aiohttp: whole if it has arrived whole, else as it comes."""
        if self._first.get("more_body", False):
            return self._parts()
        self._watch()
        return self._first.get("body") or None

    def answer_has_begun(self) -> None:
        """A stream may take as long as it likes, both ways."""
        self._timeout_s = None
        self._allow(None)

    def _allow(self, seconds: float | None) -> None:
        loop = asyncio.get_running_loop()
        self.deadline.reschedule(None if seconds is None else loop.time() + seconds)

    def stop(self) -> None:
        """Stops watching the client."""
        if self._watching is not None:
            self._watching.cancel()

    async def _parts(self) -> AsyncIterator[bytes]:
        message = self._first
        while True:
            if message["type"] == "http.disconnect":
                self._client_went()
                raise ConnectionResetError
            yield message.get("body", b"")
            if not message.get("more_body", False):
                break
            # While we wait for the client, the service is not late.
            self._allow(None)
            message = await self.exchange.receive()
            self._allow(self._timeout_s)
        self._watch()

    def _watch(self) -> None:
        self._watching = asyncio.create_task(self._until_gone())

    async def _until_gone(self) -> None:
        while (await self.exchange.receive())["type"] != "http.disconnect":
            pass
        self._client_went()

    def _client_went(self) -> None:
        """Ends the request to the service, which thereby learns of it."""
        self.client_is_gone = True
        with suppress(RuntimeError):  # the deadline may just have passed
            self._allow(0)


def _session(*middlewares: aiohttp.ClientMiddlewareType) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_S),
        timeout=ClientTimeout(total=None, sock_connect=CONNECT_S),
        # Bytes go through as they are: nothing decoded, stored, added or asked of a proxy.
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
        trust_env=False,
        middlewares=middlewares,
    )


def _texts(headers: Headers) -> list[tuple[str, str]]:
    """Fields as aiohttp takes them; it writes UTF-8, so that UTF-8 leaves as it came."""
    return [(name.decode("ascii"), _text(value)) for name, value in headers]


def _text(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _unframed(response: ClientResponse) -> list[tuple[bytes, bytes]]:
    return [(name, value) for name, value in response.raw_headers if name.lower() != b"content-length"]


async def _inwards(exchange: Exchange, inner: "aiohttp.ClientWebSocketResponse[bool]") -> None:
    """Client to service."""
    while True:
        message = await exchange.receive()
        if message["type"] == "websocket.disconnect":
            code: int = message.get("code", 1005)
            await inner.close(code=_NOT_SENT.get(code, code), message=(message.get("reason") or "").encode())
            return
        text: str | None = message.get("text")
        if text is not None:
            await inner.send_str(text)
        else:
            await inner.send_bytes(message["bytes"])


async def _outwards(exchange: Exchange, inner: "aiohttp.ClientWebSocketResponse[bool]") -> None:
    """Service to client."""
    async for message in inner:
        if message.type is WSMsgType.TEXT:
            await exchange.send({"type": "websocket.send", "text": message.data})
        elif message.type is WSMsgType.BINARY:
            await exchange.send({"type": "websocket.send", "bytes": message.data})
    code = inner.close_code or 1006
    await exchange.send({"type": "websocket.close", "code": _NOT_SENT.get(code, code)})
