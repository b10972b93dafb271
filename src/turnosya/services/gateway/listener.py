"""The listener: the only code that sees bytes.

uvicorn's httptools protocol with what a front door needs and uvicorn leaves open: which targets and
frames are refused, how large and how slow a request may be, how many connections an address may
hold, and a problem document in answer to a broken frame. Read together with
``uvicorn.protocols.http.httptools_impl`` (0.54), whose attributes it uses.
"""

import asyncio
import re
from collections import Counter
from enum import Enum, auto
from http import HTTPStatus
from typing import Any

import httptools
import structlog
import uvicorn
from starlette.types import ASGIApp
from uvicorn._types import ASGI3Application, ASGISendEvent
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.frames import CloseCode, Frame

from turnosya.runtime.messages import ServiceError
from turnosya.runtime.problems import MalformedRequest, PayloadTooLarge
from turnosya.services.gateway import hygiene, problems, rules
from turnosya.services.gateway.doorway import Doorway
from turnosya.services.gateway.paths import is_upload, is_webhook
from turnosya.services.gateway.problems import HeadersTooLarge, RateLimited, RequestTimeout, UriTooLong

log = structlog.get_logger()

# The two fields of a WebSocket handshake that cannot be read otherwise (RFC 6455 §4.2.1).
_SOCKET_KEY = re.compile(rb"[A-Za-z0-9+/]{22}==")
_SOCKET_VERSION = b"13"
# The parser refuses a repeated Content-Length and both framings at once; the rest is counted here.
_ONLY_ONCE = frozenset({b"host", b"content-length", b"transfer-encoding", b"authorization"})


class Phase(Enum):
    """What the next byte of a connection belongs to."""

    BETWEEN = auto()
    HEAD = auto()
    BODY = auto()


class ListenerConfig(uvicorn.Config):
    """uvicorn's configuration with the doorway beside it."""

    def __init__(self, app: ASGIApp, doorway: Doorway, *, host: str = "127.0.0.1", port: int = 8000) -> None:
        self.doorway = doorway
        super().__init__(
            app,
            host=host,
            port=port,
            http=Listener,
            # Named, for "auto" takes whichever library happens to be installed.
            ws=SocketListener,
            ws_max_size=doorway.limits.socket_message_bytes,
            ws_per_message_deflate=False,
            lifespan="off",
            # True would believe X-Forwarded-For from loopback; the front door has its own rule.
            proxy_headers=False,
            server_header=False,
            access_log=False,
            log_config=None,
        )


class SocketListener(WebSocketsSansIOProtocol):
    """A connection after its upgrade to WebSocket; gives its place back when it ends."""

    config: ListenerConfig

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Takes the connection over from the listener, which has counted it."""
        super().connection_made(transport)
        self.reader = self.config.doorway.watch_of(self.transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Ends it and frees its place in the address's budget."""
        self.reader.stop()
        if self.client is not None:
            self.config.doorway.leave(self.client[0])
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The client reads more slowly than the service writes."""
        super().pause_writing()
        self.reader.start()

    def resume_writing(self) -> None:
        """The client has caught up."""
        self.reader.stop()
        super().resume_writing()

    async def send(self, message: ASGISendEvent) -> None:
        """The application's next message; an ordinary answer ends the handshake, which uvicorn forgets."""
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and not message.get("more_body", False):
            self.handshake_complete = True

    def on_task_complete(self, task: asyncio.Task[None]) -> None:
        """The application is done and the connection closing, as soon as what is left has been sent."""
        super().on_task_complete(task)
        self.reader.start()

    def handle_cont(self, event: Frame) -> None:
        """One more fragment: the library limits their size, and empty ones have none."""
        if len(self.frames) >= self.config.doorway.limits.socket_fragments:
            self.conn.fail(CloseCode.MESSAGE_TOO_BIG)
            self.handle_parser_exception()
            return
        super().handle_cont(event)


