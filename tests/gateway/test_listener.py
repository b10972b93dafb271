"""The listener against raw sockets: what it lets through, what it refuses, and when it hangs up."""

import asyncio
import json
import socket

import pytest
from starlette.types import Receive, Scope, Send

from tests.gateway.wire import PLAIN, ask, body_of, echo, line, listening, running
from turnosya.runtime.settings import load
from turnosya.services.gateway import rules
from turnosya.services.gateway.doorway import Doorway, WireLimits
from turnosya.services.gateway.listener import ListenerConfig
from turnosya.services.gateway.settings import GatewaySettings

HOST = b"Host: api.test\r\n"


def get(target: bytes, fields: bytes = b"") -> bytes:
    return b"GET " + target + b" HTTP/1.1\r\n" + HOST + fields + b"\r\n"


def post(target: bytes, body: bytes, fields: bytes = b"") -> bytes:
    return b"POST %s HTTP/1.1\r\n%sContent-Length: %d\r\n%s\r\n%s" % (target, HOST, len(body), fields, body)


async def test_an_ordinary_request_reaches_the_application_with_the_same_bytes() -> None:
    async with listening(echo) as port:
        heard = await ask(port, get(b"/v1/businesses/caf%C3%A9?near=-34.6,-58.4&q=a%2Fb%25"))
    said = json.loads(heard.body)
    assert said["raw_path"] == "/v1/businesses/caf%C3%A9"
    assert said["query"] == "near=-34.6,-58.4&q=a%2Fb%25"


@pytest.mark.parametrize(
    "target",
    [
        b"/v1/%2e%2e/internal",
        b"/v1/a%2Fb",
        b"/v1/a%5Cb",
        b"/v1/a%252e",
        b"/v1/a%00",
        b"/v1/a;b=c",
        b"/v1/a\\b",
        b"//v1/users",
        b"/v1//users",
        b"/v1/./users",
        b"/v1/../users",
        b"/v1/users/..",
        b"/v1/users/.",
        b"/v1/us\x01ers",
        b"/v1/us\x7fers",
        b"/v1/caf\xc3\xa9",
        b"/v1/users?q=\xc3\xa9",
        b"http://api.test/v1/users",
        b"*",
        b"v1/users",
        b"/v1/users#top",
    ],
)
async def test_a_target_with_two_readings_is_malformed(target: bytes) -> None:
    async with listening(echo) as port, line(port) as connection:
        connection.say(get(target))
        heard = await connection.hear()
        assert heard.status == 400
        assert heard.problem()["code"] == "malformed_request"
        assert await connection.is_closed()


@pytest.mark.parametrize(
    "raw",
    [
        b"GET /v1 HTTP/1.1\r\n\r\n",
        b"GET /v1 HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        b"GET /v1 HTTP/1.1\r\nHost: a@b\r\n\r\n",
        b"GET /v1 HTTP/1.1\r\nHost: a/../b\r\n\r\n",
        b"GET /v1 HTTP/1.1\r\nHost: a, b\r\n\r\n",
        b"GET /v1 HTTP/1.1\r\nHost: caf\xc3\xa9\r\n\r\n",
        b"GET /v1 HTTP/1.1\nHost: a\n\n",
        b"GET /v1 HTTP/1.1\r\nHost: a\nX-A: b\r\n\r\n",
        b"GET /v1 HTTP/1.1\r\nHost: a\r\nX-A: b\r\n c\r\n\r\n",
        b"GET /v1 HTTP/1.1\r\nHost: a\r\nX_A: b\r\n\r\n",
        b"GET /v1 HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer a\r\nauthorization: Bearer b\r\n\r\n",
        b"POST /v1 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na",
        b"POST /v1 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /v1 HTTP/1.1\r\nHost: a\r\n" + b"Transfer-Encoding: chunked\r\n" * 2 + b"\r\n0\r\n\r\n",
        b"POST /v1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"POST /v1 HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /v1 HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"POST /v1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5,5\r\n\r\nabcde",
        b"POST /v1 HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nabcde",
        b"POST /v1 HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n",
        b"POST /v1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        b"POST /v1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
        b"POST /v1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n",
        b"GET /v1 HTTP/1.1\r\nHost: a\r\nX-A: b\x00c\r\n\r\n",
        b"GET /v1 HTTP/1.1\r\nHost: a\r\nX-A: b\rX-B: c\r\n\r\n",
        b"GET /v1 HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n",
        b"GET /v1 HTTP/1.1\r\n Host: a\r\n\r\n",
        b"GET /v1\r\n\r\n",
        b"GET /v1 HTTP/2.0\r\nHost: a\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"CONNECT api.test:443 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
    ],
)
async def test_a_broken_frame_is_malformed_and_ends_the_connection(raw: bytes) -> None:
    async with listening(echo) as port, line(port) as connection:
        connection.say(raw)
        heard = await connection.hear()
        assert heard.status == 400
        assert heard.problem()["code"] == "malformed_request"
        assert heard.headers["connection"] == "close"
        assert await connection.is_closed()


