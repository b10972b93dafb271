"""The front door as a client and a service see it."""

import asyncio
import json
from datetime import UTC, datetime

import pytest
import websockets
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from starlette.types import Receive, Scope, Send

from tests.gateway.wire import Heard, echo, line
from tests.gateway.world import a_gateway, keys_of, no_access_ended
from tests.runtime.collector import keeping_steps
from turnosya.contracts.auth import Access, AccessChanged
from turnosya.runtime.fields import Closed
from turnosya.runtime.http import router, web_app
from turnosya.runtime.identity import TokenVerifier
from turnosya.services.gateway.paths import PathTable


def headers_at(heard: Heard) -> dict[str, str]:
    """The fields that the service saw."""
    assert heard.status == 200
    return dict(json.loads(heard.body)["headers"])


# --- paths


@pytest.mark.parametrize(
    ("path", "service"),
    [
        ("/v1/auth/login", "auth"),
        ("/v1/users", "users"),
        ("/v1/businesses/x/services", "business"),
        ("/v1/turnos/businesses/x/slots", "turnos"),
        ("/v1/chat/conversations", "chat"),
        ("/socket.io/", "chat"),
        ("/v1/files", "files"),
        ("/v1/jobs", "jobs"),
        ("/v1/checks/health", "checks"),
        ("/v1/notification/webhooks/whatsapp", "notification"),
        ("/v1/dev/messages", "notification"),
        ("/dev", "notification"),
        ("/dev/chat", "chat"),
        ("/dev/chat/x", "notification"),
        ("/v1/dev/clock", "jobs"),
        ("/healthz", "gateway"),
        ("/docs", "gateway"),
        ("/", "gateway"),
        ("/v1", None),
        ("/v1/", None),
        ("/v1/userss", None),
        ("/v2/users", None),
        ("/v1/notification", None),
        ("/v1/notification/webhooks/whatsapp/x", None),
        ("/internal", None),
        ("/internal/access", None),
        ("/v1/internal", None),
        ("/metrics", None),
        ("/v1/%75sers", None),
    ],
)
def test_which_service_a_path_belongs_to(path: str, service: str | None) -> None:
    assert PathTable(development=True).find(path.encode()) == service


def test_a_hundred_thousand_paths_have_no_more_names_than_there_are_services() -> None:
    table = PathTable(development=False)
    assert {table.find(f"/v1/x{number:x}/{number}".encode()) for number in range(50_000)} == {None}
    assert {table.find(f"/v1/users/{number}".encode()) for number in range(50_000)} == {"users"}


@pytest.mark.parametrize("path", ["/v1/dev/messages", "/dev", "/dev/chat", "/dev/x", "/v1/dev/clock"])
def test_development_paths_do_not_exist_elsewhere(path: str) -> None:
    assert PathTable(development=False).find(path.encode()) is None


async def test_what_is_in_no_table_is_not_found() -> None:
    async with a_gateway() as world:
        for path in ("/internal/access", "/v1/nothing", "/"):
            assert await world.code_of(f"GET {path}") == "not_found"


async def test_a_service_that_is_not_there_is_unavailable() -> None:
    async with a_gateway() as world:
        heard = await world.ask("GET /v1/checks/health")
    assert (heard.status, heard.problem()["code"]) == (503, "service_unavailable")
    assert heard.headers["retry-after"]


# --- headers


async def test_what_only_the_inside_may_say_is_dropped_and_set_anew() -> None:
    lies = [
        "X-User-Id: 1",
        "X-Internal-Service: auth",
        "X-Internal-Timeout-Ms: 999999",
        "X-Original-URL: /internal",
        "X-Rewrite-URL: /internal",
        "X-HTTP-Method-Override: DELETE",
        "Forwarded: for=1.1.1.1",
        "X-Forwarded-For: 1.1.1.1",
        "X-Forwarded-Host: evil.test",
        "X-Real-IP: 1.1.1.1",
        "Cookie: a=b",
        "TE: trailers",
    ]
    async with a_gateway(timeout_s=7) as world:
        seen = headers_at(await world.ask("GET /v1/users/me", "Accept-Language: pt", *lies))
    assert seen.pop("x-request-id")
    assert seen.pop("traceparent")
    assert seen == {
        "host": "api.test",
        "accept-language": "pt",
        "x-forwarded-for": "127.0.0.1",
        "x-forwarded-proto": "http",
        "x-forwarded-host": "api.test",
        "x-internal-service": "users",
        "x-internal-timeout-ms": "7000",
    }


