"""python-engineio's server with the bounds that it does not have (docs/decisions/0021).

Its sockets queue without an end for a reader who does not read, swallow malformed packets, wait for ever
for polls that never come, and answer a second poll beside the first. Here each of these closes the socket.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any, cast

import engineio
import structlog
from engineio import async_socket, exceptions, packet, payload
from engineio.exceptions import EngineIOError

from turnosya.services.chat.live import Packed

log = structlog.get_logger()

MAX_PACKET_BYTES = 64 * 1024
# A client that sends faster than it polls puts several into one body; whoever sends more has no need to.
MAX_PACKETS_A_POLL = 128
MAX_QUEUED_PACKETS, MAX_QUEUED_BYTES = 256, 1024 * 1024
PONG_WITHIN_S = 20

copy_name: ContextVar[str] = ContextVar("copy_name", default="")
"""What the gateway calls this copy of the service; it begins every id that is given on such a request."""

# The library logs what people write.
_silence = logging.getLogger("turnosya.silence")
_silence.addHandler(logging.NullHandler())
_silence.propagate = False
_silence.setLevel(logging.CRITICAL + 1)


class Engine(engineio.AsyncServer):
    """Engine.IO v4 over polling and WebSocket."""

    def __init__(self, *, ping_interval_s: int) -> None:
        super().__init__(
            async_mode="asgi",
            ping_interval=ping_interval_s,
            ping_timeout=PONG_WITHIN_S,
            max_http_buffer_size=MAX_PACKET_BYTES,
            http_compression=False,
            # The gateway decides on origins.
            cors_allowed_origins=[],
            logger=_silence,
            async_handlers=False,
        )

    def generate_id(self) -> str:
        """An id by which any gateway finds this copy again."""
        name, own = copy_name.get(), secrets.token_urlsafe(18)
        return f"{name}.{own}" if name else own

    def fence(self, engine_sid: str) -> Fenced:
        """The bounded socket with this id; called as soon as there is one."""
        # The library makes its sockets itself and offers no other way to have another kind.
        made = self.sockets[engine_sid]
        made.__class__ = Fenced
        return cast("Fenced", made)

    async def hand(self, engine_sid: str, said: Packed) -> bool:
        """Queues one packet of Socket.IO; whether the socket is still there and took it."""
        found = cast("dict[str, Fenced]", self.sockets).get(engine_sid)
        if found is None or found.closed:
            return False
        try:
            await found.send(cast("packet.Packet", said))
        except exceptions.EngineIOError:
            return False
        return not found.closed

    async def end(self, engine_sid: str, reason: str) -> None:
        """Closes a socket after what is queued for it."""
        found = cast("dict[str, Fenced]", self.sockets).pop(engine_sid, None)
        if found is not None:
            await found.close(reason=reason)


class _Polled(payload.Payload):
    max_decode_packets = MAX_PACKETS_A_POLL


class Fenced(async_socket.AsyncSocket):
    """One socket with bounds."""

    _queued_bytes = 0
    _is_polled = False
    _reading: asyncio.Task[Any] | None = None

    async def send(self, pkt: packet.Packet) -> None:
        """Queues a packet, or gives up a reader who does not read."""
        size = len(pkt.data) if isinstance(pkt.data, str | bytes) else 0
        if self.queue.qsize() >= MAX_QUEUED_PACKETS or self._queued_bytes + size > MAX_QUEUED_BYTES:
            if not self.closed and not self.closing:
                log.info("socket_ended", why="slow_consumer", queued=self.queue.qsize())
                await self._give_up("slow_consumer")
            raise exceptions.SocketIsClosedError
        self._queued_bytes += size
        await super().send(pkt)

    async def poll(self) -> list[packet.Packet]:
        """What is queued, as soon as there is something; nothing at the end.

        As the library's own, which makes a task for every packet that it waits for.
        """
        found: list[packet.Packet] = []
        try:
            said = self.queue.get_nowait()
        except asyncio.QueueEmpty:
            said = await self._waited_for()
        while said is not None:
            found.append(said)
            if self.queue.empty():
                break
            said = self.queue.get_nowait()
        if said is None and found:
            # The end stays for the next poll.
            self.queue.put_nowait(None)
        self._queued_bytes = 0
        return found

    async def _waited_for(self) -> packet.Packet | None:
        try:
            async with asyncio.timeout(self.server.ping_interval + self.server.ping_timeout):
                return await self.queue.get()
        except (TimeoutError, asyncio.CancelledError):
            raise exceptions.QueueEmpty from None

    async def close(self, wait: bool = True, abort: bool = False, reason: Any = None) -> None:  # noqa: ANN401, FBT001, FBT002 - the library's own signature
        """Never waits for a reader to take what is queued."""
        await super().close(wait=False, abort=abort, reason=reason)
        if not wait or abort:
            return
        # Ends the writer of a WebSocket after the last packet.
        await self.queue.put(None)

    async def handle_get_request(self, environ: Mapping[str, Any]) -> Any:  # noqa: ANN401 - the library's own
        """A poll, one at a time; or the handshake of a WebSocket."""
        if "websocket" in str(environ.get("HTTP_UPGRADE", "")).lower():
            return await super().handle_get_request(environ)
        if self._is_polled:
            raise EngineIOError
        self._is_polled = True
        try:
            return await super().handle_get_request(environ)
        finally:
            self._is_polled = False

    async def handle_post_request(self, environ: Mapping[str, Any]) -> None:
        """Packets in a body; anything that is none closes the socket."""
        body = await environ["wsgi.input"].read()
        if len(body) > MAX_PACKET_BYTES:
            raise exceptions.ContentTooLongError
        try:
            packets = _Polled(encoded_payload=body.decode("utf-8")).packets
        except (ValueError, KeyError, IndexError, RecursionError):
            raise EngineIOError from None
        for one in packets:
            await self.receive(one)

    async def receive(self, pkt: packet.Packet) -> None:
        """One packet of the client."""
        if pkt.packet_type not in {packet.CLOSE, packet.PONG, packet.MESSAGE, packet.UPGRADE}:
            await self._give_up("parse error")
            raise exceptions.SocketIsClosedError
        await super().receive(pkt)
        if self.closed:
            raise exceptions.SocketIsClosedError

    async def _websocket_handler(self, ws: async_socket.WebSocket) -> None:
        self._reading = asyncio.current_task()
        try:
            await super()._websocket_handler(ws)
        except (ValueError, IndexError, OSError, EngineIOError, RecursionError):
            await self._give_up("parse error")
            await ws.close()

    async def _give_up(self, reason: str) -> None:
        await super().close(wait=False, abort=True, reason=reason)
        reading = self._reading
        if reading is not None and reading is not asyncio.current_task():
            # Its writer waits for somebody who does not read.
            reading.cancel()
        else:
            await self.queue.put(None)
