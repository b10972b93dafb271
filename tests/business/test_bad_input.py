"""Whatever is sent: each wrong thing gets its problem, nothing is written, nothing crashes."""

import json
from typing import Any

import pytest

from tests.business.street import ZONE, Street
from turnosya.runtime.ids import new_id

pytestmark = pytest.mark.asyncio(loop_scope="module")

HUGE = 2**63
ABSURD = 10**400

SHOP: dict[str, Any] = {"name": "Taller", "timezone": ZONE}
SERVICE: dict[str, Any] = {"name": "Corte", "duration_minutes": 30}
MEMBER: dict[str, Any] = {"name": "Caro"}

WRONG_OF_SHOP: list[tuple[dict[str, Any], str]] = [
    ({"id": str(new_id())}, "id"),
    ({"owner_id": str(new_id())}, "owner_id"),
    ({"verified": True}, "verified"),
    ({"rating": {"average": 5, "count": 100}}, "rating"),
    ({"created_at": "2026-01-01T00:00:00Z"}, "created_at"),
    ({"name": ""}, "name"),
    ({"name": " \t "}, "name"),
    ({"name": 7}, "name"),
    ({"name": ["Taller"]}, "name"),
    ({"name": "x" * 101}, "name"),
    ({"name": "x" * 900_000}, "name"),
    ({"name": "Taller\x00"}, "name"),
    ({"name": "Taller\nde al lado"}, "name"),
    ({"name": "Taller \ud83d"}, "name"),
    ({"name": "Taller\u2028Sur"}, "name"),
    ({"timezone": "Mars/Olympus"}, "timezone"),
    ({"timezone": "america/argentina/buenos_aires"}, "timezone"),
    ({"timezone": "-03:00"}, "timezone"),
    ({"timezone": "../../../etc/passwd"}, "timezone"),
    ({"timezone": "Factory"}, "timezone"),
    ({"timezone": ""}, "timezone"),
    ({"timezone": -3}, "timezone"),
    ({"description": "x" * 4001}, "description"),
    ({"description": ""}, "description"),
    ({"description": "a\x07b"}, "description"),
    ({"category": "x" * 51}, "category"),
    ({"address": "Corrientes 1234"}, "address"),
    ({"address": []}, "address"),
    ({"address": {"country": "ARG"}}, "address.country"),
    ({"address": {"country": "XX"}}, "address.country"),
    ({"address": {"street": 1234}}, "address.street"),
    ({"address": {"street": "x" * 201}}, "address.street"),
    ({"address": {"planet": "Earth"}}, "address.planet"),
    ({"location": {"lat": -34.6}}, "location.lon"),
    ({"location": {"lat": 90.01, "lon": 0}}, "location.lat"),
    ({"location": {"lat": 0, "lon": -180.5}}, "location.lon"),
    ({"location": {"lat": "-34.6", "lon": 0}}, "location.lat"),
    ({"location": {"lat": True, "lon": 0}}, "location.lat"),
    ({"location": {"lat": ABSURD, "lon": 0}}, "location.lat"),
    ({"location": [-34.6, -58.4]}, "location"),
    ({"phone": "911"}, "phone"),
    ({"phone": 541143820000}, "phone"),
    ({"phone": "+54 11 4382-0000 int. 5"}, "phone"),
    ({"phone": "javascript:alert(1)"}, "phone"),
    ({"email": "nobody"}, "email"),
    ({"email": "a@" + "b" * 300 + ".com"}, "email"),
    ({"website": "javascript:alert(1)"}, "website"),
    ({"website": "nandu.com.ar"}, "website"),
    ({"website": "https://user:secret@nandu.com.ar"}, "website"),
    ({"website": "https://"}, "website"),
    ({"website": "https://[::1"}, "website"),
    ({"website": "http://a:99999"}, "website"),
    ({"accepted_payments": "cash"}, "accepted_payments"),
    ({"accepted_payments": ["cash", "gold"]}, "accepted_payments.1"),
    ({"accepted_payments": [None]}, "accepted_payments.0"),
    ({"accepted_payments": ["cash"] * 31}, "accepted_payments"),
    ({"currency": "ZZZ"}, "currency"),
    ({"currency": "ars"}, "currency"),
    ({"currency": "$"}, "currency"),
]
WRONG_OF_SERVICE: list[tuple[dict[str, Any], str]] = [
    ({"business_id": str(new_id())}, "business_id"),
    ({"deleted": True}, "deleted"),
    ({"name": None}, "name"),
    ({"name": "a\x00b"}, "name"),
    ({"duration_minutes": 0}, "duration_minutes"),
    ({"duration_minutes": -30}, "duration_minutes"),
    ({"duration_minutes": 1441}, "duration_minutes"),
    ({"duration_minutes": "30"}, "duration_minutes"),
    ({"duration_minutes": 30.0}, "duration_minutes"),
    ({"duration_minutes": True}, "duration_minutes"),
    ({"duration_minutes": HUGE}, "duration_minutes"),
    ({"duration_minutes": ABSURD}, "duration_minutes"),
    ({"duration_minutes": None}, "duration_minutes"),
    ({"price": 1500000}, "price"),
    ({"price": {"amount": 1}}, "price.currency"),
    ({"price": {"amount": -1, "currency": "ARS"}}, "price.amount"),
    ({"price": {"amount": 150.5, "currency": "ARS"}}, "price.amount"),
    ({"price": {"amount": HUGE, "currency": "ARS"}}, "price.amount"),
    ({"price": {"amount": ABSURD, "currency": "ARS"}}, "price.amount"),
    ({"price": {"amount": 1, "currency": "PES"}}, "price.currency"),
    ({"price": {"amount": 1, "currency": "ARS", "tax": 0}}, "price.tax"),
    ({"buffer_before_minutes": -1}, "buffer_before_minutes"),
    ({"buffer_after_minutes": 1441}, "buffer_after_minutes"),
    ({"capacity": 0}, "capacity"),
    ({"capacity": 1001}, "capacity"),
    ({"capacity": HUGE}, "capacity"),
    ({"staff_ids": []}, "staff_ids"),
    ({"staff_ids": ["nobody"]}, "staff_ids.0"),
    ({"staff_ids": [7]}, "staff_ids.0"),
    ({"staff_ids": str(new_id())}, "staff_ids"),
    ({"staff_ids": [str(new_id())] * 201}, "staff_ids"),
    ({"active": "yes"}, "active"),
    ({"active": 1}, "active"),
]
WRONG_OF_MEMBER: list[tuple[dict[str, Any], str]] = [
    ({"role": "owner"}, "role"),
    ({"id": str(new_id())}, "id"),
    ({"name": {"first": "Caro"}}, "name"),
    ({"name": "x" * 101}, "name"),
    ({"name": "\ud800"}, "name"),
    ({"user_id": "nobody"}, "user_id"),
    ({"user_id": 7}, "user_id"),
    ({"user_id": []}, "user_id"),
    ({"active": "true"}, "active"),
    ({"active": 0}, "active"),
]
WRONG: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
    *(("", SHOP, change, field) for change, field in WRONG_OF_SHOP),
    *(("/services", SERVICE, change, field) for change, field in WRONG_OF_SERVICE),
    *(("/staff", MEMBER, change, field) for change, field in WRONG_OF_MEMBER),
]