async def test_a_request_is_a_step_whose_service_goes_on_from_it_and_looks_are_none() -> None:
    with keeping_steps() as kept:
        async with a_gateway() as world:
            outside = f"traceparent: 00-{'a' * 32}-{'b' * 16}-00"
            seen = headers_at(await world.ask("GET /v1/users/me", outside))
            await world.ask("GET /healthz")
    (step,) = kept.steps
    assert (step.service, step.name) == ("gateway", "GET users")
    assert step.attributes["http.response.status_code"] == 200
    assert seen["traceparent"] == step.trace.traceparent == f"00-{'a' * 32}-{step.trace.span_id}-01"


async def test_connection_names_what_ends_here_but_not_what_we_add() -> None:
    async with a_gateway() as world:
        seen = headers_at(
            await world.ask(
                "GET /v1/users/me",
                "Connection: keep-alive, If-Match, X-Forwarded-For, X-Request-Id",
                'If-Match: "a"',
            )
        )
    assert "if-match" not in seen
    assert seen["x-forwarded-for"] == "127.0.0.1"
    assert seen["x-request-id"]


async def test_a_trusted_proxy_is_believed_as_far_as_the_last_stranger() -> None:
    forwarded = "X-Forwarded-For: 6.6.6.6, 2.2.2.2, 10.0.0.7"
    async with a_gateway(proxies=["127.0.0.1", "10.0.0.0/8"]) as world:
        seen = headers_at(await world.ask("GET /v1/users/me", forwarded, "X-Forwarded-Proto: https"))
    assert seen["x-forwarded-for"] == "2.2.2.2"
    assert seen["x-forwarded-proto"] == "https"


