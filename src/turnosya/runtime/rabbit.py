"""Messages between processes over RabbitMQ (AMQP 0-9-1) with aio-pika.

Requests: a classic auto-delete queue per wire name, ``mandatory``, direct reply-to; acknowledged on
receipt. Events: one durable quorum queue per hearing service and lane, single active consumer, which
only stores; published with a confirm and ``mandatory``. We reconnect ourselves, so that what is
declared and consumed after the broker came back is the same few lines as at the start. An address may name
several nodes of a cluster, ``amqp://a|amqp://b``: we begin with any and go on to the next when one is away.
"""

import asyncio
import contextlib
import random
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import aio_pika
import structlog
from aio_pika.abc import (
    AbstractChannel,
    AbstractConnection,
    AbstractExchange,
    AbstractIncomingMessage,
    AbstractQueue,
    DeliveryMode,
)
from aio_pika.exceptions import AMQPError, DeliveryError, PublishError

from turnosya.runtime.bus import TIMEOUT_MS, Depth, Envelope, NobodyAnswers, Undelivered
from turnosya.runtime.messages import Unavailable

log = structlog.get_logger()

Begin = Callable[[Envelope], asyncio.Task[Envelope]]
Receiver = Callable[[Envelope], Awaitable[None]]

_EVENTS = "events"
_REPLY_TO = "amq.rabbitmq.reply-to"
# Requests of one name in work at once in a process; more wait in the broker, where another copy can
# take them, but for the few that are read ahead.
REQUESTS_AT_ONCE = 64
_PREFETCH_REQUESTS = 8
# Stored one after the other, to keep their order; the rest is read ahead.
_PREFETCH_EVENTS = 100
_PUBLISH_TIMEOUT_S = 10.0
# A broker that vanished without a word is given up after three of these and a bit.
_HEARTBEAT_S = 10
# A broker that has just started may let us in before its quorum queues have a leader: RabbitMQ 3.10 after
# a SIGKILL left a consume without an answer for half a minute. Then we begin again.
_OPEN_WITHIN_S = 15.0
_CLOSE_WITHIN_S = 5.0
_STORE_AGAIN_S = 0.5
# By version of RabbitMQ: 4.0 drops a message after 20 deliveries unless told otherwise, 4.3 refuses queues
# that are neither durable nor exclusive.
_DELIVERS_TWENTY_TIMES = (4, 0)
_NO_TRANSIENT_QUEUES = (4, 3)
_LOST = (AMQPError, ConnectionError, OSError, asyncio.TimeoutError, RuntimeError)


