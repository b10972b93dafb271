"""What every service's web application does with any request, before and after its own code."""

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Annotated, Any
from uuid import UUID

import httpx
import pytest
from fastapi import Depends
from fastapi.responses import StreamingResponse
from structlog.testing import capture_logs

from tests.callers import Callers
from tests.runtime.bakeries import Counter, open_counter
from tests.runtime.bakery import Bake, Bread, OvenHot
from tests.servers import Servers
from tests.stage import Stage, a_stage
from turnosya.runtime.clock import real_now
from turnosya.runtime.fields import CalendarDate, Closed, Flag, Instant, Integer
from turnosya.runtime.http import Admin, CallerLanguage, MaybeSignedIn, SignedIn, context_of, router
from turnosya.runtime.ids import new_id
from turnosya.runtime.messages import Forbidden, NotFound
from turnosya.runtime.pages import Listed, Paged, bad_cursor
from turnosya.runtime.service import Service

routes = router("/v1/loaves", tags=["loaves"])
Shop = Annotated[Counter, Depends(context_of(Counter))]


class Loaf(Closed):
    name: str
    sold: Flag = False
    number: Integer = 0
    baked_at: Instant | None = None
    best_before: CalendarDate | None = None


@routes.post("", status_code=201)
async def bake(loaf: Loaf) -> dict[str, Any]:
    return loaf.model_dump(mode="json")


@routes.get("")
async def listed(page: Paged) -> Listed[int]:
    bad_cursor(page, 1)
    after = int(page.after[0]) if page.after else 0
    return page.of(range(after + 1, 51)[: page.read], sort_values=lambda number: (number,))


@routes.get("/language")
async def language(wanted: CallerLanguage) -> dict[str, str]:
    return {"language": wanted}


@routes.get("/mine")
async def mine(caller: SignedIn) -> dict[str, str]:
    return {"user_id": str(caller.user_id)}


@routes.get("/ours")
async def ours(caller: MaybeSignedIn) -> dict[str, bool]:
    return {"known": caller is not None}


@routes.get("/all")
async def everything(_: Admin) -> dict[str, str]:
    return {}


@routes.get("/refused/{why}")
async def refused(why: str) -> None:
    match why:
        case "hot":
            raise OvenHot(until=real_now(), loaves=7)
        case "hidden":
            raise NotFound
        case "forbidden":
            raise Forbidden
        case _:
            raise ZeroDivisionError("the code is 481516")


@routes.get("/asked")
async def asked(shop: Shop) -> Bread:
    return await shop.host.bus.call(Bake())


@routes.post("/crumbs/all", status_code=204)
async def sweep_up() -> None:
    return


streams_ended: list[str] = []


@routes.get("/stream")
async def stream() -> StreamingResponse:
    async def lines() -> AsyncGenerator[bytes]:
        try:
            while True:
                yield b"crumb\n"
                await asyncio.sleep(0)
        finally:
            streams_ended.append("stream")

    return StreamingResponse(lines(), media_type="text/plain")


@routes.get("/{loaf_id}")
async def one(loaf_id: UUID) -> dict[str, str]:
    return {"id": str(loaf_id)}


@routes.delete("/{loaf_id}", status_code=204)
async def eat(loaf_id: UUID) -> None:
    _ = loaf_id


@pytest.fixture
async def stage(servers: Servers) -> AsyncGenerator[Stage]:
    async with a_stage(servers, [Service(name="shop", open=open_counter, web=[routes])]) as stage:
        yield stage


@pytest.fixture
async def http(stage: Stage) -> AsyncGenerator[httpx.AsyncClient]:
    async with stage.http("shop") as http:
        yield http


def raw(http: httpx.AsyncClient, body: bytes | str, media_type: str = "application/json") -> Any:  # noqa: ANN401
    return http.post("/v1/loaves", content=body, headers={"Content-Type": media_type})


