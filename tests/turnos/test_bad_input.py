"""Whatever is sent, the answer is a documented problem, and nothing is written."""

import json
from typing import Any
from uuid import UUID

import pytest

from tests.turnos.town import Shop, Town, refusal

pytestmark = pytest.mark.asyncio(loop_scope="module")
MONDAY_TEN = "2027-06-14T13:00Z"

JUNK: list[Any] = [
    None, 0, -1, 10**40, 1.5, True, "", "x", "\x00", "🦄", "\u202e", [], {}, [[]], {"a": {}}, "x" * 5000,
    "2027-06-14", "2027-06-14T13:00", "10000-06-14T13:00Z", "0001-01-01T00:00Z", "2027-02-30T13:00Z",
    "2027-06-14T25:00Z", "2027-06-14T13:00+99:99", "9999-12-31T23:59:59Z", "\ud800", 1750000000,
]  # fmt: skip


def bodies(shop: Shop) -> dict[str, dict[str, Any]]:
    """A right body for each call that takes one."""
    booking = {"business_id": shop.id, "service_id": shop.cut, "starts_at": MONDAY_TEN}
    own = f"businesses/{shop.id}"
    return {
        "POST appointments": booking | {"staff_id": shop.ana, "note": "x", "hold_id": shop.id},
        "POST holds": booking | {"staff_id": shop.ana},
        f"POST {own}/appointments": {
            "service_id": shop.cut,
            "starts_at": MONDAY_TEN,
            "staff_id": shop.ana,
            "client": {"name": "Dora"},
            "force": False,
            "overbook": False,
            "reason": "x",
            "note": "x",
        },
        f"PUT {own}/schedule": {
            "weekly": [],
            "slot_step_minutes": 30,
            "min_notice_minutes": 0,
            "max_days_ahead": 1,
            "cancellation_notice_minutes": 0,
            "observe_holidays": True,
            "confirmation": "manual",
            "reschedule": "none",
            "on_conflict": "keep",
        },
        f"POST {own}/overrides": {"date": "2027-06-14", "hours": [], "staff_id": shop.ana, "note": "x"},
    }


def is_fitting(field: str, value: object) -> bool:
    """Whether some junk is a right value after all."""
    if value is None or field == "on_conflict":
        return True
    if field in ("note", "reason"):
        return isinstance(value, str) and len(value) <= 500 and value not in ("\x00", "\ud800")
    if field in ("force", "overbook", "observe_holidays"):
        return isinstance(value, bool)
    if field in ("weekly", "hours"):
        return value == []
    if field == "date":
        return value == "2027-06-14"
    return value in {0, "9999-12-31T23:59:59Z"} if isinstance(value, int | str) else False


async def everything_written(town: Town, shop: Shop) -> list[Any]:
    own = UUID(shop.id)
    found: list[Any] = []
    for table in ("appointments", "overrides", "schedules"):
        query = f"SELECT to_jsonb({table}) AS row FROM {table} WHERE business_id = $1"  # noqa: S608 - one of three
        found += await town.rows(query, own)
    return found


async def test_every_field_of_every_body_with_every_junk(town: Town) -> None:
    shop = await town.a_shop()
    before = await everything_written(town, shop)
    for call, right in bodies(shop).items():
        method, path = call.split()
        for field in right:
            for value in JUNK:
                if is_fitting(field, value):
                    continue
                answer = await town.http.request(
                    method,
                    f"/v1/turnos/{path}",
                    content=json.dumps(right | {field: value}),
                    headers=shop.owner.headers | {"Content-Type": "application/json"},
                )
                where = (call, field, value, answer.text)
                assert answer.status_code in (404, 422), where
                assert answer.json()["code"] in ("validation_failed", "slot_unavailable"), where
    assert await everything_written(town, shop) == before


async def test_unknown_and_missing_fields_are_named(town: Town) -> None:
    shop = await town.a_shop()
    for call, right in bodies(shop).items():
        method, path = call.split()
        url, headers = f"/v1/turnos/{path}", shop.owner.headers
        for extra in ("repeat", "colour", "id"):
            answer = await town.http.request(method, url, json=right | {extra: "x"}, headers=headers)
            assert (refusal(answer), answer.json()["errors"][0]["field"]) == ("422 validation_failed", extra)
        required = next(iter(right))
        rest = {name: value for name, value in right.items() if name != required}
        answer = await town.http.request(method, url, json=rest, headers=headers)
        assert (refusal(answer), answer.json()["errors"][0]["field"]) == ("422 validation_failed", required)


