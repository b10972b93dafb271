"""What both hand-overs promise, each test once in process and once over HTTP."""

import asyncio
import json
from contextlib import suppress

import pytest
import websockets
from starlette.types import Receive, Scope, Send
from structlog.testing import capture_logs

from tests.gateway.door import TIMEOUT_S, OpenDoor, answers, get
from tests.gateway.wire import ask, body_of, echo, line


async def test_path_query_and_headers_arrive_as_they_were_sent(door: OpenDoor) -> None:
    async with door(echo) as (port, _):
        heard = await ask(port, get(b"/v1/caf%C3%A9/%7Ea?q=a%2Fb+c&x=%C3%B1&empty="))
    said = json.loads(heard.body)
    assert said["raw_path"] == "/v1/caf%C3%A9/%7Ea"
    assert said["query"] == "q=a%2Fb+c&x=%C3%B1&empty="
    assert dict(said["headers"])["host"] == "api.test"
    assert "user-agent" not in dict(said["headers"])


@pytest.mark.parametrize("size", [0, 1, 100_000, 900_000])
async def test_a_body_arrives_whole(door: OpenDoor, size: int) -> None:
    async with door(echo) as (port, _):
        raw = b"POST /v1/x HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size + b"a" * size
        said = json.loads((await ask(port, raw)).body)
    assert said["body_bytes"] == size


async def test_white_space_around_a_value_is_no_part_of_it(door: OpenDoor) -> None:
    # RFC 9110 §5.5. The parser drops only what stands before it; aiohttp refused to send such a length on.
    raw = b"POST /v1/x HTTP/1.1\r\nHost: a \r\nContent-Length: 2 \r\nIdempotency-Key: \t one \t\r\n\r\n{}"
    async with door(echo) as (port, _):
        heard = await ask(port, raw)
    said = json.loads(heard.body)
    assert (heard.status, said["body"]) == (200, "{}")
    assert dict(said["headers"])["idempotency-key"] == "one"


async def test_a_chunked_body_arrives_part_by_part(door: OpenDoor) -> None:
    got: asyncio.Queue[bytes] = asyncio.Queue()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        message = await receive()
        while message.get("more_body"):
            if message["body"]:
                got.put_nowait(message["body"])
            message = await receive()
        await answers(200, [], b"done")(scope, receive, send)

    async with door(app) as (port, _), line(port) as connection:
        connection.say(b"POST /v1/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        for part in (b"one", b"two"):
            connection.say(b"3\r\n" + part + b"\r\n")
            assert await asyncio.wait_for(got.get(), 5) == part
        connection.say(b"0\r\n\r\n")
        assert (await connection.hear()).body == b"done"


async def test_a_slow_client_does_not_make_the_service_late(door: OpenDoor) -> None:
    async with door(echo, timeout_s=TIMEOUT_S) as (port, _), line(port) as connection:
        connection.say(b"POST /v1/x HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc")
        hearing = asyncio.create_task(connection.hear())
        await asyncio.wait({hearing}, timeout=2 * TIMEOUT_S)
        assert not hearing.done()
        connection.say(b"def")
        assert json.loads((await hearing).body)["body"] == "abcdef"


@pytest.mark.parametrize("status", [200, 201, 204, 304, 400, 401, 404, 409, 422, 429, 500, 503])
async def test_every_status_passes_as_it_is(door: OpenDoor, status: int) -> None:
    body = b"" if status in (204, 304) else b'{"code":"as_it_is"}'
    async with door(
        answers(status, [(b"content-type", b"application/problem+json"), (b"retry-after", b"7")], body)
    ) as (port, _):
        heard = await ask(port, get())
    assert (heard.status, heard.body) == (status, body)
    assert heard.headers["retry-after"] == "7"


async def test_head_has_headers_and_no_body(door: OpenDoor) -> None:
    async with door(answers(200, [(b"etag", b'"a"')], b"x" * 100)) as (port, _), line(port) as connection:
        for _ in range(2):
            connection.say(b"HEAD /v1/x HTTP/1.1\r\nHost: a\r\n\r\n")
            heard = await connection.hear(head=True)
            assert (heard.status, heard.headers["content-length"], heard.headers["etag"]) == (
                200,
                "100",
                '"a"',
            )


async def test_a_large_answer_comes_whole(door: OpenDoor) -> None:
    async with door(answers(200, [], b"x" * 3_000_000)) as (port, _):
        assert len((await ask(port, get())).body) == 3_000_000


async def test_a_stream_comes_as_it_is_made_and_has_no_deadline(door: OpenDoor) -> None:
    release = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [(b"content-type", b"text/event-stream")],
            }
        )
        await send({"type": "http.response.body", "body": b"data: 1\n\n", "more_body": True})
        await release.wait()
        await send({"type": "http.response.body", "body": b"data: 2\n\n"})

    async with door(app, timeout_s=TIMEOUT_S) as (port, _), line(port) as connection:
        connection.say(get())
        head = await connection.reader.readuntil(b"data: 1\n\n")
        assert b"text/event-stream" in head
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(release.wait()), 2 * TIMEOUT_S)
        release.set()
        await connection.reader.readuntil(b"data: 2\n\n")