# --- HEAD ---


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("", 200),
        ("/language", 200),
        ("/mine", 401),
        ("/refused/hot", 409),
        ("/refused/defect", 500),
        ("/x", 404),
    ],
)
async def test_head_has_the_fields_of_get_and_no_body(
    http: httpx.AsyncClient, path: str, status: int
) -> None:
    got, head = await http.get(f"/v1/loaves{path}"), await http.head(f"/v1/loaves{path}")
    assert (got.status_code, head.status_code, head.content) == (status, status, b"")
    its_own = {"x-request-id", "content-length"}
    assert {one: head.headers[one] for one in head.headers if one not in its_own} == {
        one: got.headers[one] for one in got.headers if one not in its_own
    }
    if got.is_success:
        assert head.headers["content-length"] == str(len(got.content))


async def test_head_of_a_stream_has_an_end(http: httpx.AsyncClient) -> None:
    streams_ended.clear()
    head = await asyncio.wait_for(http.head("/v1/loaves/stream"), 10)
    assert (head.status_code, head.content, streams_ended) == (200, b"", ["stream"])
    assert head.headers["content-type"].startswith("text/plain")


async def test_head_is_allowed_where_get_is_and_nowhere_else(http: httpx.AsyncClient) -> None:
    assert (await http.patch("/v1/loaves")).headers["Allow"] == "GET, HEAD, POST"
    answer = await http.head("/v1/loaves/crumbs/all")
    assert (answer.status_code, answer.content, answer.headers["Allow"]) == (405, b"", "POST")


# --- refusals ---


async def test_a_refusal_is_a_problem_document_in_the_callers_language(http: httpx.AsyncClient) -> None:
    said = {"es": "El horno está caliente.", "en": "The oven is hot.", "pt": "O forno está quente."}
    for language, detail in said.items():
        answer = await http.get("/v1/loaves/refused/hot", headers={"Accept-Language": language})
        assert answer.status_code == 409
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["content-language"] == language
        problem = answer.json()
        assert problem.pop("until").startswith("20")
        assert problem == {
            "type": "about:blank",
            "title": "Conflict",
            "status": 409,
            "detail": detail,
            "code": "oven_hot",
            "request_id": answer.headers["x-request-id"],
            "errors": [],
            "loaves": 7,
        }


@pytest.mark.parametrize(
    ("header", "language"),
    [
        (None, "es"),
        ("", "es"),
        ("de", "es"),
        ("pt-BR", "pt"),
        ("EN-us,es;q=0.5", "en"),
        ("es;q=0.1, pt;q=0.9", "pt"),
        ("en;q=0, pt;q=0.1", "pt"),
        ("*", "es"),
        ("en;q=abc", "es"),
        ("," * 5000 + "en", "es"),
    ],
)
async def test_the_preferred_of_three_languages(
    http: httpx.AsyncClient, header: str | None, language: str
) -> None:
    headers = {} if header is None else {"Accept-Language": header}
    assert (await http.get("/v1/loaves/language", headers=headers)).json() == {"language": language}


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/refused/hidden", 404, "not_found"),
        ("/refused/forbidden", 403, "forbidden"),
        ("/asked", 503, "service_unavailable"),
        ("/no-uuid", 404, "not_found"),
        ("/a/b/c", 404, "not_found"),
        ("?limit=0", 422, "validation_failed"),
    ],
)
async def test_statuses_and_codes(http: httpx.AsyncClient, path: str, status: int, code: str) -> None:
    answer = await http.get(f"/v1/loaves{path}")
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert (answer.headers.get("retry-after") is not None) == (status == 503)


async def test_another_method_is_told_which_are_allowed(http: httpx.AsyncClient) -> None:
    for path, allowed in (
        ("", "GET, HEAD, POST"),
        ("/mine", "GET, HEAD"),
        ("/" + str(new_id()), "DELETE, GET, HEAD"),
    ):
        answer = await http.put(f"/v1/loaves{path}", json={})
        assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
        assert answer.headers["allow"] == allowed


async def test_a_defect_is_logged_and_told_without_a_word_of_its_inside(http: httpx.AsyncClient) -> None:
    with capture_logs() as logs:
        answer = await http.get("/v1/loaves/refused/defect")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert "481516" not in answer.text
    assert "ZeroDivision" not in answer.text
    assert answer.headers["x-request-id"] == answer.json()["request_id"]
    assert [line["event"] for line in logs] == ["request_crashed"]


