"""Bad input to every call of ``/v1/auth``: its documented problem, nothing changed, nothing secret logged."""

import json
import logging
import sys
from collections.abc import Iterator
from io import StringIO
from typing import Any

import httpx
import pytest
import structlog

from tests.auth.world import NUMBER, PASSWORD, World
from turnosya.contracts.auth import CodeRequested
from turnosya.runtime.ids import new_id
from turnosya.runtime.telemetry import set_up_logging

SOME_ID = "0198c1f0-0000-7000-8000-000000000000"
GOOD: dict[str, dict[str, Any]] = {
    "POST /otp": {"phone": NUMBER, "purpose": "register"},
    "POST /login": {"phone": NUMBER, "password": PASSWORD, "channel": "whatsapp"},
    "POST /token": {"challenge_id": SOME_ID, "code": "123456", "device_name": "Ana"},
    "POST /refresh": {"refresh_token": "v1.x"},
    f"PUT /blocked-users/{SOME_ID}": {"reason": "x"},
}
NOT_JSON = [
    b"",
    b"{",
    b"nul",
    b"\xff\xfe",
    b'{"phone": NaN}',
    b'{"phone": Infinity}',
    b"[" * 100_000,
    b'{"a":' * 50_000,
    b"\x00",
    '{"phone": "ñ"}'.encode("utf-16"),
]
NOT_A_BODY: list[object] = [None, [], [1], 1, "text", True, {}]
WRONG: list[object] = [
    None,
    0,
    -1,
    1e308,
    10**400,
    True,
    [],
    {},
    [NUMBER],
    {"$ne": ""},
    "",
    " ",
    "\0",
    "a\0b",
    "\ud800",
    "🙂" * 50,
    "\u202e\u05d0\u0661",
    "x" * 10_000,
    "9" * 33,
    "+54 9 11 2233-4455;ext=1",
    "+54 9 11 2233-4455 x123",
    "tel:+5491122334455",
    "+١٢٣٤٥٦٧٨٩٠",
    "' OR '1'='1",
    "../../etc/passwd",
    "{{7*7}}",
    "\r\nX-User-Id: 1",
]
DOCUMENTED = {
    400: {"malformed_request"},
    401: {"credentials_invalid", "otp_invalid", "refresh_token_invalid", "token_missing"},
    404: {"not_found"},
    413: {"payload_too_large"},
    415: {"unsupported_media_type"},
    422: {"validation_failed"},
    429: {"otp_too_many", "otp_attempts_exceeded"},
}


@pytest.fixture
async def client(world: World) -> httpx.AsyncClient:
    world.people.person(roles=["admin"])
    tokens = await world.signed_in()
    client = world.http(world.copy_of_auth(limited=False))
    client.headers["Authorization"] = f"Bearer {tokens.access_token}"
    return client


async def send(
    client: httpx.AsyncClient, call: str, content: bytes, media_type: str = "application/json"
) -> httpx.Response:
    method, path = call.split()
    return await client.request(
        method, f"/v1/auth{path}", content=content, headers={"Content-Type": media_type}
    )


def documented(answer: httpx.Response) -> str:
    problem = answer.json()
    assert problem["code"] in DOCUMENTED.get(answer.status_code, ()), (answer.status_code, problem)
    assert answer.headers["content-type"] == "application/problem+json"
    assert set(problem) >= {"type", "title", "status", "detail", "code", "request_id"}
    return f"{answer.status_code} {problem['code']}"


@pytest.mark.parametrize("call", GOOD)
async def test_what_is_no_json_is_400_and_no_object_422(client: httpx.AsyncClient, call: str) -> None:
    for content in NOT_JSON[1:]:
        assert documented(await send(client, call, content)) == "400 malformed_request", content[:20]
    assert documented(await send(client, call, b"")) in {"400 malformed_request", "422 validation_failed"}
    for body in NOT_A_BODY:
        answer = await send(client, call, json.dumps(body).encode())
        assert documented(answer) == "422 validation_failed", body


@pytest.mark.parametrize("call", GOOD)
async def test_another_media_type_is_415_and_a_huge_body_413(client: httpx.AsyncClient, call: str) -> None:
    good = json.dumps(GOOD[call]).encode()
    for media_type in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        answer = await send(client, call, good, media_type)
        assert documented(answer) == "415 unsupported_media_type"
    answer = await send(client, call, b'"' + b"x" * 1024 * 1024 + b'"')
    assert documented(answer) == "413 payload_too_large"


@pytest.mark.parametrize("call", GOOD)
async def test_an_unknown_or_missing_field_is_named(client: httpx.AsyncClient, call: str) -> None:
    answer = await send(client, call, json.dumps({**GOOD[call], "role": "admin"}).encode())
    assert documented(answer) == "422 validation_failed"
    assert [error["field"] for error in answer.json()["errors"]] == ["role"]
    for name in {"phone", "purpose", "password", "challenge_id", "code", "refresh_token", "reason"} & set(
        GOOD[call]
    ):
        rest = {other: value for other, value in GOOD[call].items() if other != name}
        answer = await send(client, call, json.dumps(rest).encode())
        assert documented(answer) == "422 validation_failed"
        assert [error["field"] for error in answer.json()["errors"]] == [name]