async def test_a_client_that_hangs_up_is_noticed_by_the_service(door: OpenDoor) -> None:
    noticed = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await body_of(receive)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"first", "more_body": True})
        assert (await receive())["type"] == "http.disconnect"
        noticed.set()

    async with door(app) as (port, _):
        async with line(port) as connection:
            connection.say(get())
            await connection.reader.readuntil(b"first")
        await asyncio.wait_for(noticed.wait(), 5)


async def test_a_slow_service_is_a_time_out_and_its_work_goes_on(door: OpenDoor) -> None:
    finished = asyncio.Event()
    release = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await release.wait()
        await answers(200, [], b"late")(scope, receive, send)
        finished.set()

    async with door(app, timeout_s=TIMEOUT_S) as (port, _), line(port) as connection:
        connection.say(get())
        heard = await connection.hear()
        assert (heard.status, heard.problem()["code"]) == (504, "service_timeout")
        release.set()
        await asyncio.wait_for(finished.wait(), 5)


async def test_a_service_that_fails_says_nothing_about_itself(door: OpenDoor) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise RuntimeError("postgresql://secret@db")

    async with door(app) as (port, _):
        heard = await ask(port, get())
    assert heard.status == 500
    assert b"secret" not in heard.body


async def test_a_service_that_fails_in_its_answer_breaks_it_off(door: OpenDoor) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"begun", "more_body": True})
        raise RuntimeError

    async with door(app) as (port, _), line(port) as connection:
        connection.say(get())
        await connection.reader.readuntil(b"begun")
        assert not (await connection.reader.read()).endswith(b"0\r\n\r\n")


async def test_inner_headers_end_here_and_take_effect_first(door: OpenDoor) -> None:
    headers = [(b"X-Internal-Access-Ended", b'{"a":1}'), (b"X-Internal-Other", b"b"), (b"Server", b"secret")]
    async with door(answers(200, headers, b"ok")) as (port, front):
        heard = await ask(port, get())
        assert front.ended == [b'{"a":1}']
    assert not [name for name in heard.headers if name.startswith("x-internal") or name == "server"]


async def test_a_websocket_is_carried_both_ways(door: OpenDoor) -> None:
    closed: asyncio.Queue[int] = asyncio.Queue()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert (await receive())["type"] == "websocket.connect"
        await send({"type": "websocket.accept", "subprotocol": scope["subprotocols"][0]})
        await send(
            {
                "type": "websocket.send",
                "text": scope["raw_path"].decode() + "?" + scope["query_string"].decode(),
            }
        )
        while (message := await receive())["type"] == "websocket.receive":
            if message.get("text") is not None:
                await send({"type": "websocket.send", "text": message["text"].upper()})
            else:
                await send({"type": "websocket.send", "bytes": message["bytes"][::-1]})
        closed.put_nowait(message["code"])

    async with door(app) as (port, _):
        uri = f"ws://127.0.0.1:{port}/socket.io/%7E?EIO=4"
        async with websockets.connect(uri, subprotocols=[websockets.Subprotocol("one")]) as sock:
            assert sock.subprotocol == "one"
            assert await sock.recv() == "/socket.io/%7E?EIO=4"
            await sock.send("hola")
            assert await sock.recv() == "HOLA"
            await sock.send(b"abc")
            assert await sock.recv() == b"cba"
            await sock.close(4001)
        assert await asyncio.wait_for(closed.get(), 5) == 4001


async def test_a_websocket_that_the_service_closes_is_closed_with_its_code(door: OpenDoor) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close", "code": 4009, "reason": "slow_consumer"})

    async with door(app) as (port, _), websockets.connect(f"ws://127.0.0.1:{port}/socket.io") as sock:
        with pytest.raises(websockets.ConnectionClosed):
            await sock.recv()
        assert sock.close_code == 4009


async def test_a_refused_websocket_shows_the_services_problem(door: OpenDoor) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        headers = [(b"content-type", b"application/problem+json"), (b"content-length", b"2")]
        await send({"type": "websocket.http.response.start", "status": 409, "headers": headers})
        await send({"type": "websocket.http.response.body", "body": b"{}"})

    async with door(app) as (port, _):
        with pytest.raises(websockets.InvalidStatus) as refused:
            await websockets.connect(f"ws://127.0.0.1:{port}/socket.io")
    assert refused.value.response.status_code == 409
    assert refused.value.response.body == b"{}"


