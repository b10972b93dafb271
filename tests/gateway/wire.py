"""A real listener on a free port, and a client that speaks bytes."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.server import ServerState

from turnosya.services.gateway.doorway import Doorway, WireLimits
from turnosya.services.gateway.hygiene import Outwards
from turnosya.services.gateway.listener import ListenerConfig

PLAIN = Outwards(cors_origins=frozenset(), https_only=False)


@asynccontextmanager
async def running(config: uvicorn.Config) -> AsyncGenerator[int]:
    """Serves ``config`` on a free port of 127.0.0.1 until the block ends; then all connections are cut."""
    config.load()
    state = ServerState()
    loop = asyncio.get_running_loop()

    def connection() -> asyncio.Protocol:
        return config.http_protocol_class(config=config, server_state=state, app_state={})  # type: ignore[call-arg]

    server = await loop.create_server(connection, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for held in list(state.connections):
            held.transport.abort()
        for task in list(state.tasks):
            task.cancel()
        await asyncio.gather(*state.tasks, return_exceptions=True)


@asynccontextmanager
async def listening(
    app: ASGIApp, limits: WireLimits | None = None, outwards: Outwards = PLAIN
) -> AsyncGenerator[int]:
    """The gateway's listener in front of ``app``."""
    doorway = Doorway(limits or WireLimits(), outwards)
    async with running(ListenerConfig(app, doorway)) as port:
        yield port


@dataclass
class Heard:
    """One answer as it came."""

    status: int
    headers: dict[str, str]
    body: bytes

    def problem(self) -> dict[str, Any]:
        """Its problem document."""
        assert self.headers["content-type"] == "application/problem+json"
        document: dict[str, Any] = json.loads(self.body)
        assert document["status"] == self.status
        assert document["request_id"] == self.headers["x-request-id"]
        return document


class Line:
    """A connection on which a test writes bytes and reads answers."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def say(self, raw: bytes) -> None:
        """Writes bytes as they are."""
        self.writer.write(raw)

    async def hear(self, *, head: bool = False) -> Heard:
        """Reads one answer with a Content-Length or in chunks."""
        top = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers: dict[str, str] = {}
        for line in top[1:-2]:
            name, _, value = line.partition(": ")
            headers[name.lower()] = value
        status = int(top[0].split()[1])
        body = b""
        if not head and status not in (100, 204, 304):
            if headers.get("transfer-encoding") == "chunked":
                while size := int(await self.reader.readline(), 16):
                    body += await self.reader.readexactly(size)
                    await self.reader.readline()
                await self.reader.readline()
            else:
                body = await self.reader.readexactly(int(headers["content-length"]))
        return Heard(status, headers, body)

    async def is_closed(self) -> bool:
        """Whether nothing more comes."""
        try:
            return await self.reader.read(1) == b""
        except ConnectionResetError:
            return True


@asynccontextmanager
async def line(port: int) -> AsyncGenerator[Line]:
    """A connection to 127.0.0.1."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Line(reader, writer)
    finally:
        writer.close()


async def ask(port: int, raw: bytes, *, head: bool = False) -> Heard:
    """The answer to one request on a connection of its own."""
    async with line(port) as connection:
        connection.say(raw)
        return await connection.hear(head=head)


async def body_of(receive: Receive) -> bytes:
    """A whole request body."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionResetError
        body += message.get("body", b"")
        if not message.get("more_body", False):
            return bytes(body)


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers what it was asked, as JSON."""
    body = await body_of(receive)
    said = json.dumps(
        {
            "method": scope["method"],
            "raw_path": scope["raw_path"].decode(),
            "query": scope["query_string"].decode(),
            "headers": [[name.decode(), value.decode("latin-1")] for name, value in scope["headers"]],
            "body_bytes": len(body),
            "body": body[:200].decode("latin-1"),
        }
    ).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(said))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": said})
