"""Wrong requests, made for every operation that the OpenAPI document names."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Operation = Mapping[str, Any]
# The codes that clients are written against; one that is not here is a promise that nobody reads.
DOCUMENTED = frozenset(
    [
        "malformed_request",
        "token_missing",
        "token_invalid",
        "token_expired",
        "token_revoked",
        "access_blocked",
        "forbidden",
        "not_found",
        "method_not_allowed",
        "request_timeout",
        "conflict",
        "payload_too_large",
        "uri_too_long",
        "unsupported_media_type",
        "validation_failed",
        "headers_too_large",
        "rate_limited",
        "service_unavailable",
        "service_timeout",
        "otp_too_many",
        "credentials_invalid",
        "otp_invalid",
        "otp_attempts_exceeded",
        "refresh_token_invalid",
        "refresh_token_reused",
        "phone_taken",
        "email_taken",
        "idempotency_key_reused",
        "idempotency_in_progress",
        "business_has_appointments",
        "slot_taken",
        "hold_expired",
        "too_many_holds",
        "slot_unavailable",
        "appointment_not_active",
        "cancellation_window_closed",
        "needs_decision",
    ]
)
HUGE = "x" * 20_000
# Values that no field of any kind takes.
HOSTILE: tuple[Any, ...] = (
    "\u0000",
    "a\u0000b",
    "\ud800",
    HUGE,
    -1,
    10**30,
    1.5,
    True,
    [],
    {},
    [[[[[[[["deep"]]]]]]]],
    {"$ne": None},
    "10000-01-01",
    "10000-01-01T00:00:00Z",
    "2027-06-14T10:00:00",
    "2027-02-30",
    "-2027-06-14T10:00:00Z",
    "2027-06-14T10:00:00+99:99",
    "' OR 1=1 --",
    "../../etc/passwd",
)
# Those of them that also come alone in each field.
ALONE: tuple[Any, ...] = ("a\u0000b", HUGE, 10**30, {}, "10000-01-01T00:00:00Z")
QUERIES = (
    "limit=0",
    "limit=-1",
    "limit=101",
    "limit=99999999999999999999",
    "limit=ten",
    "limit=1&limit=2",
    "cursor=",
    "cursor=!!!!",
    "cursor=e30",
    "cursor=W10",
    "cursor=WyJ4Il0",
    "cursor=" + "A" * 2000,
    "q=%00",
    "q=%FF%FE",
    "from=10000-01-01&to=10000-01-02",
    "from=2027-06-14&to=1900-01-01",
    "from=0001-01-01&to=9999-12-31",
    "as=owner",
    "as=business",
    "status=sold",
    "service_id=1&staff_id=%00",
    "to=%00&limit=5",
    "to=" + "9" * 500,
    "near=91,181&radius_km=-1",
    "on_conflict=explode",
)
PATH_VALUES = ("1", "%F0%9F%92%88", "00000000-0000-0000-0000-000000000000", "x" * 300, "'--", "null", "+")


@dataclass(frozen=True)
class Wrong:
    """One request; ``statuses`` are those it may get, none at all for any refusal."""

    name: str
    method: str
    path: str
    content: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    must_be: frozenset[int] = frozenset()


def operations(document: Operation) -> Iterator[tuple[str, str, Operation]]:
    """Method, path and operation."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def filled(path: str, ids: Mapping[str, str]) -> str:
    """The path with an id in each place."""
    for name, value in ids.items():
        path = path.replace("{" + name + "}", value)
    return path


def bodies(document: Operation, operation: Operation) -> list[str]:
    """Names of the fields of the body; none for an operation without one."""
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if content is None:
        return []
    schema: Any = content["schema"]
    for choice in (schema, *schema.get("anyOf", ())):
        if "$ref" in choice:
            name = choice["$ref"].rpartition("/")[2]
            return sorted(document["components"]["schemas"][name]["properties"])
    return []


def wrong_bodies(method: str, path: str, fields: list[str]) -> Iterator[Wrong]:
    """Bodies that cannot be read, are of a wrong shape, or hold what no field takes."""
    json_type = {"Content-Type": "application/json"}
    unreadable = frozenset({400})
    for name, content in (
        ("cut off", b'{"a": '),
        ("not UTF-8", b'{"a": "\xff\xfe"}'),
        ("not a number", b'{"a": NaN}'),
        ("two values", b"{} {}"),
        ("endless nesting", b"[" * 100_000),
    ):
        yield Wrong(name, method, path, content, json_type, unreadable)
    refused = frozenset({422})
    for name, content in (("a list", b"[]"), ("a text", b'"x"'), ("a number", b"1")):
        yield Wrong(name, method, path, content, json_type, refused)
    yield Wrong("unknown field", method, path, b'{"role": "admin"}', json_type, refused)
    text = {"Content-Type": "text/plain"}
    yield Wrong("not JSON by its type", method, path, b"{}", text, frozenset({415}))
    big = json.dumps({"name": "x" * (1024 * 1024 + 10)}).encode()
    yield Wrong("over a mebibyte", method, path, big, json_type, frozenset({413}))
    for value in HOSTILE:
        # All fields at once, each wrong in its own way: whatever else happens, an unknown one refuses.
        body = {**dict.fromkeys(fields, value), "not_a_field": 1}
        content = json.dumps(body).encode()
        yield Wrong(f"all fields {str(value)[:12]!r}", method, path, content, json_type)
    for value in ALONE:
        for one in fields:
            yield Wrong(
                f"{one} = {str(value)[:12]!r}", method, path, json.dumps({one: value}).encode(), json_type
            )
