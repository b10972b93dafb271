"""Messages within one process: encoded and decoded all the same, each handled in a task of its own."""

import asyncio
import contextvars
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace

from turnosya.runtime.bus import TIMEOUT_MS, Depth, Envelope, NobodyAnswers, Undelivered

Begin = Callable[[Envelope], asyncio.Task[Envelope]]
Receiver = Callable[[Envelope], Awaitable[None]]
REQUESTS_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class _Answerer:
    begin: Begin
    room: asyncio.Semaphore


class MemoryTransport:
    """Carries envelopes between the services of this process.

    ``queues`` says which durable queues must get which events, so that one whose service has not
    opened yet makes the delivery fail and be repeated, as it would wait in RabbitMQ.
    """

    def __init__(
        self, queues: Mapping[str, frozenset[str]], *, requests_at_once: int = REQUESTS_AT_ONCE
    ) -> None:
        self._queues = queues
        self._requests_at_once = requests_at_once
        self._answers: dict[str, list[_Answerer]] = defaultdict(list)
        self._stores: dict[str, list[Receiver]] = defaultdict(list)
        self._copies: dict[str, list[Receiver]] = defaultdict(list)
        self._tasks: set[asyncio.Task[None]] = set()
        self.healthy = False

    async def open(self) -> None:
        """Begins to carry."""
        self.healthy = True

    async def stop_receiving(self) -> None:
        """Nothing to do: what is asked within one process comes from work that is let end."""

    async def close(self) -> None:
        """Ends carrying; what is under way is let go."""
        self.healthy = False
        self._answers.clear()
        self._stores.clear()
        self._copies.clear()
        for task in self._tasks:
            task.cancel()

    async def request(self, envelope: Envelope, *, timeout_s: float) -> Envelope:
        """The answer of the next copy in turn."""
        answerers = self._answers.get(envelope.wire_name)
        if not answerers:
            raise NobodyAnswers(envelope.wire_name)
        # The next in turn that has room, else the next.
        answerer = next((one for one in answerers if not one.room.locked()), answerers[0])
        answerers.remove(answerer)
        answerers.append(answerer)
        now = asyncio.get_running_loop().time
        async with asyncio.timeout_at(now() + timeout_s) as waiting:
            if answerer.room.locked():
                await answerer.room.acquire()
                left_ms = int(((waiting.when() or 0) - now()) * 1000)
                envelope = replace(envelope, headers={**envelope.headers, TIMEOUT_MS: str(left_ms)})
            else:
                await answerer.room.acquire()
            task = answerer.begin(envelope)
            task.add_done_callback(lambda _: answerer.room.release())
            try:
                return await asyncio.shield(task)
            except asyncio.CancelledError:
                if task.cancelled():
                    raise ConnectionError("stopped before it answered") from None
                raise

    async def answer(self, wire_name: str, begin: Begin) -> None:
        """Answers requests with this wire name, in turn with other copies."""
        self._answers[wire_name].append(_Answerer(begin, asyncio.Semaphore(self._requests_at_once)))

    async def publish(self, envelope: Envelope) -> None:
        """Stores the event with every hearing service, then tells every copy."""
        for queue, wire_names in self._queues.items():
            if envelope.wire_name in wire_names:
                stores = self._stores.get(queue)
                if not stores:
                    raise Undelivered(f"{envelope.wire_name}: {queue} is not open")
                try:
                    # In a task of its own: nothing of the one who tells reaches the one who hears.
                    await self._start(stores[0], envelope)
                except Exception as error:
                    raise Undelivered(f"{envelope.wire_name}: {queue} could not store it") from error
        for receiver in self._copies.get(envelope.wire_name, ()):
            self._start(receiver, envelope)

    def _start(self, receiver: Receiver, envelope: Envelope) -> asyncio.Task[None]:
        async def run() -> None:
            await receiver(envelope)

        task = asyncio.get_running_loop().create_task(run(), context=contextvars.Context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def hear(self, queue: str, store: Receiver) -> None:
        """The first that hears a queue stores for all; the next takes over when it is gone."""
        self._stores[queue].append(store)

    async def depths(self) -> Mapping[str, Depth]:
        """Nothing waits here: what a hearer has not stored stays with the one who tells."""
        return {queue: Depth(0, len(self._stores.get(queue, ()))) for queue in self._queues}

    async def hear_every_copy(self, wire_name: str, handler: Receiver) -> None:
        """Every handler gets every such event."""
        self._copies[wire_name].append(handler)