@pytest.mark.parametrize(
    ("content", "kind", "expected"),
    [
        (b"{", "application/json", "400 malformed_request"),
        (b"\xff\xfe", "application/json", "400 malformed_request"),
        (b'{"starts_at": NaN}', "application/json", "400 malformed_request"),
        (b"[" * 50_000, "application/json", "400 malformed_request"),
        (b"[]", "application/json", "422 validation_failed"),
        (b"null", "application/json", "422 validation_failed"),
        (b"", "application/json", "422 validation_failed"),
        (b"{}", "text/plain", "415 unsupported_media_type"),
        (b'"' + b"x" * 1_100_000 + b'"', "application/json", "413 payload_too_large"),
    ],
)
async def test_what_is_no_right_json(town: Town, content: bytes, kind: str, expected: str) -> None:
    shop = await town.a_shop()
    for call in bodies(shop):
        method, path = call.split()
        answer = await town.http.request(
            method,
            f"/v1/turnos/{path}",
            content=content,
            headers=shop.owner.headers | {"Content-Type": kind},
        )
        assert refusal(answer) == expected, call


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"from": "2027-06-15", "to": "2027-06-14"}, 422),
        ({"from": "2027-01-01", "to": "2127-01-01"}, 422),
        ({"from": "2027-06-14", "to": "2027-08-14"}, 200),
        ({"from": "2027-06-14", "to": "2027-08-15"}, 422),
        ({"from": "2027-06-14"}, 422),
        ({"from": "x", "to": "2027-06-14"}, 422),
        ({"from": "10000-01-01", "to": "10000-01-02"}, 422),
        ({"from": "9999-12-30", "to": "9999-12-31"}, 422),
        ({"from": "8999-12-30", "to": "8999-12-31"}, 200),
        ({"from": "1970-01-01", "to": "1970-01-02"}, 200),
        ({"from": "1750000000", "to": "1750000000"}, 422),
        ({"from": "2027-06-14", "to": "2027-06-14", "service_id": "x"}, 422),
        ({"from": "2027-06-14", "to": "2027-06-14", "staff_id": "\x00"}, 422),
        ({"from": "2027-06-14", "to": "2027-06-14", "colour": "blue"}, 200),
    ],
)
async def test_case_27_wrong_questions_about_slots(town: Town, query: dict[str, str], status: int) -> None:
    shop = await town.a_shop()
    answer = await town.http.get(f"{shop.path}/slots", params={"service_id": shop.cut} | query)
    assert answer.status_code == status, answer.text


@pytest.mark.parametrize("action", ["", "/cancel", "/confirm", "/complete", "/no-show"])
@pytest.mark.parametrize("bad_id", ["x", "019a", "%00", "🦄", "019a0000-0000-7000-8000-000000000000"])
async def test_an_id_that_is_none_is_not_found(town: Town, action: str, bad_id: str) -> None:
    method = "POST" if action else "GET"
    path = f"/v1/turnos/appointments/{bad_id}{action}"
    answer = await town.http.request(method, path, headers=town.somebody().headers)
    assert refusal(answer) == "404 not_found"


@pytest.mark.parametrize("path", ["deposits", "payments"])
async def test_what_is_not_built_is_not_found(town: Town, path: str) -> None:
    shop = await town.a_shop()
    for url in (f"/v1/turnos/{path}", f"{shop.path}/{path}"):
        for method in ("GET", "POST", "PUT"):
            answer = await town.http.request(method, url, json={}, headers=shop.owner.headers)
            assert refusal(answer) == "404 not_found"


async def test_a_body_that_names_services_twice_or_never(town: Town) -> None:
    shop = await town.a_shop()
    wrongs: list[dict[str, Any]] = [
        {"service_ids": [shop.cut]},
        {"service_id": None},
        {"service_id": ..., "service_ids": []},
        {"service_id": ..., "service_ids": [shop.cut] * 11},
        {"service_id": ..., "service_ids": [shop.cut, shop.id]},
    ]
    for wrong in wrongs:
        assert refusal(await shop.book(MONDAY_TEN, **wrong)) == "422 validation_failed", wrong


@pytest.mark.parametrize("key", ["", "x" * 256, "a b", "ñ"])
async def test_a_key_that_is_none_is_refused(town: Town, key: str) -> None:
    shop, client = await town.a_shop(), town.somebody()
    headers = [
        (b"idempotency-key", key.encode()),
        (b"authorization", client.headers["Authorization"].encode()),
    ]
    body = {"business_id": shop.id, "service_id": shop.cut, "starts_at": MONDAY_TEN}
    answer = await town.http.post("/v1/turnos/appointments", json=body, headers=headers)
    assert refusal(answer) == "422 validation_failed"


async def test_names_in_any_script_are_kept(town: Town) -> None:
    shop = await town.a_shop()
    for name in ("مريم", "שלום \u202eאב", "👩‍👩‍👧 Ñandú", "𠜎𠜱"):
        turno = (
            await shop.sets("2027-06-14T13:00Z", client={"name": name}, overbook=True, reason=name)
        ).json()
        assert (await town.read(turno, shop.owner))["client"]["name"] == name


async def test_an_action_without_fields_refuses_those_that_come(town: Town) -> None:
    shop = await town.a_shop()
    turno = await shop.booked("2027-06-14T13:00Z")
    for action in ("confirm", "complete", "no-show", "cancel"):
        answer = await town.act(turno, action, shop.owner, {"why": "x"})
        assert (refusal(answer), answer.json()["errors"][0]["field"]) == ("422 validation_failed", "why")
    assert (await town.act(turno, "confirm", shop.owner)).status_code == 200
    assert (await town.act(turno, "confirm", shop.owner, {})).status_code == 200
    assert (await town.read(turno, shop.owner))["status"] == "confirmed"


async def test_services_in_a_row_have_one_currency(town: Town) -> None:
    shop = await town.a_shop(service={"price": {"amount": 1000, "currency": "ARS"}})
    abroad = await shop.offers("Barba", 30, price={"amount": 5, "currency": "USD"})
    answer = await shop.book("2027-06-14T13:00Z", service_id=..., service_ids=[shop.cut, abroad])
    assert (refusal(answer), answer.json()["errors"][0]["field"]) == ("422 validation_failed", "service_ids")
