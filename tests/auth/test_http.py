"""``/v1/auth`` as a client and a gateway see it."""

import json
from asyncio import gather
from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from tests.auth.world import DAY, MINUTE, NUMBER, PASSWORD, World
from turnosya.contracts.auth import Access, AccessChanged, CodeRequested
from turnosya.runtime.http import ACCESS_ENDED
from turnosya.runtime.ids import new_id
from turnosya.services.auth.sessions import Tokens

OTHER = "+5491166667777"


async def post(world: World, path: str, body: object, **headers: str) -> httpx.Response:
    async with world.http() as client:
        return await client.post(
            f"/v1/auth{path}",
            content=json.dumps(body),
            headers={"Content-Type": "application/json", **named(headers)},
        )


async def call(world: World, asked: str, tokens: Tokens, body: object = None) -> httpx.Response:
    async with world.http() as client:
        method, path = asked.split()
        return await client.request(method, f"/v1/auth{path}", json=body, headers=bearer(tokens))


def named(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


def bearer(tokens: Tokens) -> dict[str, str]:
    return {"Authorization": f"Bearer {tokens.access_token}"}


def refused(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    return problem


def change_in(answer: httpx.Response) -> AccessChanged:
    return AccessChanged.model_validate_json(answer.headers[ACCESS_ENDED])


# --- codes ---


async def test_a_number_that_is_known_gets_the_answer_that_any_number_gets(world: World) -> None:
    world.people.person()
    for purpose in ("register", "password_reset", "change_phone"):
        known, unknown = [
            await post(world, "/otp", {"phone": number, "purpose": purpose}) for number in (NUMBER, OTHER)
        ]
        assert known.status_code == unknown.status_code == 202
        assert set(known.headers) == set(unknown.headers)
        assert [answer.json() | {"challenge_id": ""} for answer in (known, unknown)] == [
            {
                "challenge_id": "",
                "channel": "whatsapp",
                "destination": destination,
                "expires_in": 300,
                "resend_after": 60,
            }
            for destination in ("•••• 4455", "•••• 7777")
        ]
    events = await world.told(CodeRequested)
    assert [(event.phone, event.user_id) for event in events] == [(NUMBER, None), (OTHER, None)] * 3


async def test_a_code_is_asked_for_in_the_callers_language_and_any_spelling(world: World) -> None:
    await post(world, "/otp", {"phone": "011 15-2233-4455", "purpose": "register"}, Accept_Language="pt-BR")
    [event] = await world.told(CodeRequested)
    assert (event.phone, event.locale) == (NUMBER, "pt")


async def test_too_many_codes_are_refused_with_when_to_come_back(world: World) -> None:
    asked = {"phone": NUMBER, "purpose": "register"}
    await post(world, "/otp", asked)
    answer = await post(world, "/otp", asked)
    refused(answer, 429, "otp_too_many")
    assert answer.headers["Retry-After"] == "60"


async def test_budgets_go_by_the_address_that_the_gateway_names(world: World) -> None:
    async def ask(number: int, address: str) -> int:
        asked = {"phone": f"+54911223{number}000", "purpose": "register"}
        return (await post(world, "/otp", asked, X_Forwarded_For=address)).status_code

    assert [await ask(number, "198.51.100.1") for number in range(30, 36)] == [202] * 5 + [429]
    assert await ask(35, "198.51.100.2") == 202


# --- logging in ---


async def logged_in(world: World, **asked: str) -> tuple[httpx.Response, httpx.Response]:
    sent = await post(world, "/login", {"phone": NUMBER, "password": PASSWORD, **asked})
    code = [event.code for event in await world.told(CodeRequested)][-1]
    body = {"challenge_id": sent.json()["challenge_id"], "code": code, "device_name": "Ana ☎"}
    return sent, await post(world, "/token", body)


async def test_password_then_code_then_tokens(world: World) -> None:
    person = world.people.person()
    sent, given = await logged_in(world)
    assert sent.status_code == 202
    assert sent.json() == {
        "challenge_id": sent.json()["challenge_id"],
        "channel": "whatsapp",
        "destination": "•••• 4455",
        "expires_in": 300,
        "resend_after": 60,
    }
    assert given.status_code == 200
    assert given.headers["Cache-Control"] == "no-store"
    tokens = given.json()
    caller = await world.verifier.verify(tokens.pop("access_token"))
    assert tokens.pop("refresh_token").startswith("v1.")
    assert tokens == {
        "token_type": "Bearer",
        "expires_in": 900,
        "refresh_expires_in": 2_592_000,
        "session_id": str(caller.session_id),
        "user_id": str(person.id),
    }


async def test_a_wrong_password_and_an_unknown_number_get_the_same_refusal(world: World) -> None:
    world.people.person()
    answers = [
        await post(world, "/login", {"phone": number, "password": "wrong password"})
        for number in (NUMBER, OTHER)
    ]
    problems = [refused(answer, 401, "credentials_invalid") for answer in answers]
    assert problems[0] | {"request_id": ""} == problems[1] | {"request_id": ""}
    assert answers[0].headers["WWW-Authenticate"] == "Bearer"
    assert await world.told(CodeRequested) == []


@pytest.mark.parametrize("who", [{}, {"phone": NUMBER, "email": "ana@mail.com"}])
async def test_logging_in_names_a_number_or_an_address_not_both(world: World, who: dict[str, str]) -> None:
    problem = refused(await post(world, "/login", {**who, "password": PASSWORD}), 422, "validation_failed")
    assert [error["field"] for error in problem["errors"]] == ["phone"]


async def test_logging_in_with_an_e_mail_address(world: World) -> None:
    world.people.person(email="ana@mail.com")
    asked = {"email": "ana@mail.com", "password": PASSWORD, "channel": "email"}
    answer = await post(world, "/login", asked)
    assert answer.json()["destination"] == "a•••@mail.com"


async def test_log_in_codes_have_pauses_too(world: World) -> None:
    world.people.person()
    asked = {"phone": NUMBER, "password": PASSWORD}
    await post(world, "/login", asked)
    refused(await post(world, "/login", asked), 429, "otp_too_many")


async def test_tries_of_a_code(world: World) -> None:
    world.people.person()
    sent = await post(world, "/login", {"phone": NUMBER, "password": PASSWORD})
    challenge_id = sent.json()["challenge_id"]
    [event] = await world.told(CodeRequested)
    for other in ("no code", "", "١٢٣٤٥٦", "x" * 64, f"{event.code} "):
        refused(
            await post(world, "/token", {"challenge_id": challenge_id, "code": other}), 401, "otp_invalid"
        )
    answer = await post(world, "/token", {"challenge_id": challenge_id, "code": event.code})
    refused(answer, 429, "otp_attempts_exceeded")
    answer = await post(world, "/token", {"challenge_id": str(new_id()), "code": event.code})
    refused(answer, 401, "otp_invalid")


async def test_the_eleventh_session_tells_the_gateway_whose_access_ended(world: World) -> None:
    world.people.person()
    oldest, *_ = [await world.signed_in() for _ in range(10)]
    world.now.pass_(DAY)
    _, given = await logged_in(world)
    assert change_in(given).ended_session_ids == [oldest.session_id]


# --- refreshing ---


async def test_refreshing_and_a_repeat_of_it(world: World) -> None:
    world.people.person()
    first = await world.signed_in()
    body = {"refresh_token": first.refresh_token}
    answers = await gather(*(post(world, "/refresh", body, Idempotency_Key="k1") for _ in range(10)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["refresh_token"] for answer in answers}) == 1
    assert answers[0].headers["Cache-Control"] == "no-store"
    assert set(answers[0].json()) == {
        "access_token",
        "refresh_token",
        "token_type",
        "expires_in",
        "refresh_expires_in",
        "session_id",
        "user_id",
    }


async def test_reuse_is_told_to_the_gateway_before_the_answer_leaves(world: World) -> None:
    world.people.person()
    first = await world.signed_in()
    await world.refresh(first)
    answer = await post(world, "/refresh", {"refresh_token": first.refresh_token})
    refused(answer, 401, "refresh_token_reused")
    assert change_in(answer).ended_session_ids == [first.session_id]
    again = await post(world, "/refresh", {"refresh_token": first.refresh_token})
    refused(again, 401, "refresh_token_invalid")
    assert ACCESS_ENDED not in again.headers


@pytest.mark.parametrize(
    "text",
    ["", "x", "\0", "\ud800", "v1.\0", "🙂" * 1000, "a" * 900_000, "٣" * 80, "v1.a.1.b\r\n", "' OR 1=1"],
)
async def test_any_string_that_is_not_ours_is_401(world: World, text: str) -> None:
    refused(await post(world, "/refresh", {"refresh_token": text}), 401, "refresh_token_invalid")


@pytest.mark.parametrize("key", ["", "ñ".encode().decode("latin-1"), "a" * 256, "a b\tc", "a" * 2000])
async def test_a_malformed_idempotency_key_is_refused_and_nothing_rotates(world: World, key: str) -> None:
    world.people.person()
    first = await world.signed_in()
    async with world.http() as client:
        answer = await client.post(
            "/v1/auth/refresh",
            json={"refresh_token": first.refresh_token},
            headers={"Idempotency-Key": key.encode("latin-1")},  # type: ignore[arg-type] # bytes go as they are
        )
    refused(answer, 422, "validation_failed")
    await world.refresh(first)


# --- sessions ---


async def test_logging_out(world: World) -> None:
    world.people.person()
    here, there = await world.signed_in(), await world.signed_in()
    answer = await call(world, "POST /logout", here)
    assert (answer.status_code, answer.content) == (204, b"")
    assert change_in(answer).ended_session_ids == [here.session_id]
    answer = await post(world, "/refresh", {"refresh_token": here.refresh_token})
    refused(answer, 401, "refresh_token_invalid")
    await world.refresh(there)


async def test_the_callers_devices(world: World) -> None:
    world.people.person()
    world.people.person(OTHER)
    stranger = await world.signed_in(OTHER, device="strange")
    mine = [await world.signed_in(device=f"d{number}") for number in range(3)]
    answer = await call(world, "GET /sessions?limit=2", mine[1])
    shown = answer.json()["items"]
    assert [(one["device_name"], one["current"]) for one in shown] == [("d2", False), ("d1", True)]
    assert set(shown[0]) == {"id", "device_name", "created_at", "last_used_at", "current"}
    assert shown[0]["created_at"].endswith("Z")
    rest = await call(world, f"GET /sessions?limit=2&cursor={answer.json()['next_cursor']}", mine[1])
    assert [one["device_name"] for one in rest.json()["items"]] == ["d0"]
    assert rest.json()["next_cursor"] is None

    ended = await call(world, f"DELETE /sessions/{mine[0].session_id}", mine[1])
    assert (ended.status_code, change_in(ended).ended_session_ids) == (204, [mine[0].session_id])
    for gone in (mine[0].session_id, stranger.session_id, new_id(), "no-uuid"):
        refused(await call(world, f"DELETE /sessions/{gone}", mine[1]), 404, "not_found")
    all_ended = await call(world, "DELETE /sessions", mine[1])
    assert set(change_in(all_ended).ended_session_ids) == {mine[1].session_id, mine[2].session_id}
    assert change_in(all_ended).version is not None
    await world.refresh(stranger)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/logout"),
        ("GET", "/sessions"),
        ("DELETE", "/sessions"),
        ("DELETE", "/sessions/0198c1f0-0000-7000-8000-000000000000"),
        ("GET", "/blocked-users"),
        ("GET", "/blocked-users/0198c1f0-0000-7000-8000-000000000000"),
        ("PUT", "/blocked-users/0198c1f0-0000-7000-8000-000000000000"),
        ("DELETE", "/blocked-users/0198c1f0-0000-7000-8000-000000000000"),
    ],
)
async def test_straight_to_the_service_a_token_is_needed_all_the_same(
    world: World, method: str, path: str
) -> None:
    world.people.person()
    tokens = await world.signed_in()
    async with world.http() as client:
        answer = await client.request(method, f"/v1/auth{path}", json={"reason": "x"})
        refused(answer, 401, "token_missing")
        for header in ("Bearer x.y.z", f"Bearer {tokens.access_token}x", f"Bearer {tokens.refresh_token}"):
            answer = await client.request(
                method, f"/v1/auth{path}", json={"reason": "x"}, headers={"Authorization": header}
            )
            refused(answer, 401, "token_invalid")
        world.now.pass_(15 * MINUTE)
        answer = await client.request(method, f"/v1/auth{path}", json={"reason": "x"}, headers=bearer(tokens))
        refused(answer, 401, "token_expired")


