"""What only the hand-over over HTTP can meet: several copies, copies that are gone, connections that die."""

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

import pytest
import websockets

from tests.gateway.door import Door, answers, get, serving
from tests.gateway.wire import Heard, ask, listening
from turnosya.services.gateway.over_http import OverHttp


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


async def through(urls: list[str], times: int = 1) -> list[Heard]:
    hand_over = OverHttp(urls, timeout_s=5, rest_s=60)
    async with listening(Door(hand_over, [])) as port:
        heard = [await ask(port, get()) for _ in range(times)]
    await hand_over.close()
    return heard


async def test_a_service_that_is_gone_is_unavailable() -> None:
    heard = (await through([f"http://127.0.0.1:{free_port()}"]))[0]
    assert (heard.status, heard.problem()["code"]) == (503, "service_unavailable")
    assert int(heard.headers["retry-after"]) > 0


async def test_a_socket_to_a_service_that_is_gone_is_unavailable() -> None:
    hand_over = OverHttp([f"http://127.0.0.1:{free_port()}"], timeout_s=5)
    async with listening(Door(hand_over, [])) as port:
        with pytest.raises(websockets.InvalidStatus) as refused:
            await websockets.connect(f"ws://127.0.0.1:{port}/socket.io")
    await hand_over.close()
    assert refused.value.response.status_code == 503


async def test_copies_take_turns_and_one_that_is_gone_is_passed_over() -> None:
    async with serving(answers(200, [], b"one")) as one, serving(answers(200, [], b"two")) as two:
        gone = free_port()
        heard = await through([f"http://127.0.0.1:{port}" for port in (one, gone, two)], times=9)
    assert {h.body for h in heard} == {b"one", b"two"}
    assert all(h.status == 200 for h in heard)


@asynccontextmanager
async def dying() -> AsyncGenerator[tuple[int, list[bytes]]]:
    """A service that answers the first request of a connection and dies at the second; what it was asked."""
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError):
            asked.append((await reader.readuntil(b"\r\n\r\n")).split(b" ")[0])
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            asked.append((await reader.readuntil(b"\r\n\r\n")).split(b" ")[0])
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1], asked
    server.close()


@pytest.mark.parametrize("body", [b"", b"{}"])
@pytest.mark.parametrize("method", [b"POST", b"PATCH"])
async def test_what_is_not_idempotent_is_never_sent_twice(method: bytes, body: bytes) -> None:
    async with dying() as (port, asked):
        hand_over = OverHttp([f"http://127.0.0.1:{port}"] * 2, timeout_s=5)
        async with listening(Door(hand_over, [])) as front:
            assert (await ask(front, get())).status == 200
            raw = b"%s /v1/x HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s" % (method, len(body), body)
            heard = await ask(front, raw)
        await hand_over.close()
    assert heard.problem()["code"] == "service_unavailable"
    assert asked == [b"GET", method]


async def test_a_get_on_a_connection_that_has_just_died_gets_another() -> None:
    async with dying() as (port, asked):
        hand_over = OverHttp([f"http://127.0.0.1:{port}"], timeout_s=5)
        async with listening(Door(hand_over, [])) as front:
            assert [(await ask(front, get())).status for _ in range(2)] == [200, 200]
        await hand_over.close()
    assert asked == [b"GET", b"GET", b"GET"]


async def test_a_service_that_dies_before_it_answers_is_unavailable() -> None:
    async def die(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(die, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    post = b"POST /v1/x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}"
    hand_over = OverHttp([f"http://127.0.0.1:{port}"], timeout_s=5)
    async with listening(Door(hand_over, [])) as front:
        assert (await ask(front, post)).problem()["code"] == "service_unavailable"
    await hand_over.close()
    server.close()