class Listener(HttpToolsProtocol):
    """One connection. The parser's callbacks raise ``ServiceError``, answered before it is closed."""

    def __init__(
        self,
        config: ListenerConfig,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.doorway = config.doorway
        self.limits = config.doorway.limits
        self.timeout_keep_alive = self.limits.idle_s  # type: ignore[assignment]  # declared int, used as float
        self.phase = Phase.BETWEEN
        self.timer: asyncio.TimerHandle | None = None
        self.refusal: ServiceError | None = None
        self.deaf = False
        self.heads_begun = 0
        self.unparsed_bytes = 0
        self.head_bytes = 0
        self.seen: Counter[bytes] = Counter()
        self.running: RequestResponseCycle | None = None
        self.body_bytes = 0
        self.body_elapsed_s = 0.0
        self.url = b""
        assert self.parser is not None  # noqa: S101 - until the connection is lost
        self.frames = self.parser

    # --- connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Counts it, refuses one too many, and starts the idle clock."""
        super().connection_made(transport)
        self.reader = self.doorway.watch_of(transport)
        if self.client is not None and not self.doorway.enter(self.client[0]):
            self._answer(RateLimited())
            return
        self.timeout_keep_alive_task = self.loop.call_later(
            self.limits.idle_s, self.timeout_keep_alive_handler
        )

    def connection_lost(self, exc: Exception | None) -> None:
        """Frees its place and stops its clocks."""
        self._stop_timer()
        self._unset_keepalive_if_required()
        self.reader.stop()
        if self.client is not None:
            self.doorway.leave(self.client[0])
        if self.running is not None and not self.running.response_complete:
            # uvicorn tells only the newest request, which may still wait behind this one.
            self.running.disconnected = True
            self.running.message_event.set()
        super().connection_lost(exc)
        # The parser holds this object and this object the parser: uvicorn breaks the ring, and so do we.
        del self.frames

    def data_received(self, data: bytes) -> None:
        """Feeds the parser; what it or a rule refuses is answered and the connection closed."""
        if self.deaf:
            return
        phase_before, heads_before = self.phase, self.heads_begun
        if phase_before is Phase.BODY:
            # Until a part of the body or a whole field of its trailer shows up in them.
            self.unparsed_bytes += len(data)
        try:
            self.frames.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._upgrade()
        except httptools.HttpParserError as error:
            cause = error.__context__
            self._refuse(cause if isinstance(cause, ServiceError) else MalformedRequest())
        else:
            # Behind the body of an earlier request one can't tell where in these bytes the head began.
            heads_begun = self.heads_begun - heads_before
            began_here = (phase_before, heads_begun) in ((Phase.HEAD, 0), (Phase.BETWEEN, 1))
            if began_here and self.phase is Phase.HEAD:
                self.unparsed_bytes += len(data)
            self._watch_the_clock()

    def pause_writing(self) -> None:
        """The client reads more slowly than the service answers."""
        super().pause_writing()
        self.reader.start()

    def resume_writing(self) -> None:
        """The client has caught up."""
        self.reader.stop()
        super().resume_writing()

    def timeout_keep_alive_handler(self) -> None:
        """The client was silent for too long."""
        super().timeout_keep_alive_handler()
        self.reader.start()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self.running = cycle
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        """Answers what was refused behind this request, now that it is its turn."""
        if self.transport.is_closing():
            self.reader.start()
        if self.refusal is not None and not self.pipeline:
            self.server_state.total_requests += 1
            if not self.transport.is_closing():
                self._answer(self.refusal)
            return
        super().on_response_complete()

    # --- what the parser found

    def on_message_begin(self) -> None:
        """A request begins: the connection is no longer idle."""
        self._unset_keepalive_if_required()
        super().on_message_begin()
        self.phase = Phase.HEAD
        self.heads_begun += 1
        self.unparsed_bytes = self.head_bytes = self.body_bytes = 0
        self.body_elapsed_s = 0.0
        self.seen.clear()

    def on_url(self, url: bytes) -> None:
        """Part of the target."""
        super().on_url(url)
        if len(self.url) > self.limits.target_bytes:
            raise UriTooLong

    def on_header(self, name: bytes, value: bytes) -> None:
        """One whole field, of the head or (dropped: nobody reads them) of a chunked body's trailer."""
        self.head_bytes += len(name) + len(value) + 4
        # The parser leaves what stands behind a value; it is no part of it (RFC 9110 §5.5).
        name, value = name.lower(), value.rstrip(b" \t")
        self.seen[name] += 1
        if self.head_bytes > self.limits.header_bytes or self.seen.total() > self.limits.header_fields:
            raise HeadersTooLarge
        if self.phase is Phase.BODY:
            self.unparsed_bytes = 0
            return
        if b"_" in name or (name in _ONLY_ONCE and self.seen[name] > 1):
            raise MalformedRequest
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is whole: the last checks, then the request goes to the application."""
        self._check_head()
        self._stop_timer()
        # An earlier answer may have started it while this head was coming.
        self._unset_keepalive_if_required()
        self.phase = Phase.BODY
        self.unparsed_bytes = 0
        super().on_headers_complete()

    def _check_head(self) -> None:
        if (
            not rules.is_one_reading(self.url)
            or self.seen[b"host"] != 1
            or not rules.is_host(rules.value_of(self.headers, b"host") or b"")
            or self.frames.get_http_version() not in ("1.0", "1.1")
        ):
            raise MalformedRequest
        coding = rules.value_of(self.headers, b"transfer-encoding")
        if coding is not None and (coding.lower() != b"chunked" or self.frames.get_http_version() == "1.0"):
            raise MalformedRequest
        announced = rules.value_of(self.headers, b"content-length")
        if announced is not None and int(announced) > self._body_limit():
            raise PayloadTooLarge
        if self.frames.should_upgrade() and self._should_upgrade():
            self._check_socket_handshake()
        if len(self.pipeline) >= self.limits.waiting_requests:
            raise RateLimited

    def _check_socket_handshake(self) -> None:
        """Our answer is a problem; the WebSocket library's would be a line of text."""
        key = rules.value_of(self.headers, b"sec-websocket-key") or b""
        if (
            self.frames.get_method() != b"GET"
            or self.frames.get_http_version() != "1.1"
            or self.seen[b"content-length"]
            or self.seen[b"transfer-encoding"]
            or self.seen[b"sec-websocket-key"] != 1
            or _SOCKET_KEY.fullmatch(key) is None
            or rules.value_of(self.headers, b"sec-websocket-version") != _SOCKET_VERSION
            or self._is_answering()
        ):
            raise MalformedRequest

    def on_body(self, body: bytes) -> None:
        """Part of the body."""
        self.body_bytes += len(body)
        self.unparsed_bytes = 0
        if self.body_bytes > self._body_limit():
            raise PayloadTooLarge
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request has arrived whole."""
        self._stop_timer()
        self.phase = Phase.BETWEEN
        super().on_message_complete()

    def _upgrade(self) -> None:
        self._stop_timer()
        if self._should_upgrade():
            self.reader.stop()
            self.handle_websocket_upgrade()
            return
        # An upgrade that we don't offer is ignored (RFC 9110 §7.8), but the parser stops behind it.
        self.deaf = True
        if self._is_answering():
            self.cycle.keep_alive = False

    # --- clocks

    def _watch_the_clock(self) -> None:
        if self.phase is Phase.HEAD:
            # The parser hands a field over once it is whole; an endless one is noticed here.
            if self.unparsed_bytes > self.limits.header_bytes + self.limits.target_bytes:
                self._refuse(HeadersTooLarge())
            elif self.timer is None:
                self.timer = self.loop.call_later(self.limits.header_s, self._head_is_late)
        elif self.phase is Phase.BODY:
            # A chunk's extension or a trailer's field without an end: the parser would gather it all,
            # copying what it has at every piece, and hold up everybody meanwhile.
            if self.unparsed_bytes > self.limits.header_bytes:
                self._refuse(HeadersTooLarge())
            elif self.timer is None:
                self.timer = self.loop.call_later(self.limits.body_check_s, self._judge_body)

    def _head_is_late(self) -> None:
        self.timer = None
        if self.flow.read_paused:
            self._watch_the_clock()
        else:
            self._refuse(RequestTimeout())

    def _judge_body(self) -> None:
        self.timer = None
        # Time in which we did not read, or had not yet asked for the body, is not the client's.
        if not self.flow.read_paused and not self.cycle.waiting_for_100_continue:
            self.body_elapsed_s += self.limits.body_check_s
        limit_s = self.limits.upload_s if is_upload(self.url) else self.limits.body_s
        due_bytes = self.body_elapsed_s * self.limits.body_bytes_per_s
        is_slow = self.body_elapsed_s >= self.limits.body_grace_s and self.body_bytes < due_bytes
        if is_slow or self.body_elapsed_s >= limit_s:
            self._refuse(RequestTimeout())
        else:
            self._watch_the_clock()

    def _stop_timer(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    # --- refusing

    def _body_limit(self) -> int:
        if is_upload(self.url):
            return self.limits.upload_bytes
        return self.limits.webhook_bytes if is_webhook(self.url) else self.limits.body_bytes

    def _is_answering(self) -> bool:
        return bool(self.cycle) and not self.cycle.response_complete

    def _refuse(self, refusal: ServiceError) -> None:
        """Answers after the requests before it, and never into the middle of an answer."""
        self._stop_timer()
        self.deaf = True
        if self.phase is Phase.BODY and self._is_answering():
            cycle = self.cycle
            cycle.disconnected = True
            cycle.message_event.set()
            if cycle.response_started:
                self._hang_up()
                return
            waiting = [queued for queued, _ in self.pipeline]
            if cycle in waiting:
                self.pipeline.popleft()
                self.refusal = refusal
                return
        elif self.phase is Phase.BODY:
            # Its answer has been sent; only the rest of its body was still awaited.
            self._hang_up()
            return
        elif self._is_answering():
            self.refusal = refusal
            return
        self._answer(refusal)

    def _answer(self, refusal: ServiceError) -> None:
        """Writes a problem document, then lets the client read it before the connection is cut."""
        self._stop_timer()
        self._unset_keepalive_if_required()
        self.deaf = True
        headers: rules.Headers = self.headers or ()
        request_id = hygiene.request_id_of(headers)
        code, problem, body = problems.rendered(refusal, request_id=request_id, headers=headers)
        upstream = [*problem, (b"content-length", b"%d" % len(body))]
        origin = rules.value_of(headers, b"origin")
        fields = [
            *self.server_state.default_headers,
            *self.doorway.outwards.fields(upstream, request_id=request_id, origin=origin),
            (b"connection", b"close"),
        ]
        status = b"HTTP/1.1 %d %s\r\n" % (code, HTTPStatus(code).phrase.encode("ascii"))
        lines = b"".join(b"%s: %s\r\n" % pair for pair in fields)
        is_head = self.phase is not Phase.BETWEEN and self.frames.get_method() == b"HEAD"
        self.transport.write(status + lines + b"\r\n" + (b"" if is_head else body))
        log.info("frame_refused", refusal=refusal.code, request_id=request_id)
        self.flow.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.timer = self.loop.call_later(self.limits.linger_s, self._hang_up)

    def _hang_up(self) -> None:
        self.transport.close()
        self.reader.start()