async def test_callers_are_told_to_sign_in_or_that_they_may_not(
    stage: Stage, http: httpx.AsyncClient
) -> None:
    callers, ana = Callers(stage), new_id()
    assert (await http.get("/v1/loaves/mine", headers=callers.headers(ana))).json() == {"user_id": str(ana)}
    assert (await http.get("/v1/loaves/ours")).json() == {"known": False}
    for path, headers, status, code in [
        ("mine", {}, 401, "token_missing"),
        ("mine", {"Authorization": "Basic YTpi"}, 401, "token_missing"),
        ("mine", {"Authorization": "Bearer x.y.z"}, 401, "token_invalid"),
        ("ours", {"Authorization": "Bearer x.y.z"}, 401, "token_invalid"),
        ("all", callers.headers(ana), 403, "forbidden"),
        ("all", callers.headers(ana, admin=True), 200, None),
    ]:
        answer = await http.get(f"/v1/loaves/{path}", headers=headers)
        assert (answer.status_code, answer.json().get("code")) == (status, code)
        assert (answer.headers.get("www-authenticate") == "Bearer") == (status == 401)


# --- ids and deadlines ---


async def test_a_well_formed_request_id_is_kept_and_any_other_is_replaced(http: httpx.AsyncClient) -> None:
    kept = await http.get("/v1/loaves", headers={"X-Request-Id": "mobile-7_b.2"})
    assert kept.headers["x-request-id"] == "mobile-7_b.2"
    for given in ("", "a b", "x" * 129, "a/b", "é", "<script>"):
        made = await http.get("/v1/loaves", headers=[(b"x-request-id", given.encode("latin-1"))])
        assert made.headers["x-request-id"] != given
        assert len(made.headers["x-request-id"]) == 32


async def test_a_request_to_another_service_ends_with_the_callers_time(
    stage: Stage, http: httpx.AsyncClient
) -> None:
    never = asyncio.Event()

    async def bake(_: Bake) -> Bread:
        await never.wait()
        return Bread(loaves=1)

    await stage.bus.answer(Bake, bake)
    answer = await http.get("/v1/loaves/asked", headers={"X-Internal-Timeout-Ms": "50"})
    assert (answer.status_code, answer.json()["code"]) == (504, "service_timeout")
    never.set()
    answer = await http.get("/v1/loaves/asked", headers={"X-Internal-Timeout-Ms": "9" * 4000})
    assert answer.json() == {"loaves": 1, "baker": ""}


# --- strict JSON ---

DEEP = 600


@pytest.mark.parametrize(
    "body",
    [
        "{",
        "",
        '{"name": NaN}',
        '{"name": "a", "number": Infinity}',
        '{"name": "a", "number": -Infinity}',
        "{'name': 'a'}",
        '{"name": "a",}',
        '{"name": "a"} x',
        '{"name": "a", "name": "b"}',
        '{"name": "a", "sold": {"x": 1, "x": 2}}',
        '{"name": "a\nb"}',
        b'{"name": "\xff"}',
        b'\xef\xbb\xbf{"name": "a"}',
        '{"name": "a"}'.encode("utf-16"),
        "[" * 100_000,
        '{"name":' * 100_000,
        '{"name": "a", "number": ' + "9" * 5000 + "}",
    ],
    ids=lambda body: repr(body[:24]),
)
async def test_what_is_no_json_is_malformed(http: httpx.AsyncClient, body: bytes | str) -> None:
    answer = await raw(http, body)
    assert (answer.status_code, answer.json()["code"]) == (400 if body else 422, "malformed_request" if body else "validation_failed")  # fmt: skip # noqa: E501


