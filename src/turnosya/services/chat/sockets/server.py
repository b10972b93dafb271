"""Socket.IO v5 on the fenced Engine.IO: one namespace, packets of python-socketio, our own dispatch.

Events of a socket are worked on one after the other, in the order in which they came. Whoever breaks the
protocol loses this one connection.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import engineio
import structlog
from socketio import packet
from starlette.types import Receive, Scope, Send

from turnosya.runtime.identity import Caller, TokenInvalid, TokenMissing
from turnosya.runtime.messages import ServiceError
from turnosya.runtime.problems import language_of, said_in
from turnosya.runtime.spans import Kind, Span, enter
from turnosya.services.chat import showing
from turnosya.services.chat.sockets import events
from turnosya.services.chat.sockets.connection import Connection
from turnosya.services.chat.sockets.engine import Engine, copy_name

if TYPE_CHECKING:
    from turnosya.services.chat.context import Chat

log = structlog.get_logger()

COPY = b"x-internal-copy"
_NAME = re.compile(rb"[0-9a-f]{8}")
_UPGRADE = ((b"upgrade", b"websocket"), (b"connection", b"upgrade"))
_ATTACHMENTS = 8
# Names that Socket.IO keeps for itself; nobody may send them as events.
_RESERVED = frozenset(
    {"connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"}
)


class Broken(Exception):
    """The client does not keep to the protocol."""


class SocketServer:
    """The ASGI application under ``/socket.io``."""

    def __init__(self, chat: Chat) -> None:
        self._chat = chat
        chat.live.close_after = self.close
        self.engine = Engine(ping_interval_s=chat.settings.chat_ping_s)
        self.engine.on("connect", self._came)
        self.engine.on("message", self._said)
        self.engine.on("disconnect", self._went)
        self._connections: dict[str, Connection] = {}
        self._app = engineio.ASGIApp(self.engine, engineio_path="socket.io")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request or WebSocket."""
        if scope["type"] == "websocket":
            # The library looks for what a proxy, and ours too, takes off.
            others = [one for one in scope["headers"] if one[0].lower() not in dict(_UPGRADE)]
            scope = {**scope, "headers": [*others, *_UPGRADE]}
        name = next((value for key, value in scope["headers"] if key.lower() == COPY), b"")
        token = copy_name.set(name.decode() if _NAME.fullmatch(name) else "")
        try:
            await self._app(scope, receive, send)
        finally:
            copy_name.reset(token)

    async def close(self) -> None:
        """Ends the library's own task; the sockets have been ended before."""
        await self.engine.shutdown()

    # --- what Engine.IO tells

    async def _came(self, engine_sid: str, environ: Mapping[str, Any]) -> None:
        self.engine.fence(engine_sid)
        language = language_of(environ.get("HTTP_ACCEPT_LANGUAGE"))
        connection = Connection(self.engine, engine_sid, language, verify=self._verified)
        # A gateway before us lets nothing through but `Bearer`.
        connection.opened_with = environ.get("HTTP_AUTHORIZATION")
        connection.close_after(self._chat.settings.chat_connect_within_s)
        self._connections[engine_sid] = connection

    async def _went(self, engine_sid: str, _reason: object) -> None:
        connection = self._connections.pop(engine_sid, None)
        if connection is not None:
            connection.forget_timers()
            if connection.is_connected:
                self._chat.live.leave(connection)

    async def _said(self, engine_sid: str, said: str | bytes) -> None:
        connection = self._connections.get(engine_sid)
        if connection is None:
            return
        try:
            await self._take(connection, said)
        except (Broken, ValueError, KeyError, IndexError, TypeError, RecursionError):
            log.info("socket_ended", why="parse error")
            await self.engine.end(engine_sid, "parse error")
        except Exception:
            # The library would swallow it, and the client wait for ever.
            log.exception("socket_failed")
            await self.engine.end(engine_sid, "server error")

    async def _take(self, connection: Connection, said: str | bytes) -> None:
        if connection.pending is not None:
            if isinstance(said, str):
                raise Broken
            if not connection.pending.add_attachment(said):
                return
            whole, connection.pending = connection.pending, None
        else:
            if not isinstance(said, str) or not connection.takes_a_packet():
                raise Broken
            whole = packet.Packet(encoded_packet=said)
            if whole.attachment_count:
                self._await_attachments(connection, whole)
                return
        await self._carry_out(connection, whole)

    def _await_attachments(self, connection: Connection, begun: packet.Packet) -> None:
        if begun.attachment_count > _ATTACHMENTS or not connection.is_connected:
            raise Broken
        connection.pending = begun
        connection.close_after(self._chat.settings.chat_connect_within_s)

    async def _carry_out(self, connection: Connection, said: packet.Packet) -> None:
        match said.packet_type:
            case packet.CONNECT:
                await self._connect(connection, said)
            case packet.DISCONNECT:
                await self.engine.end(connection.engine_sid, "client disconnect")
            case packet.EVENT | packet.BINARY_EVENT:
                await self._event(connection, said)
            case packet.ACK | packet.BINARY_ACK:
                if not isinstance(said.data, list) or said.id is None:
                    raise Broken
            case _:
                raise Broken

    # --- what Socket.IO tells

    async def _connect(self, connection: Connection, said: packet.Packet) -> None:
        if said.namespace not in (None, "/"):
            await connection.say(
                packet.Packet(
                    packet.CONNECT_ERROR, data={"message": "Invalid namespace"}, namespace=said.namespace
                )
            )
            return
        is_well_formed = said.data is None or isinstance(said.data, dict)
        if connection.is_connected or not is_well_formed or not connection.may_try_to_connect():
            raise Broken
        auth, header = cast("dict[str, Any]", said.data or {}), connection.opened_with
        if auth.get("token") is None and header is not None:
            auth = {"token": header.partition(" ")[2]}
        try:
            connection.belongs_to(await self._verified(auth))
            # Shown what comes before it is told that it is in: nothing falls between the two.
            await showing.begin(self._chat, connection)
        except ServiceError as refusal:
            self._chat.live.leave(connection)
            data = {"message": said_in(refusal.says, connection.language), "data": {"code": refusal.code}}
            await connection.say(packet.Packet(packet.CONNECT_ERROR, data=data))
            return
        if connection.engine_sid not in self._connections:
            self._chat.live.leave(connection)
            return
        connection.is_connected = True
        sid = {"sid": self.engine.generate_id()}
        await connection.say(packet.Packet(packet.CONNECT, data=sid))

    async def _verified(self, auth: Mapping[str, Any]) -> Caller:
        """Who this proves somebody to be. Raises the refusal that says why it does not."""
        token = auth.get("token")
        if token is None:
            raise TokenMissing
        if not isinstance(token, str):
            raise TokenInvalid
        caller = await self._chat.tokens.verify(token.removeprefix("Bearer ").strip())
        await self._chat.access.check(caller)
        return caller

    async def _event(self, connection: Connection, said: packet.Packet) -> None:
        if not connection.is_connected or said.namespace not in (None, "/"):
            raise Broken
        data = cast("Any", said.data)
        if not isinstance(data, list) or not data or not isinstance(data[0], str) or data[0] in _RESERVED:
            raise Broken
        name, *arguments = data  # pyright: ignore[reportUnknownVariableType] - any JSON
        # Each is a request of its own: its socket may be hours old. What it is called is whatever one types.
        with Span(enter(None, None), "chat", Kind.SERVER, events.name_of(name)):  # pyright: ignore[reportUnknownArgumentType]
            answer = await events.answer(self._chat, connection, name, arguments)  # pyright: ignore[reportUnknownArgumentType]
        if said.id is not None:
            await connection.say(packet.Packet(packet.ACK, data=[answer], id=said.id))