@pytest.mark.parametrize("call", GOOD)
async def test_no_value_breaks_anything(world: World, client: httpx.AsyncClient, call: str) -> None:
    world.people.blocked.clear()
    for name in GOOD[call]:
        for value in WRONG:
            answer = await send(client, call, json.dumps({**GOOD[call], name: value}).encode())
            allowed = answer.is_success and (call, name) in HARMLESS
            assert allowed or documented(answer), (name, value)
            if name == "refresh_token" and isinstance(value, str):
                assert answer.status_code == 401, value
    assert {event.phone for event in await world.told(CodeRequested)} == {NUMBER}
    assert world.people.blocked == {}


# The only fields where some of these values are as good as any other.
HARMLESS = {("POST /login", "channel")}


@pytest.mark.parametrize("what", ["sessions", "blocked-users"])
async def test_lists_refuse_bad_pages(client: httpx.AsyncClient, what: str) -> None:
    for query in (
        "limit=0",
        "limit=101",
        "limit=-1",
        "limit=x",
        "limit=1e9",
        "limit=",
        "cursor=x",
        "cursor=",
        "cursor=%00",
        "cursor=W10",
        "cursor=WyJhIiwiYiJd",
        "cursor=WyJhIl0",
        f"cursor={'a' * 2000}",
        "cursor=🙂",
    ):
        answer = await client.get(f"/v1/auth/{what}?{query}")
        assert documented(answer) == "422 validation_failed", query
    assert (await client.get(f"/v1/auth/{what}?unknown=1")).is_success


async def test_an_id_that_is_none_is_404(client: httpx.AsyncClient) -> None:
    for bad in ("x", "0", "null", "%F0%9F%99%82", f"{SOME_ID}x", "a" * 3000, SOME_ID):
        for method, path in (
            ("DELETE", f"/v1/auth/sessions/{bad}"),
            ("GET", f"/v1/auth/blocked-users/{bad}"),
            ("DELETE", f"/v1/auth/blocked-users/{bad}"),
        ):
            assert documented(await client.request(method, path)) == "404 not_found", (method, bad)
        answer = await client.put(f"/v1/auth/blocked-users/{bad}", json={"reason": "x"})
        assert documented(answer) == "404 not_found"


async def test_a_header_that_is_no_token_is_401_everywhere_it_matters(client: httpx.AsyncClient) -> None:
    for header in ("", "Bearer", "Bearer ", "Basic x", "x" * 5000, "Bearer " + "a." * 2000, "Bearer ñ.ñ.ñ"):
        answer = await client.get("/v1/auth/sessions", headers={"Authorization": header.encode()})  # type: ignore[arg-type] # bytes go as they are
        assert answer.status_code == 401
        assert answer.json()["code"] in {"token_missing", "token_invalid"}
        assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> Iterator[StringIO]:
    """What a process would write to standard error."""
    before = structlog.get_config()
    handlers, level = logging.root.handlers[:], logging.root.level
    written = StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    set_up_logging("debug")
    structlog.configure(cache_logger_on_first_use=False)
    yield written
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)
    structlog.configure(**before)


async def test_nothing_that_is_secret_or_personal_is_logged(world: World, logged: StringIO) -> None:
    world.people.person(email="ana@mail.com", roles=["admin"])
    tokens = await world.signed_in(device="Teléfono de Ana")
    secrets = [NUMBER, NUMBER[-8:], PASSWORD, "ana@mail.com", "Teléfono", "203.0.113.7", "geheim"]
    secrets += [tokens.access_token, tokens.refresh_token, tokens.refresh_token.split(".")[1]]
    async with world.http() as client:
        for _ in range(7):
            await client.post("/v1/auth/otp", json={"phone": NUMBER, "purpose": "register"})
        await client.post("/v1/auth/login", json={"phone": NUMBER, "password": "geheim"})
        await client.post("/v1/auth/login", json={"email": "ana@mail.com", "password": PASSWORD})
        for _ in range(7):
            await client.post(
                "/v1/auth/token",
                json={"challenge_id": str(new_id()), "code": "999999", "device_name": "geheim"},
            )
        for _ in range(3):
            await client.post("/v1/auth/refresh", json={"refresh_token": tokens.refresh_token})
        await client.post("/v1/auth/otp", content=b'{"phone": "geheim')
        # What fails inside, and is logged with where it came from.
        await world.redis.set(f"auth:family:{tokens.refresh_token.split('.')[1]}", "geheim")
        answer = await client.post("/v1/auth/refresh", json={"refresh_token": tokens.refresh_token})
        assert answer.status_code == 503
    codes = [event.code for event in await world.told(CodeRequested)]
    written = logged.getvalue()
    assert "script_failed" in written, "the test must see what is logged"
    assert [text for text in [*secrets, *codes] if text in written] == []