class RabbitTransport:
    """Carries envelopes through a broker. ``queues`` names every durable queue of the whole system."""

    def __init__(
        self,
        url: str,
        queues: Mapping[str, frozenset[str]],
        *,
        reconnect_s: float = 1.0,
        requests_at_once: int = REQUESTS_AT_ONCE,
    ) -> None:
        # Shuffled, for the copies of a service should not all sit on one node.
        self._nodes = deque(random.sample(nodes_of(url), len(nodes_of(url))))
        self._queues = queues
        self._reconnect_s = reconnect_s
        self._requests_at_once = requests_at_once
        self._heard_somewhere = frozenset(name for names in queues.values() for name in names)
        self._answers: dict[str, Begin] = {}
        self._stores: dict[str, Receiver] = {}
        self._copies: dict[str, list[Receiver]] = {}
        self._session: _Session | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self._receiving = True

    @property
    def healthy(self) -> bool:
        """Whether the broker is connected and everything is declared."""
        return self._session is not None and self._session.up

    async def open(self) -> None:
        """Connects, or raises ``ConnectionError``; from then on reconnects by itself."""
        self._session = await self._connect()
        self._supervisor = asyncio.create_task(self._supervise())

    async def _connect(self) -> "_Session":
        """A session on any node; raises ``ConnectionError`` when none gives us one."""
        for _ in range(len(self._nodes) - 1):
            try:
                return await self._connect_to(self._nodes[0])
            except ConnectionError as error:
                log.info("broker_node_is_away", why=str(error))
                self._nodes.rotate(-1)
        return await self._connect_to(self._nodes[0])

    async def _connect_to(self, url: str) -> "_Session":
        session = _Session(self._requests_at_once)
        try:
            async with asyncio.timeout(_OPEN_WITHIN_S):
                await session.open(url, self._queues)
                await self._receive_all(session)
        except _LOST as error:
            await session.close()
            raise ConnectionError(f"RabbitMQ: {type(error).__name__}") from error
        return session

    async def _receive_all(self, session: "_Session") -> None:
        """Consumes what was asked for until now, also while the broker was away."""
        if not self._receiving:
            return
        for wire_name, begin in list(self._answers.items()):
            await session.answer(wire_name, begin)
        for queue, store in list(self._stores.items()):
            await session.hear(queue, store)
        for wire_name, receivers in list(self._copies.items()):
            await session.hear_every_copy(wire_name, receivers)

    async def _receive_more(self) -> None:
        session = self._session
        if session is not None and session.up:
            try:
                async with asyncio.timeout(_OPEN_WITHIN_S):
                    await self._receive_all(session)
            except _LOST as error:
                log.warning("broker_lost_while_beginning_to_receive", why=type(error).__name__)
                # What was not consumed must not be taken for consumed: a new session begins with all of it.
                session.give_up()

    async def _supervise(self) -> None:
        while True:
            assert self._session is not None  # noqa: S101 - opened before
            await self._session.lost.wait()
            log.warning("broker_lost")
            await self._session.close()
            self._session = await self._connect_again()
            # What was asked for while we connected.
            await self._receive_more()
            log.info("broker_back")

    async def _connect_again(self) -> "_Session":
        while True:
            try:
                return await self._connect()
            except ConnectionError as error:
                log.info("broker_still_away", why=str(error))
            except Exception:
                log.exception("broker_cannot_be_used")
            await asyncio.sleep(self._reconnect_s)

    async def stop_receiving(self) -> None:
        """Takes no new requests and events; answers and publishing go on."""
        self._receiving = False
        if self._session is not None:
            await self._session.stop_receiving()

    async def close(self) -> None:
        """Disconnects; what is not acknowledged goes to another copy."""
        if self._supervisor is not None:
            self._supervisor.cancel()
        if self._session is not None:
            await self._session.close()

    def _live(self) -> "_Session":
        if self._session is None or not self._session.up:
            raise ConnectionError("RabbitMQ is away")
        return self._session

    async def request(self, envelope: Envelope, *, timeout_s: float) -> Envelope:
        """The answer of one of the copies that consume this request's queue."""
        return await self._live().request(envelope, timeout_s)

    async def answer(self, wire_name: str, begin: Begin) -> None:
        """Answers requests with this wire name, sharing them with other copies."""
        self._answers[wire_name] = begin
        await self._receive_more()

    async def publish(self, envelope: Envelope) -> None:
        """Returns when the broker has put the event into every queue that must have it."""
        try:
            await self._live().publish(envelope, mandatory=envelope.wire_name in self._heard_somewhere)
        except _LOST as error:
            raise Undelivered(f"{envelope.wire_name}: {type(error).__name__}") from error

    async def hear(self, queue: str, store: Receiver) -> None:
        """Stores each event of the queue, in order; unstored ones stay in the broker."""
        self._stores[queue] = store
        await self._receive_more()

    async def hear_every_copy(self, wire_name: str, handler: Receiver) -> None:
        """Hands such events to ``handler`` while we are connected."""
        self._copies.setdefault(wire_name, []).append(handler)
        await self._receive_more()

    async def depths(self) -> Mapping[str, Depth]:
        """As the broker counts them."""
        try:
            return await self._live().depths(self._queues)
        except _LOST as error:
            raise ConnectionError(type(error).__name__) from error


