"""The listener and WebSockets: their handshake, their size, their place among the connections."""

import asyncio
import socket

import pytest
import websockets
from starlette.types import Receive, Scope, Send

from tests.gateway.wire import ask, echo, line, listening
from turnosya.services.gateway.doorway import WireLimits

HOST = b"Host: api.test\r\n"


def get(target: bytes, fields: bytes = b"") -> bytes:
    return b"GET " + target + b" HTTP/1.1\r\n" + HOST + fields + b"\r\n"


async def test_a_websocket_keeps_its_raw_path_and_frees_its_place() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await echo(scope, receive, send)
            return
        await receive()
        await send({"type": "websocket.accept"})
        await send(
            {
                "type": "websocket.send",
                "text": scope["raw_path"].decode() + "?" + scope["query_string"].decode(),
            }
        )
        message = await receive()
        await send({"type": "websocket.send", "text": message["text"].upper()})

    async with listening(app, WireLimits(connections_per_address=1)) as port:
        async with websockets.connect(f"ws://127.0.0.1:{port}/socket.io/caf%C3%A9?EIO=4") as sock:
            assert await sock.recv() == "/socket.io/caf%C3%A9?EIO=4"
            await sock.send("hola")
            assert await sock.recv() == "HOLA"
            await sock.wait_closed()
        assert (await ask(port, get(b"/"))).status == 200


async def test_a_websocket_target_with_two_readings_is_malformed() -> None:
    async with listening(echo) as port:
        upgrade = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        assert (await ask(port, get(b"/socket.io/%2e%2e/internal", upgrade))).status == 400


@pytest.mark.parametrize(
    "fields",
    [
        b"Sec-WebSocket-Version: 13\r\n",
        b"Sec-WebSocket-Key: short\r\nSec-WebSocket-Version: 13\r\n",
        b"Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n",
        b"Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nSec-WebSocket-Version: 8\r\n",
        b"Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n" * 2 + b"Sec-WebSocket-Version: 13\r\n",
        b"Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nSec-WebSocket-Version: 13\r\nContent-Length: 2\r\n",
    ],
)
async def test_a_broken_websocket_handshake_is_answered_with_a_problem(fields: bytes) -> None:
    async with listening(echo) as port, line(port) as connection:
        connection.say(get(b"/socket.io/", b"Connection: Upgrade\r\nUpgrade: websocket\r\n" + fields))
        assert (await connection.hear()).problem()["code"] == "malformed_request"
        assert await connection.is_closed()


async def test_a_websocket_message_has_a_largest_size_and_a_largest_number_of_fragments() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        while (await receive())["type"] == "websocket.receive":
            pass

    limits = WireLimits(socket_message_bytes=1000, socket_fragments=10)
    async with listening(app, limits) as port:
        for message in ("a" * 1001, ["a"] * 12):
            async with websockets.connect(f"ws://127.0.0.1:{port}/socket.io/") as sock:
                await sock.send(message)
                await sock.wait_closed()
                assert sock.close_code == 1009


async def test_a_socket_whose_client_never_reads_is_cut_off() -> None:
    gone = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        try:
            for _ in range(200):
                await send({"type": "websocket.send", "bytes": b"x" * 100_000})
        except OSError:
            gone.set()

    async with listening(app, WireLimits(reader_check_s=0.05)) as port:
        with socket.create_connection(("127.0.0.1", port)) as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            key = b"Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nSec-WebSocket-Version: 13\r\n"
            deaf.sendall(get(b"/socket.io/", b"Connection: Upgrade\r\nUpgrade: websocket\r\n" + key))
            await asyncio.wait_for(gone.wait(), 5)