@pytest.mark.parametrize(
    ("raw", "status", "code"),
    [
        (get(b"/" + b"a" * 4096), 414, "uri_too_long"),
        (b"GET /" + b"a" * 5000, 414, "uri_too_long"),
        (get(b"/", b"X-A: " + b"a" * 17000 + b"\r\n"), 431, "headers_too_large"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX-A: " + b"a" * 30000, 431, "headers_too_large"),
        (get(b"/", b"".join(b"X-%d: a\r\n" % i for i in range(64))), 431, "headers_too_large"),
    ],
)
async def test_too_large_a_head_is_refused(raw: bytes, status: int, code: str) -> None:
    async with listening(echo) as port:
        heard = await ask(port, raw)
    assert (heard.status, heard.problem()["code"]) == (status, code)


async def test_a_target_and_fields_of_just_the_allowed_size_pass() -> None:
    async with listening(echo) as port:
        assert (await ask(port, get(b"/" + b"a" * 4095))).status == 200
        assert (await ask(port, get(b"/", b"".join(b"X-%d: a\r\n" % i for i in range(63))))).status == 200


def test_the_limits_are_those_that_are_promised() -> None:
    limits = WireLimits()
    assert (limits.header_bytes, limits.header_fields, limits.header_s) == (16 * 1024, 64, 10)
    assert (limits.target_bytes, limits.body_bytes) == (4 * 1024, 1024 * 1024)
    assert 0 <= limits.upload_bytes - 25 * 1024 * 1024 <= 16 * 1024
    assert (limits.body_bytes_per_s, limits.body_s, limits.upload_s) == (500, 30, 120)
    assert (limits.idle_s, limits.connections_per_address) == (65, 100)
    settings = load(GatewaySettings, {})
    assert (settings.gateway_header_s, settings.gateway_body_s, settings.gateway_upload_s) == (10, 30, 120)
    assert (settings.gateway_idle_s, settings.gateway_connections_per_address) == (65, 100)
    assert settings.gateway_deaf_after_s == 5


async def test_a_refusal_speaks_the_callers_language_and_keeps_the_request_id() -> None:
    async with listening(echo) as port:
        fields = b"Accept-Language: fr, pt-BR;q=0.9, en;q=0.3\r\nX-Request-Id: app-17\r\n"
        heard = await ask(port, get(b"/v1//users", fields))
    assert heard.problem()["request_id"] == "app-17"
    assert heard.problem()["detail"] == "A requisição está malformada."
    assert heard.headers["x-content-type-options"] == "nosniff"


async def test_a_body_that_announces_too_much_is_refused_before_it_is_sent() -> None:
    async with listening(echo, WireLimits(body_bytes=1000, upload_bytes=3000)) as port:
        big = b"POST /v1/turnos HTTP/1.1\r\n" + HOST + b"Content-Length: 1001\r\n\r\n"
        heard = await ask(port, big)
        assert (heard.status, heard.problem()["code"]) == (413, "payload_too_large")
        assert json.loads((await ask(port, post(b"/v1/turnos", b"a" * 1000))).body)["body_bytes"] == 1000
        assert json.loads((await ask(port, post(b"/v1/files", b"a" * 3000))).body)["body_bytes"] == 3000
        assert (await ask(port, post(b"/v1/files", b"a" * 3001))).status == 413
        assert (await ask(port, post(b"/v1/filesystem", b"a" * 1001))).status == 413


async def test_a_chunked_body_is_counted_while_it_streams() -> None:
    seen: list[str] = []

    async def reads(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await body_of(receive)
        except ConnectionResetError:
            seen.append("disconnected")

    async with listening(reads, WireLimits(body_bytes=1000)) as port, line(port) as connection:
        connection.say(b"POST /v1/turnos HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n")
        for _ in range(11):
            connection.say(b"64\r\n" + b"a" * 100 + b"\r\n")
        heard = await connection.hear()
        assert heard.problem()["code"] == "payload_too_large"
        assert await connection.is_closed()
    assert seen == ["disconnected"]


async def test_a_client_that_is_still_sending_can_read_why_it_was_refused() -> None:
    async with listening(echo, WireLimits(body_bytes=1000)) as port, line(port) as connection:
        connection.say(
            b"POST /v1 HTTP/1.1\r\n" + HOST + b"Content-Length: 4000000\r\n\r\n" + b"a" * 4_000_000
        )
        assert (await connection.hear()).status == 413


async def test_a_head_that_does_not_come_times_out() -> None:
    async with listening(echo, WireLimits(header_s=0.05, linger_s=0.05)) as port, line(port) as connection:
        connection.say(b"GET / HTTP/1.1\r\nHo")
        heard = await connection.hear()
        assert (heard.status, heard.problem()["code"]) == (408, "request_timeout")
        assert await connection.is_closed()


async def test_a_body_that_trickles_times_out_and_one_that_flows_does_not() -> None:
    limits = WireLimits(body_check_s=0.02, body_grace_s=0.1, body_s=20, linger_s=0.05)
    async with listening(echo, limits) as port, line(port) as connection:
        connection.say(b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 1000\r\n\r\n" + b"a" * 10)
        heard = await connection.hear()
        assert (heard.status, heard.problem()["code"]) == (408, "request_timeout")
        assert await connection.is_closed()


@pytest.mark.parametrize(("part_bytes", "status"), [(100, 200), (5, 408)])
async def test_a_body_must_go_on_coming_at_500_bytes_a_second(part_bytes: int, status: int) -> None:
    limits = WireLimits(body_check_s=0.02, body_grace_s=0.1, body_s=20, linger_s=0.05)
    async with listening(echo, limits) as port, line(port) as connection:
        connection.say(b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n" % (10 * part_bytes))
        hearing = asyncio.create_task(connection.hear())
        for _ in range(10):
            # 2,000 or 100 bytes a second.
            connection.say(b"a" * part_bytes)
            await asyncio.wait({hearing}, timeout=0.05)
        assert (await hearing).status == status


async def test_a_body_has_a_longest_time_even_at_a_good_rate() -> None:
    limits = WireLimits(body_check_s=0.02, body_grace_s=9, body_s=0.1, upload_s=9, linger_s=0.05)
    async with listening(echo, limits) as port:
        unfinished = b"Content-Length: 900000\r\n\r\n" + b"a" * 800_000
        heard = await ask(port, b"POST /v1/users HTTP/1.1\r\n" + HOST + unfinished)
        assert heard.problem()["code"] == "request_timeout"
        async with line(port) as connection:
            connection.say(b"POST /v1/files HTTP/1.1\r\n" + HOST + unfinished)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(connection.hear(), 0.3)


async def test_a_silent_connection_is_closed_when_idle() -> None:
    async with listening(echo, WireLimits(idle_s=0.05)) as port:
        async with line(port) as connection:
            assert await connection.is_closed()
        async with line(port) as connection:
            connection.say(get(b"/"))
            assert (await connection.hear()).status == 200
            assert await connection.is_closed()


async def test_one_address_holds_only_so_many_connections() -> None:
    async with (
        listening(echo, WireLimits(connections_per_address=2, linger_s=0.05)) as port,
        line(port) as first,
        line(port) as second,
    ):
        first.say(get(b"/"))
        second.say(get(b"/"))
        assert [(await first.hear()).status, (await second.hear()).status] == [200, 200]
        async with line(port) as third:
            assert (await third.hear()).problem()["code"] == "rate_limited"
            assert await third.is_closed()
        first.writer.close()
        await first.writer.wait_closed()
        second.say(get(b"/"))
        assert (await second.hear()).status == 200
        async with line(port) as fourth:
            fourth.say(get(b"/"))
            assert (await fourth.hear()).status == 200


@pytest.mark.parametrize(
    "limits",
    [
        WireLimits(connections_per_address=1, loopback_exempt=True),
        WireLimits(connections_per_address=1, proxies=rules.networks(["127.0.0.0/8"])),
        WireLimits(connections_per_address=None),
    ],
    ids=["loopback in development", "our own proxy", "lifted"],
)
async def test_some_may_hold_as_many_connections_as_they_like(limits: WireLimits) -> None:
    async with listening(echo, limits) as port, line(port) as first, line(port) as second:
        for connection in (first, second):
            connection.say(get(b"/"))
            assert (await connection.hear()).status == 200


def test_an_ipv6_network_shares_its_connections() -> None:
    doorway = Doorway(WireLimits(connections_per_address=2), PLAIN)
    assert doorway.enter("2001:db8::1")
    assert doorway.enter("2001:db8::2")
    assert not doorway.enter("2001:db8::3")
    assert doorway.enter("2001:db8:0:1::1")
    for address in ("2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8:0:1::1"):
        doorway.leave(address)
    assert not doorway.held


async def test_requests_in_a_row_on_one_connection_are_answered_in_order() -> None:
    async with listening(echo) as port, line(port) as connection:
        connection.say(get(b"/1") + post(b"/2", b"two") + get(b"/3"))
        paths = [json.loads((await connection.hear()).body)["raw_path"] for _ in range(3)]
    assert paths == ["/1", "/2", "/3"]


async def test_a_bad_request_behind_a_good_one_does_not_spoil_its_answer() -> None:
    release = asyncio.Event()

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        await release.wait()
        await echo(scope, receive, send)

    async with listening(slow) as port, line(port) as connection:
        connection.say(get(b"/good") + get(b"/bad//one") + get(b"/never"))
        release.set()
        assert json.loads((await connection.hear()).body)["raw_path"] == "/good"
        assert (await connection.hear()).problem()["code"] == "malformed_request"
        assert await connection.is_closed()


async def test_expect_100_continue_is_answered_when_the_body_is_wanted() -> None:
    async with listening(echo) as port, line(port) as connection:
        connection.say(b"POST / HTTP/1.1\r\n" + HOST + b"Expect: 100-continue\r\nContent-Length: 3\r\n\r\n")
        assert (await connection.hear()).status == 100
        connection.say(b"abc")
        assert json.loads((await connection.hear()).body)["body"] == "abc"


async def test_head_has_no_body_and_the_connection_goes_on() -> None:
    async with listening(echo) as port, line(port) as connection:
        connection.say(b"HEAD / HTTP/1.1\r\n" + HOST + b"\r\n")
        assert (await connection.hear(head=True)).status == 200
        connection.say(get(b"/after"))
        assert json.loads((await connection.hear()).body)["raw_path"] == "/after"


async def test_a_trailer_adds_no_header() -> None:
    async with listening(echo) as port:
        chunks = b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-User-Id: 1\r\n\r\n"
        heard = await ask(port, b"POST / HTTP/1.1\r\n" + HOST + chunks)
    said = json.loads(heard.body)
    assert said["body"] == "a"
    assert "x-user-id" not in dict(said["headers"])


@pytest.mark.parametrize("endless", [b"1;", b"1\r\na\r\n0\r\nX-A", b"1\r\na\r\n0\r\nX-A: "])
async def test_what_frames_a_body_is_no_way_to_send_without_end(endless: bytes) -> None:
    async with listening(echo) as port, line(port) as connection:
        connection.say(b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n" + endless)
        for _ in range(12):
            connection.say(b"a" * 8_000)
            await asyncio.sleep(0)
        heard = await connection.hear()
        assert (heard.status, heard.problem()["code"]) == (431, "headers_too_large")
        assert await connection.is_closed()


async def test_a_body_in_the_smallest_chunks_and_a_trailer_pass() -> None:
    async with listening(echo) as port, line(port) as connection:
        connection.say(b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n")
        for _ in range(4):
            connection.say(b"1\r\na\r\n" * 3_000)
            await asyncio.sleep(0)
        connection.say(b"0\r\nX-A: " + b"a" * 8_000 + b"\r\nX-B: " + b"a" * 8_000 + b"\r\n\r\n")
        heard = await connection.hear()
    assert heard.status == 200


async def test_an_upgrade_that_is_not_offered_is_ignored() -> None:
    async with listening(echo) as port, line(port) as connection:
        connection.say(
            get(b"/", b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: a\r\n")
        )
        assert (await connection.hear()).status == 200
        assert await connection.is_closed()


async def test_a_client_that_sends_requests_ahead_has_only_so_many_waiting() -> None:
    begun: list[bytes] = []
    release = asyncio.Event()

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        begun.append(scope["raw_path"])
        await release.wait()
        await echo(scope, receive, send)

    async with listening(slow, WireLimits(waiting_requests=3)) as port, line(port) as connection:
        connection.say(b"".join(get(b"/%d" % n) for n in range(1000)))
        release.set()
        answers = [await connection.hear() for _ in range(5)]
        assert [answer.status for answer in answers] == [200] * 4 + [429]
        assert await connection.is_closed()
    assert begun == [b"/0", b"/1", b"/2", b"/3"]


async def test_a_stream_learns_that_its_client_is_gone_though_a_request_waits_behind_it() -> None:
    noticed = asyncio.Event()

    async def stream(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"first", "more_body": True})
        while (await receive())["type"] != "http.disconnect":
            pass
        noticed.set()

    async with listening(stream) as port:
        async with line(port) as connection:
            connection.say(get(b"/one") + get(b"/two"))
            await connection.reader.readuntil(b"first")
        await asyncio.wait_for(noticed.wait(), 5)


async def test_an_answer_under_way_is_not_cut_by_the_idle_clock_of_the_one_before() -> None:
    release = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["raw_path"] == b"/slow":
            await release.wait()
        await echo(scope, receive, send)

    async with listening(app, WireLimits(idle_s=0.1)) as port, line(port) as connection:
        # The second head has begun when the first answer starts the idle clock.
        connection.say(get(b"/quick") + b"GET /slow HTTP/1.1\r\n")
        assert (await connection.hear()).status == 200
        connection.say(HOST + b"\r\n")
        hearing = asyncio.create_task(connection.hear())
        await asyncio.wait({hearing}, timeout=0.3)
        release.set()
        assert (await hearing).status == 200


async def test_empty_lines_before_a_request_do_not_keep_a_connection() -> None:
    async with listening(echo, WireLimits(idle_s=0.2)) as port, line(port) as connection:
        closing = asyncio.create_task(connection.is_closed())
        while not closing.done():
            connection.say(b"\r\n")
            await asyncio.wait({closing}, timeout=0.02)
        assert closing.result()


class _Watched(Doorway):
    """Says when a connection has left."""

    def __init__(self, limits: WireLimits) -> None:
        super().__init__(limits, PLAIN)
        self.left = asyncio.Event()

    def leave(self, address: str) -> None:
        super().leave(address)
        self.left.set()


@pytest.mark.parametrize("parts", [1, 200])
@pytest.mark.parametrize("last", [b"", b"Connection: close\r\n"])
async def test_a_client_that_never_reads_its_answer_is_cut_off(last: bytes, parts: int) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(parts):
            body = b"x" * (20_000_000 // parts)
            await send({"type": "http.response.body", "body": body, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    doorway = _Watched(WireLimits(reader_check_s=0.05, idle_s=0.1))
    async with running(ListenerConfig(app, doorway)) as port:
        with socket.create_connection(("127.0.0.1", port)) as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            deaf.sendall(get(b"/", last))
            await asyncio.wait_for(doorway.left.wait(), 5)