@pytest.mark.parametrize("authorization", ["Bearer expired", "Basic YTpi", "nonsense", ""])
async def test_calls_that_begin_a_session_ignore_what_an_app_attaches(
    world: World, authorization: str
) -> None:
    world.people.person()
    first = await world.signed_in()
    bodies = {
        "/otp": {"phone": NUMBER, "purpose": "register"},
        "/login": {"phone": NUMBER, "password": PASSWORD},
        "/refresh": {"refresh_token": first.refresh_token},
    }
    for path, body in bodies.items():
        answer = await post(world, path, body, Authorization=authorization)
        assert answer.is_success, path
    async with world.http() as client:
        answer = await client.get("/v1/auth/jwks.json", headers={"Authorization": authorization})
        assert answer.is_success
    wrong = {"challenge_id": str(new_id()), "code": "123456"}
    refused(await post(world, "/token", wrong, Authorization=authorization), 401, "otp_invalid")


async def test_the_public_keys(world: World) -> None:
    async with world.http() as client:
        answer = await client.get("/v1/auth/jwks.json")
    assert answer.headers["Cache-Control"] == "public, max-age=300"
    [key] = answer.json()["keys"]
    assert {**key, "kid": "", "x": ""} == {
        "kty": "OKP",
        "crv": "Ed25519",
        "use": "sig",
        "alg": "EdDSA",
        "kid": "",
        "x": "",
    }
    assert "d" not in key


