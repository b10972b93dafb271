"""The decision as nginx, Traefik and Envoy ask for it: raw requests, as each of them sends them."""

import json
from collections.abc import Callable

import pytest
from redis.asyncio import Redis

from tests.gateway.wire import Heard, ask, line
from tests.gateway.world import World, a_gateway
from turnosya.contracts.auth import Access
from turnosya.services.gateway.limits import Limits

PROXY = ["127.0.0.1"]
CLIENT = "198.51.100.7"
As = Callable[..., bytes]


def nginx(method: str, target: str, *fields: str) -> bytes:
    """auth_request: a GET without a body, HTTP/1.0 unless told otherwise, the client's fields and ours."""
    own = [f"X-Forwarded-Method: {method}", f"X-Forwarded-Uri: {target}", f"X-Forwarded-For: {CLIENT}"]
    head = [
        "GET /internal/forward-auth HTTP/1.0",
        "Host: gateway",
        *own,
        "X-Forwarded-Proto: https",
        "X-Forwarded-Host: api.example",
        "Connection: close",
        "User-Agent: curl/8",
        *fields,
    ]
    return "\r\n".join([*head, "", ""]).encode()


def traefik(method: str, target: str, *fields: str) -> bytes:
    """ForwardAuth: a GET with the client's fields and X-Forwarded-*."""
    head = [
        "GET /internal/forward-auth HTTP/1.1",
        "Host: gateway:8000",
        "User-Agent: curl/8",
        "Accept: */*",
        f"X-Forwarded-For: {CLIENT}",
        "X-Forwarded-Host: api.example",
        f"X-Forwarded-Method: {method}",
        "X-Forwarded-Port: 443",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Server: edge",
        f"X-Forwarded-Uri: {target}",
        f"X-Real-Ip: {CLIENT}",
        "Accept-Encoding: gzip",
        *fields,
    ]
    return "\r\n".join([*head, "", ""]).encode()


def envoy(method: str, target: str, *fields: str) -> bytes:
    """ext_authz over HTTP: the same method, the target behind path_prefix, no body."""
    head = [
        f"{method} /internal/forward-auth{target} HTTP/1.1",
        "host: api.example",
        f"x-forwarded-for: {CLIENT},127.0.0.1",
        "x-forwarded-proto: https",
        "x-envoy-internal: true",
        "x-envoy-expected-rq-timeout-ms: 200",
        "content-length: 0",
        *fields,
    ]
    return "\r\n".join([*head, "", ""]).encode()


@pytest.fixture(params=[nginx, traefik, envoy], ids=["nginx", "traefik", "envoy"])
def asks(request: pytest.FixtureRequest) -> As:
    chosen: As = request.param
    return chosen


async def decided(world: World, raw: bytes) -> Heard:
    return await ask(world.port, raw, head=raw.startswith(b"HEAD"))


async def test_a_good_token_passes_with_who_it_is_and_where_to(asks: As) -> None:
    async with a_gateway(proxies=PROXY, timeout_s=7) as world:
        ana = world.person()
        raw = asks("GET", "/v1/users/me?x=1", f"Authorization: Bearer {ana.token()}", "X-Request-Id: app-17")
        heard = await decided(world, raw)
    assert (heard.status, heard.body) == (200, b"")
    assert heard.headers["x-user-id"] == str(ana.user_id)
    assert heard.headers["x-user-session"] == str(ana.session_id)
    assert heard.headers["x-user-roles"] == ""
    assert heard.headers["x-internal-service"] == "users"
    assert heard.headers["x-internal-timeout-ms"] == "7000"
    assert heard.headers["x-forwarded-for"] == CLIENT
    assert heard.headers["x-forwarded-proto"] == "https"
    assert heard.headers["x-request-id"] == "app-17"


async def test_nobody_passes_as_nobody_whatever_he_says_he_is(asks: As) -> None:
    async with a_gateway(proxies=PROXY) as world:
        lies = ("X-User-Id: 1", "X-User-Roles: admin", "X-Internal-Service: auth")
        heard = await decided(world, asks("GET", "/v1/businesses", *lies))
    assert heard.status == 200
    assert heard.headers["x-internal-service"] == "business"
    assert not [name for name in heard.headers if name.startswith("x-user")]


async def test_whom_the_gateway_refuses_the_proxy_is_told_to_refuse(asks: As) -> None:
    async with a_gateway(proxies=PROXY) as world:
        ana = world.person()
        for token, code in (("nonsense", "token_invalid"), (ana.token(age_s=901), "token_expired")):
            heard = await decided(world, asks("GET", "/v1/users/me", f"Authorization: Bearer {token}"))
            assert (heard.status, heard.problem()["code"]) == (401, code)
            assert heard.headers["www-authenticate"].startswith("Bearer")
        assert (await decided(world, asks("GET", "/internal/access"))).problem()["code"] == "not_found"
        world.access.wants_snapshot = True
        good = f"Authorization: Bearer {ana.token()}"
        assert (await decided(world, asks("GET", "/v1/users/me", good))).status == 503
        world.auth_answers = Access.model_validate(
            {
                "blocked_user_ids": [ana.user_id],
                "versions": {},
                "ended_session_ids": [],
                "at": "2027-01-01T00:00Z",
            }
        )
        heard = await decided(world, asks("GET", "/v1/users/me", good))
        assert (heard.status, heard.problem()["code"]) == (401, "access_blocked")


