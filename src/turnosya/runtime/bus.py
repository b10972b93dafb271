"""How services talk: encoding, deadlines, errors and trace context, the same over every transport."""

import asyncio
import contextvars
import json
from collections.abc import Awaitable, Callable, Coroutine, Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, Protocol, TypeVar

import structlog
from cryptography.fernet import Fernet, InvalidToken
from pydantic import ValidationError

from turnosya.runtime import metrics
from turnosya.runtime.ids import new_id
from turnosya.runtime.messages import (
    COMMON_ERRORS,
    A,
    Event,
    Rpc,
    ServiceError,
    TimedOut,
    Unavailable,
)
from turnosya.runtime.spans import Kind, Span, is_recording, step
from turnosya.runtime.telemetry import begin_trace, current_trace

log = structlog.get_logger()
T = TypeVar("T")

ID, SOURCE, AGGREGATE, SEQUENCE = "id", "source", "aggregate", "sequence"
REQUEST_ID, TRACEPARENT, TIMEOUT_MS = "request_id", "traceparent", "timeout_ms"
STATUS, ERROR = "status", "error"


@dataclass(frozen=True, slots=True)
class Envelope:
    """What crosses a transport: a wire name, an encoded body and text headers."""

    wire_name: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Depth:
    """How many events wait in a durable queue, and how many processes take from it."""

    waiting: int
    consumers: int


class NobodyAnswers(Exception):
    """No process answers this request."""


class Undelivered(Exception):
    """The transport could not hand an event to everyone who must hear it; deliver it again."""


class Transport(Protocol):
    """Carries envelopes; ``memory`` within a process, ``rabbit`` between processes."""

    async def open(self) -> None:
        """Connects, or raises."""

    async def stop_receiving(self) -> None:
        """Takes no new requests and events; answers under way and publishing go on."""

    async def close(self) -> None:
        """Disconnects."""

    async def request(self, envelope: Envelope, *, timeout_s: float) -> Envelope:
        """The answer; raises ``NobodyAnswers``, ``TimeoutError`` or ``ConnectionError``."""
        ...

    async def answer(self, wire_name: str, begin: "Callable[[Envelope], asyncio.Task[Envelope]]") -> None:
        """Answers requests with this wire name by the task that ``begin`` starts.

        So many at once in a process and no more; one whose deadline passes meanwhile is dropped unread.
        """

    async def publish(self, envelope: Envelope) -> None:
        """Returns when every queue that must have the event has it; raises ``Undelivered``."""

    async def hear(self, queue: str, store: Callable[[Envelope], Awaitable[None]]) -> None:
        """Hands each event of the queue to ``store`` and acknowledges it when that returns."""

    async def hear_every_copy(self, wire_name: str, handler: Callable[[Envelope], Awaitable[None]]) -> None:
        """Hands events with this name to ``handler`` in this process, best effort."""

    async def depths(self) -> Mapping[str, Depth]:
        """Of each durable queue of the system; raises ``ConnectionError`` when the broker is away."""
        ...

    @property
    def healthy(self) -> bool:
        """Whether messages can be carried now."""
        ...


_deadline: ContextVar[float | None] = ContextVar("deadline", default=None)


def time_left_s() -> float | None:
    """Seconds until the work that runs now is no longer wanted; None if nobody waits."""
    deadline = _deadline.get()
    return None if deadline is None else deadline - asyncio.get_running_loop().time()


@contextmanager
def deadline_in(seconds: float) -> Generator[None]:
    """Requests made inside get at most what is left of ``seconds``."""
    token = _deadline.set(asyncio.get_running_loop().time() + seconds)
    try:
        yield
    finally:
        _deadline.reset(token)