async def test_a_field_that_is_not_ascii_arrives_with_the_same_bytes(door: OpenDoor) -> None:
    seen: list[bytes] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(dict(scope["headers"])[b"user-agent"])
        await answers(200, [], b"ok")(scope, receive, send)

    agent = "TurnosYá/1.0 (ñ; 🙂)".encode()
    async with door(app) as (port, _):
        heard = await ask(port, b"GET /v1/x HTTP/1.1\r\nHost: a\r\nUser-Agent: " + agent + b"\r\n\r\n")
    assert heard.status == 200
    assert seen == [agent]


async def test_an_answer_that_does_not_wait_for_the_body_comes_at_once(door: OpenDoor) -> None:
    async with door(answers(401, [], b"no")) as (port, _), line(port) as connection:
        connection.say(b"POST /v1/x HTTP/1.1\r\nHost: a\r\nContent-Length: 500000\r\n\r\n" + b"a" * 1000)
        assert (await connection.hear()).status == 401


async def test_both_sides_may_speak_for_longer_than_the_deadline(door: OpenDoor) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while (message := await receive()).get("more_body"):
            if message["body"]:
                await send({"type": "http.response.body", "body": message["body"], "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async with door(app, timeout_s=TIMEOUT_S) as (port, _), line(port) as connection:
        connection.say(b"POST /v1/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        for part in (b"one", b"two"):
            connection.say(b"3\r\n" + part + b"\r\n")
            await connection.reader.readuntil(part)
            silence = asyncio.create_task(connection.reader.readuntil(b"never"))
            await asyncio.wait({silence}, timeout=2 * TIMEOUT_S)
            silence.cancel()
            await asyncio.gather(silence, return_exceptions=True)
        connection.say(b"0\r\n\r\n")
        assert (await connection.reader.readuntil(b"0\r\n\r\n")).endswith(b"0\r\n\r\n")


async def test_a_304_may_say_how_long_the_body_would_be(door: OpenDoor) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"etag", b'"a"'), (b"content-length", b"1234")]
        await send({"type": "http.response.start", "status": 304, "headers": headers})
        # uvicorn itself would not send this body, so in its place there is none.
        with suppress(RuntimeError):
            await send({"type": "http.response.body", "body": b""})

    async with door(app) as (port, _):
        heard = await ask(port, get())
    assert (heard.status, heard.headers["etag"]) == (304, '"a"')


async def test_a_socket_that_the_service_does_not_accept_in_time_is_a_time_out(door: OpenDoor) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        assert (await receive())["type"] == "websocket.disconnect"

    async with door(app, timeout_s=TIMEOUT_S) as (port, _):
        with pytest.raises(websockets.InvalidStatus) as refused:
            await websockets.connect(f"ws://127.0.0.1:{port}/socket.io")
    assert refused.value.response.status_code == 504


async def test_a_socket_whose_client_vanishes_is_noticed_by_the_service(door: OpenDoor) -> None:
    gone = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        while (await receive())["type"] != "websocket.disconnect":
            pass
        gone.set()

    async with door(app) as (port, _):
        sock = await websockets.connect(f"ws://127.0.0.1:{port}/socket.io")
        sock.transport.abort()
        await asyncio.wait_for(gone.wait(), 5)


async def test_a_socket_whose_client_vanishes_in_its_handshake_is_not_kept(door: OpenDoor) -> None:
    came, vanished, gone = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await receive()
            came.set()
            await vanished.wait()
            await send({"type": "websocket.accept"})
            while (await receive())["type"] != "websocket.disconnect":
                pass
        finally:
            gone.set()

    with capture_logs() as logged:
        async with door(app) as (port, _):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            fields = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            writer.write(f"GET /socket.io HTTP/1.1\r\nHost: a\r\n{fields}{key}\r\n".encode())
            await asyncio.wait_for(came.wait(), 5)
            writer.transport.abort()
            vanished.set()
            await asyncio.wait_for(gone.wait(), 5)
    assert "front_door_failed" not in {one["event"] for one in logged}


async def test_a_socket_that_the_service_closes_unaccepted_is_forbidden(door: OpenDoor) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.close"})

    async with door(app) as (port, _):
        with pytest.raises(websockets.InvalidStatus) as refused:
            await websockets.connect(f"ws://127.0.0.1:{port}/socket.io")
    assert json.loads(refused.value.response.body)["code"] == "forbidden"


async def test_a_socket_outlives_the_deadline_of_its_handshake(door: OpenDoor) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": message["text"]})

    async with (
        door(app, timeout_s=TIMEOUT_S) as (port, _),
        websockets.connect(f"ws://127.0.0.1:{port}/socket.io") as sock,
    ):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(sock.recv(), 2 * TIMEOUT_S)
        await sock.send("still here")
        assert await sock.recv() == "still here"