class _Session:
    """One connection, from connecting to losing it."""

    def __init__(self, requests_at_once: int) -> None:
        self.lost = asyncio.Event()
        self.up = False
        self._requests_at_once = requests_at_once
        self._received: set[str] = set()
        self._connection: AbstractConnection | None = None
        self._waiting: dict[str, asyncio.Future[Envelope]] = {}
        self._consumers: list[tuple[AbstractQueue, str]] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self, url: str, queues: Mapping[str, frozenset[str]]) -> None:
        """Connects and declares every queue of the system."""
        connection = await aio_pika.connect(url, timeout=10, heartbeat=_HEARTBEAT_S)
        self._connection = connection
        connection.close_callbacks.add(self._on_lost)
        # With confirms, for aiormq passes what was returned on to nobody without them.
        self._asking = await connection.channel(publisher_confirms=True, on_return_raises=True)
        self._telling = await connection.channel(publisher_confirms=True, on_return_raises=True)
        self._answering = await connection.channel(publisher_confirms=False)
        self._hearing = await connection.channel(publisher_confirms=False)
        for channel in (self._asking, self._telling, self._answering, self._hearing):
            # A channel that the broker closes alone (a queue declared otherwise) is as lost as all.
            channel.close_callbacks.add(self._on_lost)
            # So is a consumer that the broker ends, because somebody deleted its queue or a node left.
            (await channel.get_underlay_channel()).on_consumer_cancel_callbacks.add(self._on_lost)
        await self._answering.set_qos(prefetch_count=_PREFETCH_REQUESTS)
        await self._hearing.set_qos(prefetch_count=_PREFETCH_EVENTS)
        replies = await self._asking.get_queue(_REPLY_TO, ensure=False)
        await replies.consume(self._on_reply, no_ack=True)
        self._version = _version(connection)
        self._exchange = await declare(self._telling, queues, version=self._version)
        self._copy_queue: AbstractQueue | None = None
        self._copy_receivers: dict[str, list[Receiver]] = {}
        self.up = True

    def give_up(self) -> None:
        """Is lost from now on, whatever the broker says: the supervisor opens another."""
        self._on_lost()

    def _on_lost(self, *_: object) -> None:
        self.up = False
        self.lost.set()
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(ConnectionError("RabbitMQ went away"))

    async def stop_receiving(self) -> None:
        with contextlib.suppress(*_LOST):
            for queue, tag in self._consumers:
                await queue.cancel(tag)

    async def close(self) -> None:
        self.up = False
        for task in self._tasks:
            task.cancel()
        if self._connection is not None:
            with contextlib.suppress(*_LOST):
                async with asyncio.timeout(_CLOSE_WITHIN_S):
                    await self._connection.close()

    # --- requests ---

    async def request(self, envelope: Envelope, timeout_s: float) -> Envelope:
        correlation_id = uuid4().hex
        future: asyncio.Future[Envelope] = asyncio.get_running_loop().create_future()
        self._waiting[correlation_id] = future
        message = _message(
            envelope,
            correlation_id=correlation_id,
            reply_to=_REPLY_TO,
            expiration=timedelta(seconds=timeout_s),
        )
        try:
            async with asyncio.timeout(timeout_s):
                await self._asking.default_exchange.publish(
                    message, routing_key=_request_queue(envelope.wire_name), mandatory=True
                )
                return await future
        except PublishError:
            raise NobodyAnswers(envelope.wire_name) from None
        except (AMQPError, RuntimeError) as error:
            raise ConnectionError(type(error).__name__) from error
        finally:
            del self._waiting[correlation_id]

    async def _on_reply(self, message: AbstractIncomingMessage) -> None:
        future = self._waiting.get(message.correlation_id or "")
        if future is not None and not future.done():
            future.set_result(_envelope(message))

    async def answer(self, wire_name: str, begin: Begin) -> None:
        if self._is_received(f"request {wire_name}"):
            return
        # A durable queue cannot be declared while the node it lies on is away, a transient one moves to ours.
        # RabbitMQ refuses transient ones from 4.3 on: there, requests wait for that node.
        queue = await self._answering.declare_queue(
            _request_queue(wire_name), durable=self._version >= _NO_TRANSIENT_QUEUES, auto_delete=True
        )
        room = asyncio.Semaphore(self._requests_at_once)
        now = asyncio.get_running_loop().time

        async def receive(message: AbstractIncomingMessage) -> None:
            arrived_s = now()
            async with room:
                try:
                    await message.ack()
                except _LOST:
                    # It was handed to another copy, or its deadline passes.
                    return
                envelope = _envelope(message)
                left_ms = int(envelope.headers[TIMEOUT_MS]) - int((now() - arrived_s) * 1000)
                if left_ms <= 0:
                    log.warning("late_request_dropped", request=wire_name)
                    return
                late = replace(envelope, headers={**envelope.headers, TIMEOUT_MS: str(left_ms)})
                await self._reply(message, begin(late))

        self._consumers.append((queue, await queue.consume(receive)))

    def _is_received(self, what: str) -> bool:
        known = what in self._received
        self._received.add(what)
        return known

    async def _reply(self, message: AbstractIncomingMessage, answering: asyncio.Task[Envelope]) -> None:
        await asyncio.wait([answering])
        if not message.reply_to or answering.cancelled():
            return
        answer = answering.result()
        try:
            await self._answering.default_exchange.publish(
                _message(answer, correlation_id=message.correlation_id),
                routing_key=message.reply_to,
                # Whoever no longer waits needs no answer; returned, aiormq would log it with its body.
                mandatory=False,
            )
        except _LOST as error:
            # The caller's deadline passes; it asks again if it wants to.
            log.warning("answer_lost", request=message.type, why=type(error).__name__)

    # --- events ---

    async def publish(self, envelope: Envelope, *, mandatory: bool) -> None:
        try:
            await self._exchange.publish(
                _message(envelope, delivery_mode=DeliveryMode.PERSISTENT),
                routing_key=envelope.wire_name,
                mandatory=mandatory,
                timeout=_PUBLISH_TIMEOUT_S,
            )
        except DeliveryError as error:
            raise ConnectionError("returned or refused by the broker") from error

    async def hear(self, queue_name: str, store: Receiver) -> None:
        if self._is_received(f"queue {queue_name}"):
            return
        queue = await self._hearing.get_queue(queue_name)
        received: asyncio.Queue[AbstractIncomingMessage] = asyncio.Queue()
        self._start(_store_in_order(received, store))
        self._consumers.append((queue, await queue.consume(received.put)))

    async def hear_every_copy(self, wire_name: str, receivers: list[Receiver]) -> None:
        if self._copy_queue is None:
            self._copy_queue = await self._hearing.declare_queue(exclusive=True, auto_delete=True)
            self._copy_receivers = {}
            tag = await self._copy_queue.consume(self._on_copy, no_ack=True)
            self._consumers.append((self._copy_queue, tag))
        self._copy_receivers[wire_name] = receivers
        if self._is_received(f"copy {wire_name}"):
            return
        await self._copy_queue.bind(_EVENTS, wire_name)

    async def _on_copy(self, message: AbstractIncomingMessage) -> None:
        for receiver in self._copy_receivers.get(message.type or "", ()):
            await receiver(_envelope(message))

    async def depths(self, names: Iterable[str]) -> dict[str, Depth]:
        assert self._connection is not None  # noqa: S101 - live
        found: dict[str, Depth] = {}
        # A channel of its own: the broker closes it for a queue that somebody has deleted.
        async with asyncio.timeout(_OPEN_WITHIN_S), await self._connection.channel() as channel:
            for name in names:
                queue = await channel.declare_queue(name, passive=True)
                told = queue.declaration_result
                found[name] = Depth(told.message_count or 0, told.consumer_count or 0)
        return found

    def _start(self, work: Any) -> None:  # noqa: ANN401 - a coroutine
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _store_in_order(received: "asyncio.Queue[AbstractIncomingMessage]", store: Receiver) -> None:
    while True:
        message = await received.get()
        envelope = _envelope(message)
        while True:
            try:
                await store(envelope)
                break
            except Unavailable:
                # Not handed back to the broker, which would only hand it to us again at once.
                log.warning("event_waits_for_database", event_name=envelope.wire_name)
            except Exception:
                log.exception("event_not_stored", event_name=envelope.wire_name)
            await asyncio.sleep(_STORE_AGAIN_S)
        try:
            await message.ack()
        except _LOST:
            # It comes again and the inbox knows it already.
            return