class Bus:
    """The one way to another service."""

    def __init__(self, transport: Transport, *, source: str, message_key: str, call_timeout_s: float) -> None:
        self._transport = transport
        self._source = source
        self._secrets = Fernet(message_key)
        self._call_timeout_s = call_timeout_s
        self._running: set[asyncio.Task[Any]] = set()

    @property
    def healthy(self) -> bool:
        """Whether messages can be carried now."""
        return self._transport.healthy

    def named(self, source: str) -> "Bus":
        """The same transport, for the service ``source``."""
        bus = Bus.__new__(Bus)
        bus.__dict__.update(self.__dict__)
        bus._source, bus._running = source, set()  # noqa: SLF001 - a copy of ourselves
        return bus

    # --- requests ---

    async def call(self, request: Rpc[A], *, timeout_s: float | None = None) -> A:
        """Asks the service that owns ``request`` and returns its answer.

        Raises the errors the request declares, ``Unavailable`` when nobody listens or the other side
        failed, ``TimedOut`` at the deadline. The other side may have done it nevertheless.
        """
        kind = type(request)
        body = request.model_dump_json().encode()
        reply = await self._ask(kind.wire_name, body, timeout_s)
        if reply.headers[STATUS] == "ok":
            answer: A = kind.answer_type.model_validate_json(reply.body)  # type: ignore[assignment] # pyright: ignore[reportAssignmentType] - Rpc[A] declares it
            return answer
        raise _error_of(reply, (*kind.errors, *COMMON_ERRORS))

    async def call_raw(
        self, wire_name: str, body: Mapping[str, object], *, timeout_s: float | None = None
    ) -> Any:  # noqa: ANN401 - JSON
        """Makes a request that is known by name only (a job's); its answer as JSON values.

        Raises ``ServiceError`` of any kind.
        """
        reply = await self._ask(wire_name, json.dumps(body).encode(), timeout_s)
        if reply.headers[STATUS] != "ok":
            raise _error_of(reply, COMMON_ERRORS)
        return json.loads(reply.body)

    async def ping(self, service: str) -> float:
        """Seconds until ``service`` said it is ready; raises ``Unavailable`` if it is not."""
        began = perf_counter()
        reply = await self._ask(f"{service}.Ping", b"{}", 2.0)
        if reply.headers[STATUS] != "ok":
            raise Unavailable
        return perf_counter() - began

    async def _ask(self, wire_name: str, body: bytes, timeout_s: float | None) -> Envelope:
        left = time_left_s()
        wait_s = timeout_s or self._call_timeout_s
        wait_s = wait_s if left is None else min(wait_s, left)
        if wait_s <= 0:
            raise TimedOut
        with step(self._source, Kind.CLIENT, f"ask {wire_name}") as asked:
            headers = {**_trace_headers(), TIMEOUT_MS: str(int(wait_s * 1000))}
            reply = await self._carried(Envelope(wire_name, body, headers), wait_s)
            if reply.headers[STATUS] == "failed":
                asked.fail("failed")
        return reply

    async def _carried(self, envelope: Envelope, wait_s: float) -> Envelope:
        began, outcome = perf_counter(), "ok"
        try:
            reply = await self._transport.request(envelope, timeout_s=wait_s)
            outcome = reply.headers[STATUS]
        except TimeoutError:
            outcome = "late"
            raise TimedOut from None
        except (NobodyAnswers, ConnectionError) as error:
            outcome = "nobody"
            log.warning("request_not_answered", request=envelope.wire_name, why=type(error).__name__)
            raise Unavailable from None
        finally:
            metrics.rpc_seconds.labels(envelope.wire_name, outcome).observe(perf_counter() - began)
        return reply

    async def answer(self, kind: type[Rpc[Any]], handler: Callable[[Any], Awaitable[Any]]) -> None:
        """Answers requests of this kind with ``handler(request)``."""
        errors = (*kind.errors, *COMMON_ERRORS)

        async def work(envelope: Envelope) -> Envelope:
            try:
                answer = await handler(kind.model_validate_json(envelope.body))
            except errors as error:
                return Envelope(
                    envelope.wire_name,
                    json.dumps(error.members()).encode(),
                    {STATUS: "error", ERROR: error.wire_name},
                )
            return Envelope(envelope.wire_name, answer.model_dump_json().encode(), {STATUS: "ok"})

        await self.answer_raw(kind.wire_name, work)

    async def answer_raw(self, wire_name: str, work: Callable[[Envelope], Awaitable[Envelope]]) -> None:
        """Answers encoded requests; whatever ``work`` raises is logged here and ``Unavailable`` there."""
        name = f"answer {wire_name}"

        async def receive(envelope: Envelope) -> Envelope:
            seconds = int(envelope.headers[TIMEOUT_MS]) / 1000
            trace = begin_trace(envelope.headers.get(REQUEST_ID), envelope.headers.get(TRACEPARENT))
            with Span(trace, self._source, Kind.SERVER, name) as answered, deadline_in(seconds):
                try:
                    return await work(envelope)
                except Exception as error:
                    log.exception("request_failed", request=wire_name)
                    answered.fail(type(error).__name__)
                    return Envelope(wire_name, b"{}", {STATUS: "failed", ERROR: Unavailable.wire_name})

        await self._transport.answer(wire_name, lambda envelope: self._begin(receive(envelope)))

    def _begin(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Runs in a context of its own and to its end, even when the one who waits gives up."""
        task = asyncio.get_running_loop().create_task(work, context=contextvars.Context())
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def finish(self, within_s: float) -> None:
        """Waits until running answers have ended; cancels those that do not in time."""
        if not self._running:
            return
        _, late = await asyncio.wait(self._running, timeout=within_s)
        for task in late:
            task.cancel()

    async def depths(self) -> Mapping[str, Depth]:
        """How full each durable queue is; raises ``Unavailable`` when that cannot be known now."""
        try:
            return await self._transport.depths()
        except (ConnectionError, TimeoutError):
            raise Unavailable from None

    # --- events ---

    def encode(self, event: Event, *, sequence: int = 0) -> Envelope:
        """The event as it is stored and carried, its secret fields encrypted."""
        secret = event.secret_fields()
        if secret:
            values = event.model_dump(mode="json")
            for name in secret:
                values[name] = self._secrets.encrypt(str(values[name]).encode()).decode()
            body = json.dumps(values).encode()
        else:
            body = event.model_dump_json().encode()
        thing = event.aggregate_id()
        headers = {
            **_trace_headers(),
            ID: str(new_id()),
            SOURCE: self._source,
            AGGREGATE: f"{self._source}:{thing}" if thing else "",
            SEQUENCE: str(sequence),
        }
        return Envelope(event.wire_name, body, headers)

    def decode(self, kind: type[Event], body: bytes) -> Event:
        """The event that was encoded, its secret fields readable."""
        secret = kind.secret_fields()
        if not secret:
            return kind.model_validate_json(body)
        values = json.loads(body)
        for name in secret:
            try:
                values[name] = self._secrets.decrypt(values[name].encode()).decode()
            except InvalidToken:
                raise ValueError(
                    f"{kind.wire_name}.{name} was encrypted with another TURNOSYA_MESSAGE_KEY"
                ) from None
        return kind.model_validate(values)

    async def deliver(self, envelope: Envelope) -> None:
        """Hands an encoded event to everyone who must hear it; raises ``Undelivered``."""
        if not is_recording():
            await self._transport.publish(envelope)
            return
        # In a step of its own, from which the hearers go on: how long it lay in the outbox then shows.
        stored = begin_trace(envelope.headers.get(REQUEST_ID), envelope.headers.get(TRACEPARENT))
        with Span(stored, self._source, Kind.PRODUCER, f"tell {envelope.wire_name}") as told:
            told.note("messaging.message.id", envelope.headers[ID])
            headers = {**envelope.headers, **_trace_headers()}
            await self._transport.publish(Envelope(envelope.wire_name, envelope.body, headers))

    async def publish_every_copy(self, event: Event) -> None:
        """Tells every process that listens now, and nobody else; for what is repeated anyway."""
        await self.deliver(self.encode(event))

    async def hear(self, queue: str, store: Callable[[Envelope], Awaitable[None]]) -> None:
        """Hands each event of a durable queue to ``store``."""
        await self._transport.hear(queue, store)

    async def hear_every_copy(self, kind: type[Event], handler: Callable[[Any], Awaitable[None]]) -> None:
        """Hears events of this kind in this process, best effort; a failure is logged."""

        async def work(envelope: Envelope) -> None:
            trace = begin_trace(envelope.headers.get(REQUEST_ID), envelope.headers.get(TRACEPARENT))
            with Span(trace, self._source, Kind.CONSUMER, f"hear {kind.wire_name}") as heard:
                try:
                    await handler(self.decode(kind, envelope.body))
                except Exception as error:
                    log.exception("copy_failed_to_hear", event_name=kind.wire_name)
                    heard.fail(type(error).__name__)

        await self._transport.hear_every_copy(kind.wire_name, lambda envelope: self._begin(work(envelope)))


def _trace_headers() -> dict[str, str]:
    trace = current_trace()
    return {} if trace is None else {REQUEST_ID: trace.request_id, TRACEPARENT: trace.traceparent}


def _error_of(reply: Envelope, known: tuple[type[ServiceError], ...]) -> ServiceError:
    name = reply.headers.get(ERROR, "")
    for kind in known:
        if kind.wire_name == name:
            try:
                return kind(**json.loads(reply.body))
            except ValidationError:
                break
    return Unavailable()