@pytest.mark.parametrize("depth", [50, 200, 330, 480, 900])
async def test_depth_is_refused_and_never_a_defect(http: httpx.AsyncClient, depth: int) -> None:
    answer = await raw(http, '{"name": ' + "[" * depth + "]" * depth + "}")
    assert answer.status_code in {400, 422}


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ('{"name": "a\\u0000b"}', "name", "unfit_text"),
        ('{"name": "\\ud800"}', "name", "unfit_text"),
        ('{"name": "a", "\\ud800": 1}', "\ufffd", "unfit_text"),
        ("[]", "body", "model_attributes_type"),
        ("null", "body", "model_attributes_type"),
        ('{"name": "a", "role": "admin"}', "role", "extra_forbidden"),
        ("{}", "name", "missing"),
        ('{"name": 7}', "name", "string_type"),
        ('{"name": "a", "number": "7"}', "number", "int_type"),
        ('{"name": "a", "number": true}', "number", "int_type"),
        ('{"name": "a", "sold": 1}', "sold", "bool_type"),
        ('{"name": "a", "baked_at": "2027-01-01T10:00:00"}', "baked_at", "instant"),
        ('{"name": "a", "baked_at": 1800000000}', "baked_at", "instant"),
        ('{"name": "a", "baked_at": "10000-01-01T10:00:00Z"}', "baked_at", "instant"),
        ('{"name": "a", "baked_at": "9999-12-31T23:59:59-12:00"}', "baked_at", "instant"),
        ('{"name": "a", "best_before": "2027-02-30"}', "best_before", None),
        ('{"name": "a", "best_before": "10000-01-01"}', "best_before", "date"),
        ('{"name": "a", "best_before": "2027-02-03T00:00:00Z"}', "best_before", "date"),
    ],
    ids=lambda value: str(value)[:40].encode("unicode_escape").decode(),
)
async def test_what_is_json_and_wrong_names_the_field(
    http: httpx.AsyncClient, body: str, field: str, code: str | None
) -> None:
    answer = await raw(http, body)
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")
    (error,) = answer.json()["errors"]
    assert error["field"] == field
    assert code is None or error["code"] == code
    assert error["message"]


async def test_wrong_fields_are_named_in_the_callers_language(http: httpx.AsyncClient) -> None:
    answer = await http.post("/v1/loaves", json={}, headers={"Accept-Language": "pt"})
    assert answer.json()["errors"] == [{"field": "name", "code": "missing", "message": "é obrigatório"}]


async def test_names_of_all_peoples_are_kept_as_they_are(http: httpx.AsyncClient) -> None:
    for name in ("Ñandú", "👩‍👩‍👧", "مخبز الحي", "\u202eabc", "e\u0301"):
        assert (await http.post("/v1/loaves", json={"name": name})).json()["name"] == name


async def test_a_body_over_one_mebibyte_is_too_large_and_one_of_another_type_unsupported(
    http: httpx.AsyncClient,
) -> None:
    filled = json.dumps({"name": "x" * (1024 * 1024 - 12)})
    assert len(filled) == 1024 * 1024
    assert (await raw(http, filled)).status_code == 201
    answer = await raw(http, filled + " ")
    assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")
    for media_type in ("text/plain", "application/x-www-form-urlencoded", "application/jsonp"):
        answer = await raw(http, "{}", media_type)
        assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")
    answer = await raw(http, '{"name": "a"}', "application/json; charset=utf-8")
    assert answer.status_code == 201


# --- pages ---


async def test_pages_follow_their_cursors_to_the_end_without_gap_or_repeat(http: httpx.AsyncClient) -> None:
    seen, cursor = [], None
    while True:
        query = {"limit": "7", **({"cursor": cursor} if cursor else {})}
        page = (await http.get("/v1/loaves", params=query)).json()
        seen += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == list(range(1, 51))
    assert len((await http.get("/v1/loaves")).json()["items"]) == 20


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=101",
        "limit=-1",
        "limit=ten",
        "limit=1e2",
        "cursor=",
        "cursor=!!!",
        "cursor=bm90IGpzb24",
        "cursor=W10",
        "cursor=WzFd",
        "cursor=WyIxIiwiMiJd",
        "cursor=eyJhIjoxfQ",
        "cursor=%00",
        "cursor=%F0%9F%8D%9E",
        "cursor=" + "W" * 1001,
        "cursor=" + "W1tb" * 240,
        "cursor=WyJcdWQ4MDAiXQ",
    ],
)
async def test_a_forged_cursor_or_limit_is_refused_by_name(http: httpx.AsyncClient, query: str) -> None:
    answer = await http.get(f"/v1/loaves?{query}")
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")
    assert answer.json()["errors"][0]["field"] == query.partition("=")[0]


async def test_unknown_query_parameters_are_ignored(http: httpx.AsyncClient) -> None:
    assert (await http.get("/v1/loaves?utm_source=x&limit=1")).json()["items"] == [1]