async def raw(
    street: Street, method: str, path: str, content: bytes, *, media: str = "application/json"
) -> Any:  # noqa: ANN401 - any JSON
    """The problem document for a body that is sent as it is, by the owner."""
    headers = street.callers.headers(street.ana) | {"Content-Type": media}
    answer = await street.http.request(method, f"/v1/businesses{path}", content=content, headers=headers)
    return answer.json()


async def the_calls(street: Street) -> list[tuple[str, str]]:
    """Every call that takes a body, on things that exist."""
    shop = await street.a_shop()
    service, owner = await street.a_service(shop), await street.the_owner(shop)
    return [
        ("POST", ""),
        ("PATCH", shop),
        ("POST", f"{shop}/services"),
        ("PATCH", f"{shop}/services/{service['id']}"),
        ("POST", f"{shop}/staff"),
        ("PATCH", f"{shop}/staff/{owner['id']}"),
    ]


async def test_a_wrong_field_is_named_and_nothing_is_written(street: Street) -> None:
    calls = await the_calls(street)
    rows = await street.rows()
    surprises: list[object] = []
    for kind, good, change, field in WRONG:
        create, alter = calls[("", "/services", "/staff").index(kind) * 2 :][:2]
        for (method, path), body in ((create, good | change), (alter, change)):
            text = json.dumps(body).encode()
            problem = await raw(street, method, path, text)
            errors = problem.get("errors", [])
            named = [error["field"] for error in errors if error["message"]]
            if (problem.get("code"), named) != ("validation_failed", [field]):
                surprises.append((method, change, problem))
    assert surprises == []
    assert await street.rows() == rows