# --- blocked people ---


async def test_an_admin_blocks_and_unblocks(world: World) -> None:
    admin, person = world.people.person(roles=["admin"]), world.people.person(OTHER)
    by, bad = await world.signed_in(), await world.signed_in(OTHER)
    path = f"/blocked-users/{person.id}"
    refused(await call(world, f"GET {path}", by), 404, "not_found")
    answer = await call(world, f"PUT {path}", by, {"reason": "abuse"})
    assert (answer.status_code, answer.content) == (204, b"")
    change = change_in(answer)
    assert (change.user_id, change.blocked, change.ended_session_ids) == (person.id, True, [bad.session_id])
    refused(await post(world, "/refresh", {"refresh_token": bad.refresh_token}), 401, "access_blocked")
    shown = (await call(world, f"GET {path}", by)).json()
    assert (shown["user_id"], shown["reason"]) == (str(person.id), "abuse")
    assert (await call(world, "GET /blocked-users", by)).json() == {"items": [shown], "next_cursor": None}
    for _ in range(2):
        answer = await call(world, f"DELETE {path}", by)
        assert (answer.status_code, change_in(answer).blocked) == (204, False)
    assert (await call(world, "GET /blocked-users", by)).json()["items"] == []
    for nobody in (new_id(), "no-uuid"):
        answer = await call(world, f"PUT /blocked-users/{nobody}", by, {"reason": "x"})
        refused(answer, 404, "not_found")
    assert admin.id != person.id