async def test_a_token_is_ignored_where_the_gateway_ignores_it(asks: As) -> None:
    async with a_gateway(proxies=PROXY) as world:
        heard = await decided(world, asks("POST", "/v1/auth/refresh", "Authorization: Bearer nonsense"))
    assert heard.status == 200
    assert "x-user-id" not in heard.headers


@pytest.mark.parametrize("target", ["/v1/%2e%2e/internal", "/v1//users", "/v1/a;b", "/v1/users/../auth"])
async def test_a_target_with_two_readings_is_refused_here_too(asks: As, target: str) -> None:
    async with a_gateway(proxies=PROXY) as world:
        heard = await decided(world, asks("GET", target))
    assert (heard.status, heard.problem()["code"]) == (400, "malformed_request")


@pytest.mark.parametrize(
    "fields",
    [
        [],
        ["X-Forwarded-Method: GET"],
        ["X-Forwarded-Uri: /v1/users/me"],
        ["X-Forwarded-Method: GET", "X-Forwarded-Uri: /v1/users", "X-Forwarded-Uri: /v1/auth"],
        ["X-Forwarded-Method: GET", "X-Forwarded-Method: POST", "X-Forwarded-Uri: /v1/users"],
        ["X-Forwarded-Method: G T", "X-Forwarded-Uri: /v1/users"],
        ["X-Forwarded-Method: GET", "X-Forwarded-Uri: http://a/v1/users"],
    ],
)
async def test_a_question_that_names_no_one_request_is_malformed(fields: list[str]) -> None:
    async with a_gateway(proxies=PROXY) as world:
        heard = await world.ask("GET /internal/forward-auth", *fields)
        assert heard.problem()["code"] == "malformed_request"
        long = f"X-Forwarded-Uri: /v1/{'a' * 4096}"
        heard = await world.ask("GET /internal/forward-auth", "X-Forwarded-Method: GET", long)
        assert heard.problem()["code"] == "uri_too_long"


async def test_for_all_but_our_own_proxies_the_path_does_not_exist(asks: As) -> None:
    async with a_gateway(proxies=["10.0.0.0/8"]) as world:
        raw = asks("GET", "/v1/users/me", f"Authorization: Bearer {world.person().token()}")
        heard = await decided(world, raw)
    assert (heard.status, heard.problem()["code"]) == (404, "not_found")
    assert "x-user-id" not in heard.headers


async def test_each_client_behind_the_proxy_spends_a_budget_of_its_own(asks: As, redis: Redis) -> None:
    limits = Limits(redis, answer_within_s=5, retry_after_s=1)
    async with a_gateway(proxies=PROXY, limits=limits) as world:
        answers = [await decided(world, asks("POST", "/v1/auth/otp")) for _ in range(11)]
        assert [heard.status for heard in answers] == [200] * 10 + [429]
        assert '"codes"' in answers[0].headers["ratelimit-policy"]
        assert answers[-1].headers["retry-after"]
        other = asks("POST", "/v1/auth/otp").replace(CLIENT.encode(), b"198.51.100.8")
        assert (await decided(world, other)).status == 200
        # The same budget, whether a request is asked about or handed on.
        direct = await world.ask("POST /v1/auth/otp", f"X-Forwarded-For: {CLIENT}")
        assert direct.status == 429


async def test_sockets_of_a_page_that_is_not_listed_are_refused(asks: As) -> None:
    async with a_gateway(proxies=PROXY, cors=["https://app.example"]) as world:
        for origin, status in (("https://app.example", 200), ("https://evil.example", 403)):
            heard = await decided(world, asks("GET", "/socket.io/?EIO=4", f"Origin: {origin}"))
            assert heard.status == status


async def test_a_proxy_that_keeps_its_connection_asks_again_on_it() -> None:
    async with a_gateway(proxies=PROXY) as world, line(world.port) as connection:
        for service in ("users", "turnos"):
            connection.say(traefik("GET", f"/v1/{service}/x"))
            assert (await connection.hear()).headers["x-internal-service"] == service


async def test_what_is_said_to_a_proxy_leaves_on_no_other_answer() -> None:
    async with a_gateway(proxies=PROXY) as world:
        heard = await world.ask("GET /v1/users/me", token=world.person().token())
        assert not [
            name for name in heard.headers if name.startswith(("x-user", "x-internal", "x-forwarded"))
        ]
        assert json.loads(heard.body)