async def test_all_that_is_wrong_is_named_at_once(street: Street) -> None:
    body = {"name": 1, "timezone": 2, "currency": 3, "colour": "red"}
    problem = await street.refused("POST", "", body, by=street.ana, status=422, code="validation_failed")
    assert {error["field"] for error in problem["errors"]} == set(body)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"{", "malformed_request"),
        (b"", "validation_failed"),
        (b"null", "validation_failed"),
        (b"[]", "validation_failed"),
        (b'"Taller"', "validation_failed"),
        (b"7", "validation_failed"),
        (b"NaN", "malformed_request"),
        (b'{"name": NaN}', "malformed_request"),
        (b'{"name": "\xff"}', "malformed_request"),
        (b'{"name": "a\x00b"}', "malformed_request"),
        ('{"name": "x"}'.encode("utf-16"), "malformed_request"),
        (b"[" * 100_000, "malformed_request"),
        (b'{"a":' * 50_000 + b"1" + b"}" * 50_000, "malformed_request"),
        (b'{"duration_minutes": ' + b"9" * 5000 + b"}", "malformed_request"),
        (b'{"name": "' + b"x" * 1_100_000 + b'"}', "payload_too_large"),
    ],
    ids=range(15),
)
async def test_what_is_no_request_is_refused(street: Street, content: bytes, code: str) -> None:
    calls = await the_calls(street)
    rows = await street.rows()
    for method, path in calls:
        problem = await raw(street, method, path, content)
        assert problem["code"] == code, (method, path, problem)
    assert await street.rows() == rows


async def test_what_is_not_json_is_refused_by_its_type(street: Street) -> None:
    for method, path in await the_calls(street):
        problem = await raw(street, method, path, b"name=Taller", media="application/x-www-form-urlencoded")
        assert (problem["status"], problem["code"]) == (415, "unsupported_media_type")


async def test_a_number_beyond_all_numbers_is_refused(street: Street) -> None:
    shop = await street.a_shop()
    problem = await raw(street, "PATCH", shop, b'{"location": {"lat": 1e999, "lon": 0}}')
    assert [error["field"] for error in problem["errors"]] == ["location.lat"]


async def test_a_method_that_is_not_there_is_said_with_those_that_are(street: Street) -> None:
    shop = await street.a_shop()
    answer = await street.ask("PUT", shop, {}, by=street.ana)
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert "GET" in answer.headers["Allow"]


@pytest.mark.parametrize("key", ["", " ", "a b", "ñandú".encode().decode("latin-1"), "x" * 256])
async def test_a_bad_key_is_refused(street: Street, key: str) -> None:
    headers = street.callers.headers(street.ana)
    sent = [
        (b"Authorization", headers["Authorization"].encode()),
        (b"Idempotency-Key", key.encode("latin-1")),
    ]
    answer = await street.http.post("/v1/businesses", json=SHOP, headers=sent)
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")
    assert [error["field"] for error in answer.json()["errors"]] == ["Idempotency-Key"]


@pytest.mark.parametrize("path", ["/stock", "/"])
async def test_what_is_not_built_is_not_there(street: Street, path: str) -> None:
    await street.refused("GET", f"{await street.a_shop()}{path}", status=404, code="not_found")
