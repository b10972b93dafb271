"""Whatever is sent to users: each wrong thing gets its problem, nothing is written, no code is used up."""

import json
from typing import Any

import pytest

from tests.users.town import GOOD_CODE, OTHER_PHONE, PASSWORD, PHONE, Town
from turnosya.runtime.ids import new_id

pytestmark = pytest.mark.asyncio(loop_scope="module")

ABSURD = 10**400
NEW = "dos caballos azules"

BODIES: dict[tuple[str, str], dict[str, Any]] = {
    ("POST", ""): {"phone": OTHER_PHONE, "code": GOOD_CODE, "name": "Beto", "password": NEW},
    ("PATCH", "/me"): {"name": "Ana María"},
    ("PUT", "/me/password"): {"current_password": PASSWORD, "new_password": NEW},
    ("POST", "/password-reset"): {"phone": PHONE, "code": GOOD_CODE, "new_password": NEW},
}
NAMES: list[Any] = [7, ABSURD, "", " \t", "x" * 101, "a\x00b", "a\nb", "\ud83d", ["Ana"], {"a": 1}, True]
PHONES: list[Any] = [
    *(None, 541122334455, "", "911", "0" * 33, "+54 11 2233 4455 ext 1", "+1 900 555 0100", "٥٤١١٢٢٣٣٤٤٥٥"),
    *("+870 773 111 632", "tel:+5491122334455", "\x00", "+54911\u202e22334455", "a" * 100_000, [PHONE]),
]
CODES: list[Any] = [None, 123456, ABSURD, True, "1" * 21, "12\x00456", ["123456"]]
PASSWORDS: list[Any] = [
    *(None, 12345678, "", "short", "x" * 129, "y" * 100_000, "password", "12345678", "aaaaaaaa", "Password1"),
    *("\ud800\udc00\ud800" * 4, ["un caballo verde"]),
]
EMAILS: list[Any] = [7, "nobody", "a@b@c.com", "a@" + "b" * 300 + ".com", "a b@c.com", "a@c.com\x00", "", []]
LOCALES: list[Any] = ["fr", "ES", "", 7, ["es"]]
WRONG: dict[tuple[str, str], dict[str, list[Any]]] = {
    ("POST", ""): {
        "name": [None, *NAMES],
        "phone": PHONES,
        "code": CODES,
        "password": PASSWORDS,
        "email": EMAILS,
        "locale": LOCALES,
        "role": ["admin"],
        "roles": [["admin"], []],
        "id": [str(new_id())],
        "photo": ["x"],
        "blocked": [False],
    },
    ("PATCH", "/me"): {
        "name": [None, *NAMES],
        "email": EMAILS,
        "locale": LOCALES,
        "photo_file_id": ["no", 7, "\x00"],
        "phone": [OTHER_PHONE],
        "password": [NEW],
        "roles": [["admin"]],
        "created_at": ["9999-12-31T23:59:59Z"],
    },
    ("PUT", "/me/password"): {
        "current_password": [None, 7, "x" * 1001, "a\x00b", []],
        "new_password": PASSWORDS,
        "user_id": [str(new_id())],
    },
    ("POST", "/password-reset"): {
        "phone": PHONES,
        "code": CODES,
        "new_password": PASSWORDS,
        "password": [NEW],
    },
}


async def everything(town: Town) -> str:
    """All that users keeps of people, as text."""
    async with town.users.db.read() as tx:
        rows = await tx.connection.exec_driver_sql("SELECT t::text FROM people t ORDER BY id")
        return "\n".join(rows.scalars())


async def test_a_wrong_field_is_named_and_nothing_happens(town: Town) -> None:
    ana = await town.a_person()
    headers = town.callers.headers(ana) | {"Content-Type": "application/json"}
    before, used = await everything(town), dict(town.auth.used)
    surprises: list[object] = []
    for (method, path), fields in WRONG.items():
        for field, values in fields.items():
            for value in values:
                content = json.dumps(BODIES[method, path] | {field: value}).encode()
                answer = await town.http.request(method, f"/v1/users{path}", content=content, headers=headers)
                problem: dict[str, Any] = answer.json() if answer.content else {}
                named = {error["field"].split(".")[0] for error in problem.get("errors", [])}
                if (answer.status_code, problem.get("code"), named) != (422, "validation_failed", {field}):
                    surprises.append((method, path, field, str(value)[:40], answer.status_code, problem))
                if PASSWORD in answer.text or GOOD_CODE in answer.text or NEW in answer.text:
                    surprises.append(("says a secret", method, path, field))
    assert surprises == []
    assert (await everything(town), town.auth.used) == (before, used)


@pytest.mark.parametrize("call", BODIES, ids=str)
@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"{", "malformed_request"),
        (b"", "validation_failed"),
        (b"null", "validation_failed"),
        (b"[]", "validation_failed"),
        (b'{"name": NaN}', "malformed_request"),
        (b'{"name": "\xff"}', "malformed_request"),
        (b"[" * 100_000, "malformed_request"),
        (b'{"code": ' + b"9" * 5000 + b"}", "malformed_request"),
        (b'{"name": "' + b"x" * 1_100_000 + b'"}', "payload_too_large"),
    ],
    ids=range(9),
)
async def test_what_is_no_request_is_refused(
    town: Town, call: tuple[str, str], content: bytes, code: str
) -> None:
    headers = town.callers.headers(new_id()) | {"Content-Type": "application/json"}
    answer = await town.http.request(call[0], f"/v1/users{call[1]}", content=content, headers=headers)
    assert answer.json()["code"] == code


@pytest.mark.parametrize(
    "name", ["أَمِينَة", "עדנה", "山田 太郎", "Zoë 🧉", "👩‍👩‍👧", "O'Brien-Núñez", "x" * 100]
)
async def test_a_name_may_be_written_in_any_script(town: Town, name: str) -> None:
    answer = await town.sign_up(name=name)
    assert (answer.status_code, answer.json()["name"]) == (201, name)


@pytest.mark.parametrize("password", ["correct horse 🐎", "пароль на русском", "x1" * 64, "        9"])
async def test_a_password_may_be_anything_long_enough(town: Town, password: str) -> None:
    assert (await town.sign_up(password=password)).status_code == 201


async def test_calls_that_are_not_built_are_not_there(town: Town) -> None:
    headers = town.callers.headers(await town.a_person())
    for method, path in (
        *(("GET", "/me/devices"), ("GET", "/links/other"), ("GET", "/me/")),
        *(("GET", "/"), ("POST", "/me/password/x")),
    ):
        answer = await town.http.request(method, f"/v1/users{path}", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), path