@pytest.mark.parametrize(
    ("hop", "client"),
    [
        ("2.2.2.2:5678", "2.2.2.2"),
        ("[2001:db8::1]:5678", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("2001:db8::1", "2001:db8::1"),
        ("2.2.2.2:x", "127.0.0.1"),
        ("2.2.2.2:5678:9", "127.0.0.1"),
    ],
)
async def test_a_proxy_may_write_the_port_behind_the_address(hop: str, client: str) -> None:
    async with a_gateway(proxies=["127.0.0.1"]) as world:
        seen = headers_at(await world.ask("GET /v1/users/me", f"X-Forwarded-For: 6.6.6.6, {hop}"))
    assert seen["x-forwarded-for"] == client


async def test_every_answer_carries_the_request_id() -> None:
    async with a_gateway() as world:
        assert (await world.ask("GET /v1/users/me", "X-Request-Id: app-1234")).headers[
            "x-request-id"
        ] == "app-1234"
        assert (
            headers_at(await world.ask("GET /v1/users/me", "X-Request-Id: app-1234"))["x-request-id"]
            == "app-1234"
        )
        for wrong in ("a b", "x" * 200, ""):
            heard = await world.ask("GET /v1/nothing", f"X-Request-Id: {wrong}")
            assert len(heard.headers["x-request-id"]) == 32
            assert heard.problem()["request_id"] == heard.headers["x-request-id"]


async def test_answers_carry_security_headers() -> None:
    async with a_gateway() as world:
        heard = await world.ask("GET /v1/users/me")
    assert heard.headers["x-content-type-options"] == "nosniff"
    assert heard.headers["x-frame-options"] == "DENY"
    assert heard.headers["cache-control"] == "no-store"
    assert "default-src 'none'" in heard.headers["content-security-policy"]
    assert "max-age" in heard.headers["strict-transport-security"]
    assert "server" not in heard.headers


async def test_only_listed_origins_may_read_answers() -> None:
    async with a_gateway(cors=["https://app.example"]) as world:
        heard = await world.ask("GET /v1/users/me", "Origin: https://app.example")
        assert heard.headers["access-control-allow-origin"] == "https://app.example"
        assert heard.headers["vary"] == "Origin"
        exposed = heard.headers["access-control-expose-headers"].split(", ")
        assert {"ETag", "Location", "RateLimit", "RateLimit-Policy", "Retry-After", "X-Request-Id"} <= {
            *exposed
        }
        # A page must be able to read why it was refused, by the front door and by the listener.
        for line in ("GET /v1/nothing", "GET /v1//users"):
            heard = await world.ask(line, "Origin: https://app.example")
            assert heard.headers["access-control-allow-origin"] == "https://app.example"
        ask_first = ("Access-Control-Request-Method: POST", "Access-Control-Request-Headers: authorization")
        heard = await world.ask("OPTIONS /v1/users/me", "Origin: https://app.example", *ask_first)
        assert heard.status == 204
        assert {"Authorization", "Idempotency-Key"} <= {
            *heard.headers["access-control-allow-headers"].split(", ")
        }
        assert {"PUT", "PATCH", "DELETE"} <= {*heard.headers["access-control-allow-methods"].split(", ")}
        assert int(heard.headers["access-control-max-age"]) > 0
        assert "access-control-allow-credentials" not in heard.headers
        heard = await world.ask("OPTIONS /v1/users/me", "Origin: https://evil.example", *ask_first)
        assert "access-control-allow-origin" not in heard.headers
        assert "access-control-allow-methods" not in heard.headers


# --- tokens


async def test_a_good_token_is_handed_on() -> None:
    async with a_gateway() as world:
        token = world.person().token()
        seen = headers_at(await world.ask("GET /v1/users/me", token=token))
        assert seen["authorization"] == f"Bearer {token}"


async def test_a_bad_token_is_never_anonymous() -> None:
    async with a_gateway() as world:
        ana = world.person()
        for fields in (
            ["Authorization: Bearer nonsense"],
            ["Authorization: Basic YTpi"],
            ["Authorization: Bearer"],
            [f"Authorization: Bearer {ana.token(key=Ed25519PrivateKey.generate())}"],
            [f"Authorization: Bearer {ana.token()}x"],
        ):
            heard = await world.ask("GET /v1/businesses/x", *fields)
            assert (heard.status, heard.problem()["code"]) == (401, "token_invalid")
            assert heard.headers["www-authenticate"].startswith("Bearer")
        assert await world.code_of("GET /v1/businesses/x", token=ana.token(age_s=901)) == "token_expired"


@pytest.mark.parametrize(
    "line",
    [
        "POST /v1/auth/otp",
        "POST /v1/auth/login",
        "POST /v1/auth/token",
        "POST /v1/auth/refresh",
        "GET /v1/auth/jwks.json",
    ],
)
async def test_some_calls_ignore_a_token(line: str) -> None:
    async with a_gateway() as world:
        for token in ("nonsense", world.person().token(age_s=5000)):
            assert "authorization" not in headers_at(await world.ask(line, token=token))
        assert await world.code_of("GET /v1/auth/sessions", token="nonsense") == "token_invalid"


async def test_an_ended_session_ends_its_tokens_and_no_others() -> None:
    async with a_gateway() as world:
        ana, beto = world.person(), world.person()
        token = ana.token()
        assert await world.code_of("GET /v1/users/me", token=token) == ""
        world.access.change(changed(ana.user_id, ended_session_ids=[ana.session_id]))
        assert await world.code_of("GET /v1/users/me", token=token) == "token_revoked"
        assert await world.code_of("GET /v1/users/me", token=beto.token()) == ""


async def test_a_raised_version_ends_older_tokens_only() -> None:
    async with a_gateway() as world:
        ana = world.person()
        old = ana.token()
        world.access.change(changed(ana.user_id, version=2))
        assert await world.code_of("GET /v1/users/me", token=old) == "token_revoked"
        ana.uv = 2
        assert await world.code_of("GET /v1/users/me", token=ana.token()) == ""


async def test_a_blocked_user_stays_out_until_unblocked() -> None:
    async with a_gateway() as world:
        ana = world.person()
        world.access.change(changed(ana.user_id, blocked=True))
        assert await world.code_of("GET /v1/users/me", token=ana.token()) == "access_blocked"
        world.access.change(changed(ana.user_id, blocked=False))
        assert await world.code_of("GET /v1/users/me", token=ana.token()) == ""


async def test_what_ends_access_has_taken_effect_when_the_answer_arrives() -> None:
    async with a_gateway() as world:
        ana = world.person()
        ended = changed(ana.user_id, ended_session_ids=[ana.session_id]).model_dump_json().encode()

        async def logout(scope: Scope, receive: Receive, send: Send) -> None:
            headers = [(b"X-Internal-Access-Ended", ended)]
            await send({"type": "http.response.start", "status": 204, "headers": headers})
            await send({"type": "http.response.body", "body": b""})

        world.services["users"] = logout
        token = ana.token()
        heard = await world.ask("POST /v1/users/me", token=token)
        assert heard.status == 204
        assert "x-internal-access-ended" not in heard.headers
        assert await world.code_of("GET /v1/turnos/appointments", token=token) == "token_revoked"


async def test_a_gateway_that_cannot_hear_auth_asks_it_each_time_and_closes_without_an_answer() -> None:
    async with a_gateway() as world:
        ana, beto = world.person(), world.person()
        world.access.wants_snapshot = True
        world.auth_answers = no_access_ended()
        for asked in (1, 2):
            assert await world.code_of("GET /v1/users/me", token=ana.token()) == ""
            assert world.auth_was_asked == asked
        world.auth_answers = Access(
            blocked_user_ids=[ana.user_id], versions={}, ended_session_ids=[], at=datetime.now(UTC)
        )
        assert await world.code_of("GET /v1/users/me", token=ana.token()) == "access_blocked"
        world.auth_answers = None
        heard = await world.ask("GET /v1/users/me", token=beto.token())
        assert (heard.status, heard.problem()["code"]) == (503, "service_unavailable")
        assert heard.headers["retry-after"]
        assert await world.code_of("GET /v1/businesses/x") == ""


def changed(user_id: object, **what: object) -> AccessChanged:
    return AccessChanged.model_validate({"user_id": user_id, "at": datetime.now(UTC), **what})


# --- sockets and own pages


async def test_a_socket_opens_from_listed_origins_and_our_own_pages_only() -> None:
    async with a_gateway(cors=["https://app.example"]) as world:

        async def chat(scope: Scope, receive: Receive, send: Send) -> None:
            await receive()
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.send", "text": "hola"})

        world.services["chat"] = chat
        uri = f"ws://127.0.0.1:{world.port}/socket.io/?EIO=4&transport=websocket"
        for origin in (None, "https://app.example", f"http://127.0.0.1:{world.port}"):
            async with websockets.connect(uri, origin=websockets.Origin(origin) if origin else None) as sock:
                assert await sock.recv() == "hola"
        with pytest.raises(websockets.InvalidStatus) as refused:
            await websockets.connect(uri, origin=websockets.Origin("https://evil.example"))
        assert refused.value.response.status_code == 403
        with pytest.raises(websockets.InvalidStatus) as refused:
            await websockets.connect(uri, additional_headers={"Authorization": "Bearer nonsense"})
        assert refused.value.response.status_code == 401


async def test_sockets_open_on_the_path_of_chat_only_and_not_before_it_is_there() -> None:
    async with a_gateway() as world:
        tokens = TokenVerifier(keys_of(world.key))
        for service in ("chat", "users"):
            world.services[service] = web_app(service, None, tokens=tokens, routers=[], ready=always)
        for path in ("/v1/users/me", "/nothing", "/docs", "/socket.iox", "/socket.io/?EIO=4"):
            with pytest.raises(websockets.InvalidStatus) as refused:
                await websockets.connect(f"ws://127.0.0.1:{world.port}{path}")
            assert json.loads(refused.value.response.body)["code"] == "not_found"


async def always() -> bool:
    return True


async def test_health_says_whether_the_process_lives_and_can_serve() -> None:
    async with a_gateway() as world:
        assert (await world.ask("GET /healthz")).status == 200
        assert (await world.ask("GET /readyz")).status == 200

        async def not_ready(scope: Scope, receive: Receive, send: Send) -> None:
            await send({"type": "http.response.start", "status": 503, "headers": []})
            await send({"type": "http.response.body", "body": b""})

        world.services["turnos"] = not_ready
        async with asyncio.timeout(5):
            while (await world.ask("GET /readyz")).status != 503:
                pass
        heard = await world.ask("POST /healthz")
        assert (heard.status, heard.headers["allow"]) == (405, "GET, HEAD")


async def test_the_merged_document_shows_what_is_routed_and_names_who_is_away() -> None:
    def describes(paths: dict[str, object], schemas: dict[str, object]) -> object:
        body = json.dumps({"openapi": "3.1.0", "paths": paths, "components": {"schemas": schemas}}).encode()

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": body})

        return app

    def uses(name: str) -> dict[str, object]:
        return {"get": {"responses": {"200": {"schema": {"$ref": f"#/components/schemas/{name}"}}}}}

    async with a_gateway() as world:
        world.services.clear()
        world.services["users"] = describes({"/v1/users/me": uses("Name")}, {"Name": {"type": "string"}})  # type: ignore[assignment]
        world.services["turnos"] = describes(  # type: ignore[assignment]
            {"/v1/turnos/slots": uses("Name"), "/internal/x": uses("Name")}, {"Name": {"type": "integer"}}
        )
        document = json.loads((await world.ask("GET /openapi.json")).body)
    assert sorted(document["paths"]) == ["/healthz", "/readyz", "/v1/turnos/slots", "/v1/users/me"]
    for path in (document["paths"]["/v1/turnos/slots"], document["paths"]["/v1/users/me"]):
        reference = path["get"]["responses"]["200"]["schema"]["$ref"].rpartition("/")[2]
        assert reference in document["components"]["schemas"]
    assert document["components"]["schemas"]["Name"] != document["components"]["schemas"]["UsersName"]
    assert "business" in document["info"]["x-unavailable"]


async def test_the_documentation_page_needs_nothing_from_outside() -> None:
    async with a_gateway() as world:
        page = await world.ask("GET /docs")
        assert page.status == 200
        assert b"//" not in page.body.replace(b"<!doctype", b"")
        for asset in ("swagger-ui-bundle.js", "swagger-ui.css", "start.js", "favicon-32x32.png"):
            assert f"/docs/{asset}".encode() in page.body
            assert (await world.ask(f"GET /docs/{asset}")).status == 200
        assert await world.code_of("GET /docs/other.js") == "not_found"


async def test_a_client_that_goes_before_its_body_is_whole_is_no_defect(
    capsys: pytest.CaptureFixture[str],
) -> None:
    web = router("/v1/users", tags=["users"])
    read = asyncio.Event()

    class Body(Closed):
        """Any body."""

    @web.post("")
    async def sign_up(body: Body) -> None:
        raise AssertionError(body)

    _ = sign_up

    async with a_gateway() as world:
        app = web_app("users", None, tokens=TokenVerifier(keys_of(world.key)), routers=[web], ready=always)

        async def users(scope: Scope, receive: Receive, send: Send) -> None:
            try:
                await app(scope, receive, send)
            finally:
                read.set()

        world.services["users"] = users
        async with line(world.port) as connection:
            connection.say(b"POST /v1/users HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{")
        await asyncio.wait_for(read.wait(), 5)
    assert "request_crashed" not in capsys.readouterr().out


async def test_a_service_that_fails_is_our_fault_and_nobody_elses() -> None:
    async with a_gateway() as world:

        async def fails(scope: Scope, receive: Receive, send: Send) -> None:
            raise KeyError("secret")

        world.services["users"] = fails
        heard = await world.ask("GET /v1/users/me")
        assert (heard.status, heard.problem()["code"]) == (500, "internal_error")
        world.services["turnos"] = echo
        assert (await world.ask("GET /v1/turnos/x")).status == 200
