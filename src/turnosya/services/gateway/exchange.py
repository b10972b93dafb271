"""One request on its way through the front door, and the answer on its way back."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from http import HTTPStatus
from typing import Protocol

import structlog
from starlette.types import Message, Receive, Scope, Send
from uvicorn.protocols.utils import ClientDisconnected

from turnosya.runtime.messages import Forbidden, Kind, ServiceError, TimedOut
from turnosya.runtime.metrics import refusals
from turnosya.services.gateway import hygiene, problems, rules
from turnosya.services.gateway.rules import Headers

log = structlog.get_logger()

_BODILESS = frozenset({HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED})

_OF_A_BODY = frozenset({b"content-length", b"content-type"})

# Close codes for applications begin at 4000 (RFC 6455 §7.4.2); 1012 says: come again.
ACCESS_ENDED_CODE = 4401
COME_AGAIN_CODE = 1012

Fields = Iterable[tuple[bytes, bytes]]


class HandOver(Protocol):
    """Hands a request on to a service; ``InProcess`` and ``OverHttp`` behave the same."""

    async def __call__(self, scope: Scope, exchange: "Exchange") -> None:
        """Answers through ``exchange``; raises a ``ServiceError`` while nothing has been answered."""


class Exchange:
    """What a service's answer passes through: its fields are cleaned and ours added, once.

    ``on_access_ended`` is called with the inner header of an answer that ends somebody's access,
    before that answer leaves.
    """

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        *,
        outwards: hygiene.Outwards,
        on_access_ended: Callable[[bytes], None],
    ) -> None:
        self._receive = receive
        self._send = send
        self._outwards = outwards
        self._on_access_ended = on_access_ended
        self.is_socket = scope["type"] == "websocket"
        self.headers: Headers = scope["headers"]
        self.request_id = hygiene.request_id_of(self.headers)
        self.extra: list[tuple[bytes, bytes]] = []
        self.status = 0
        self.started = False
        self.given_up = False
        self._has_body = True
        self._unread: deque[Message] = deque()
        self._is_reading = False
        self._timer: asyncio.TimerHandle | None = None
        self._refusing: asyncio.Task[None] | None = None

    async def receive(self) -> Message:
        """The next part of the request. While the client is sending, the service is not late."""
        if self._unread:
            return self._unread.popleft()
        self._is_reading = self._has_body
        try:
            message = await self._receive()
        finally:
            self._is_reading = False
        if self.is_socket and self.given_up:
            # Of a client that takes no close frame, too, nothing more is heard.
            return {"type": "websocket.disconnect", "code": ACCESS_ENDED_CODE}
        self._has_body = bool(message.get("more_body", False))
        return message

    async def peek(self, limit: int) -> bytes:
        """The beginning of the body, up to about ``limit`` bytes; the service reads all of it again."""
        read: list[Message] = []
        body = b""
        while len(body) < limit:
            message = await self.receive()
            read.append(message)
            body += message.get("body", b"")
            if not message.get("more_body", False):
                break
        self._unread.extend(read)
        return body

    async def send(self, message: Message) -> None:
        """The next part of the service's answer; dropped once we have answered for it."""
        if self.given_up:
            return
        match message["type"]:
            case "http.response.start" | "websocket.http.response.start":
                message = self._start(message)
            case "websocket.accept":
                self.started = True
                self._stop_timer()
                request_id = (b"x-request-id", self.request_id.encode("ascii"))
                message = {**message, "headers": [request_id]}
            case "websocket.close" if not self.started:
                await self.refuse(Forbidden())
                return
            case _:
                pass
        await self._send(message)

    def _start(self, message: Message) -> Message:
        upstream: list[tuple[bytes, bytes]] = list(message.get("headers", ()))
        for name, value in upstream:
            if name.lower() == hygiene.ACCESS_ENDED:
                self._on_access_ended(value)
        self.started = True
        self.status = message["status"]
        self._stop_timer()
        fields = self._outwards.fields(
            upstream, request_id=self.request_id, origin=rules.value_of(self.headers, b"origin")
        )
        if self.status in _BODILESS:
            # A 304 may say how long the body would be (RFC 9110 §8.6); uvicorn would wait for it.
            fields = [field for field in fields if field[0] not in _OF_A_BODY]
        return {**message, "headers": [*fields, *self.extra]}

    async def refuse(self, error: ServiceError) -> None:
        """Answers a problem, unless an answer has begun."""
        if not self.started and not self.given_up:
            refusals.labels("gateway", error.code).inc()
            await self._answer_problem(error)

    async def _answer_problem(self, error: ServiceError) -> None:
        status, fields, body = problems.rendered(error, request_id=self.request_id, headers=self.headers)
        await self.answer(status, fields, body)

    async def answer(self, status: int, headers: Fields, body: bytes = b"") -> None:
        """A whole answer of our own."""
        prefix = "websocket.http" if self.is_socket else "http"
        framed = [*headers]
        if status != HTTPStatus.NO_CONTENT:
            framed.append((b"content-length", b"%d" % len(body)))
        start = self._start({"type": f"{prefix}.response.start", "status": status, "headers": framed})
        await self._send(start)
        await self._send({"type": f"{prefix}.response.body", "body": body})

    async def end_socket(self, error: ServiceError) -> None:
        """Closes a socket with the problem's code as its reason; one not yet accepted is refused with it.

        The service then hears that its client is gone, and what it still says is dropped.
        """
        if self.given_up:
            return
        self.given_up = True
        if not self.started:
            await self._answer_problem(error)
            return
        code = ACCESS_ENDED_CODE if error.kind is Kind.UNAUTHENTICATED else COME_AGAIN_CODE
        with suppress(ClientDisconnected):
            await self._send({"type": "websocket.close", "code": code, "reason": error.code})

    def give_up_after(self, seconds: float) -> None:
        """Answers 504 unless an answer has begun ``seconds`` after the request was read.

        The service goes on undisturbed, as it would in a process of its own.
        """
        self._timer = asyncio.get_running_loop().call_later(seconds, self._give_up, seconds)

    def finish(self) -> None:
        """The service has returned."""
        self._stop_timer()

    def _give_up(self, seconds: float) -> None:
        if self._is_reading:
            self.give_up_after(seconds)
            return
        self._refusing = asyncio.get_running_loop().create_task(self._give_up_now())

    async def _give_up_now(self) -> None:
        if self.started:
            return
        log.warning("service_too_slow", request_id=self.request_id)
        # First: the service may begin to answer while ours is being sent.
        self.given_up = True
        await self._answer_problem(TimedOut())

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