async def test_the_list_of_blocked_people_has_pages(world: World) -> None:
    world.people.person(roles=["admin"])
    by = await world.signed_in()
    people = [world.people.person(f"+5491166{number}0000") for number in range(30, 35)]
    for person in people:
        await call(world, f"PUT /blocked-users/{person.id}", by, {"reason": "x"})
    seen: list[str] = []
    path: str | None = "/blocked-users?limit=2"
    while path:
        page = (await call(world, f"GET {path}", by)).json()
        seen += [one["user_id"] for one in page["items"]]
        path = page["next_cursor"] and f"/blocked-users?limit=2&cursor={page['next_cursor']}"
    assert seen == sorted(str(person.id) for person in people)


async def test_blocking_is_for_admins(world: World) -> None:
    person = world.people.person()
    tokens = await world.signed_in()
    for method, path in (("GET", ""), ("GET", f"/{person.id}"), ("PUT", f"/{person.id}")):
        answer = await call(world, f"{method} /blocked-users{path}", tokens, {"reason": "x"})
        refused(answer, 403, "forbidden")
    refused(await call(world, f"DELETE /blocked-users/{person.id}", tokens), 403, "forbidden")
    assert world.people.blocked == {}


async def test_a_gateway_that_hears_nothing_asks_who_may_not_enter(world: World) -> None:
    person = world.people.person()
    tokens = await world.signed_in()
    await call(world, "DELETE /sessions", tokens)
    async with world.http() as client:
        answer = await client.get("/internal/access")
        assert (await client.get("/v1/internal/access")).status_code == 404
    found = Access.model_validate_json(answer.content)
    assert found.ended_session_ids == [tokens.session_id]
    assert set(found.versions) == {person.id}


async def test_an_empty_store_answers_503_until_users_has_told_who_is_blocked(world: World) -> None:
    person = world.people.person()
    tokens = await world.signed_in()
    world.people.blocked[person.id] = "abuse"
    await world.lose_everything()
    world.people.away = True
    sent = {"refresh_token": tokens.refresh_token}
    async with world.http() as client:
        answers = [
            await client.get("/internal/access"),
            await client.post("/v1/auth/refresh", json=sent),
            await client.post("/v1/auth/logout", headers=bearer(tokens)),
            await client.delete("/v1/auth/sessions", headers=bearer(tokens)),
        ]
        for answer in answers:
            refused(answer, 503, "service_unavailable")
            assert int(answer.headers["Retry-After"]) > 0
        world.people.away = False
        answer = await client.get("/internal/access")
        assert Access.model_validate_json(answer.content).blocked_user_ids == [person.id]
        answer = await client.post("/v1/auth/refresh", json=sent)
        refused(answer, 401, "refresh_token_invalid")