def nodes_of(url: str) -> list[str]:
    """The addresses of a broker's nodes."""
    return url.split("|")


async def declare(
    channel: AbstractChannel, queues: Mapping[str, frozenset[str]], *, version: tuple[int, int]
) -> AbstractExchange:
    """Declares the exchange, and every durable queue with what it must get. Safe to repeat."""
    exchange = await channel.declare_exchange(_EVENTS, aio_pika.ExchangeType.TOPIC, durable=True)
    arguments: dict[str, Any] = {"x-queue-type": "quorum", "x-single-active-consumer": True}
    if version >= _DELIVERS_TWENTY_TIMES:
        arguments["x-delivery-limit"] = -1
    for name, wire_names in queues.items():
        queue = await channel.declare_queue(name, durable=True, arguments=arguments)
        for wire_name in sorted(wire_names):
            await queue.bind(exchange, wire_name)
    return exchange


async def declare_queues(url: str, queues: Mapping[str, frozenset[str]]) -> None:
    """What `turnosya migrate` does at the broker, through its first node."""
    connection = await aio_pika.connect(nodes_of(url)[0], timeout=10, heartbeat=_HEARTBEAT_S)
    async with connection:
        await declare(await connection.channel(), queues, version=_version(connection))


def _version(connection: AbstractConnection) -> tuple[int, int]:
    transport = connection.transport
    properties: Any = getattr(getattr(transport, "connection", None), "server_properties", {})
    version = properties.get("version", b"3.0") if isinstance(properties, dict) else b"3.0"  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
    text = version.decode() if isinstance(version, bytes) else str(version)  # pyright: ignore[reportUnknownArgumentType]
    major, minor, *_ = text.split(".")
    return int(major), int(minor)


def _request_queue(wire_name: str) -> str:
    return f"requests.{wire_name}"


def _message(envelope: Envelope, **properties: Any) -> aio_pika.Message:  # noqa: ANN401 - properties of AMQP
    return aio_pika.Message(
        envelope.body, headers=dict(envelope.headers), type=envelope.wire_name, **properties
    )


def _envelope(message: AbstractIncomingMessage) -> Envelope:
    headers = {
        name: value if isinstance(value, str) else str(value) for name, value in message.headers.items()
    }
    headers.setdefault(TIMEOUT_MS, "5000")
    return Envelope(message.type or "", message.body, headers)
