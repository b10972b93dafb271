"""The one document of all services, as they are."""

import asyncio
import json
import re
from typing import Any

import pytest
from fastapi.routing import APIRoute

from tests.gateway.world import a_gateway, keys_of
from turnosya.app import SERVICES
from turnosya.runtime.http import web_app
from turnosya.runtime.identity import TokenVerifier
from turnosya.services.gateway.openapi import MergedDocument
from turnosya.services.gateway.paths import PathTable

METHODS = {"get", "put", "post", "patch", "delete"}


async def document(*, development: bool) -> dict[str, Any]:
    async with a_gateway(development=development) as world:
        tokens = TokenVerifier(keys_of(world.key))
        for name, service in SERVICES.items():
            if name != "gateway":
                world.services[name] = web_app(name, None, tokens=tokens, routers=service.web, ready=always)
        found: dict[str, Any] = json.loads((await world.ask("GET /openapi.json")).body)
        return found


async def always() -> bool:
    return True


def outside(*, development: bool) -> set[tuple[str, str]]:
    """Every call that the services declare and the gateway lets through."""
    table = PathTable(development=development)
    return {
        (method.lower(), route.path)
        for service in SERVICES.values()
        for router in service.web
        for route in router.routes
        if isinstance(route, APIRoute) and route.include_in_schema and table.find(route.path.encode())
        for method in route.methods or ()
    }


def operations(found: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {
        (method, path): item[method]
        for path, item in found["paths"].items()
        for method in METHODS & set(item)
    }


@pytest.mark.parametrize("development", [True, False])
async def test_it_shows_every_call_of_every_service_and_nothing_inside(*, development: bool) -> None:
    found = await document(development=development)
    shown = operations(found).keys() - {("get", "/healthz"), ("get", "/readyz")}
    assert shown == outside(development=development)
    assert ("get", "/v1/dev/messages") in shown or not development
    assert not [path for path in found["paths"] if "/internal" in path]
    assert "x-unavailable" not in found["info"]


async def test_every_reference_leads_somewhere_and_every_name_is_used_once() -> None:
    found = await document(development=True)
    schemas = found["components"]["schemas"]
    references = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(found)))
    assert references == set(schemas)
    ids = [operation["operationId"] for operation in operations(found).values()]
    assert len(ids) == len(set(ids))


async def test_refusals_are_problems_and_locked_calls_say_so() -> None:
    found = await document(development=True)
    all_operations = operations(found)
    for call, operation in all_operations.items():
        if call[1].startswith("/v1"):
            for status, response in operation["responses"].items():
                # People open the links in messages: those are refused with a page.
                page = "/links/" in call[1] and status in {"404", "409"}
                kind = "text/html" if page else "application/problem+json"
                assert status < "400" or list(response["content"]) == [kind], call
            assert "HTTPValidationError" not in json.dumps(operation), call
    assert found["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    assert all_operations["get", "/v1/users/me"]["security"] == [{"bearer": []}]
    assert all_operations["put", "/v1/auth/blocked-users/{user_id}"]["security"] == [{"bearer": []}]
    assert all_operations["get", "/v1/businesses"]["security"] == [{}, {"bearer": []}]
    assert all_operations["post", "/v1/auth/refresh"]["security"] == []
    assert "security" not in found


async def test_every_call_has_a_summary_to_read() -> None:
    for call, operation in operations(await document(development=True)).items():
        summary = operation["summary"]
        assert " " in summary, call
        assert not summary.endswith("."), call
        assert "`" not in summary, call
        assert not operation.get("description", "").startswith(summary), call
        assert "security" in operation, call


async def test_every_answer_and_every_schema_says_what_it_is() -> None:
    """FastAPI's and pydantic's own words say nothing: Successful Response, Validation Error, Listed[X]."""
    found = await document(development=True)
    wordless = [
        (call, status)
        for call, operation in operations(found).items()
        for status, response in operation["responses"].items()
        if response["description"] in {"", "Successful Response", "Validation Error"}
    ]
    assert wordless == []
    schemas = found["components"]["schemas"]
    # pydantic's name for anything that JSON can say.
    assert [name for name, one in schemas.items() if not one.get("description") and name != "JsonValue"] == []
    closing = found["paths"]["/v1/turnos/businesses/{business_id}/closures"]["post"]["responses"]
    assert "`dry_run`" in closing["201"]["description"]


async def test_each_call_names_every_status_that_its_shape_can_meet() -> None:
    found = operations(await document(development=True))

    def statuses(method: str, path: str) -> set[str]:
        return set(found[method, path]["responses"])

    always = {"400", "414", "429", "431", "503", "504", "default"}
    assert statuses("get", "/v1/auth/jwks.json") == {"200", *always}
    assert statuses("get", "/v1/businesses") == {"200", "401", "422", *always}
    body = {"408", "413", "415", "422"}
    assert statuses("put", "/v1/users/{user_id}/roles") == {"200", "401", "403", "404", *body, *always}
    assert statuses("post", "/v1/turnos/holds") == {"201", "401", "404", "409", *body, *always}
    assert "409" not in statuses("post", "/v1/auth/refresh")
    description = found["post", "/v1/turnos/holds"]["responses"]["409"]["description"]
    assert description.startswith("`slot_taken`: ")
    assert "`idempotency_in_progress`" in description


async def test_every_body_refuses_fields_that_it_does_not_know() -> None:
    found = await document(development=True)
    named = {
        name
        for operation in operations(found).values()
        for name in re.findall(r"#/components/schemas/(\w+)", json.dumps(operation.get("requestBody", {})))
    }
    for name in named:
        within = re.findall(r"#/components/schemas/(\w+)", json.dumps(found["components"]["schemas"][name]))
        named = {*named, *within}
    objects = {n for n in named if found["components"]["schemas"][n].get("type") == "object"}
    assert len(objects) > 20
    # What takes no field takes no unknown one either; pages behind links are posted to by browsers.
    assert [
        call
        for call, operation in sorted(operations(found).items())
        if call[0] in {"post", "put", "patch"}
        and "requestBody" not in operation
        and not any("text/html" in answer.get("content", {}) for answer in operation["responses"].values())
    ] == []
    assert [
        name
        for name in sorted(objects)
        if found["components"]["schemas"][name].get("additionalProperties") is not False
    ] == []


async def test_a_browser_at_the_root_is_shown_the_documentation_and_a_program_that_nothing_is_there() -> None:
    async with a_gateway() as world:
        shown = await world.ask("GET /", "Accept: text/html,application/xhtml+xml;q=0.9,*/*;q=0.8")
        assert (shown.status, shown.headers["location"], shown.headers["vary"]) == (307, "/docs", "accept")
        refused = await world.ask("GET /", "Accept: */*")
        assert (refused.status, refused.problem()["code"]) == (404, "not_found")


async def test_no_two_services_make_their_documents_in_one_turn_of_the_loop() -> None:
    turns, asked = 0, list[int]()

    async def get(_service: str, _path: str) -> bytes:
        asked.append(turns)
        await asyncio.sleep(0)
        return b"{}"

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    await MergedDocument(("a", "b", "c"), get, routed=lambda _service, _path: True).get()
    counting.cancel()
    assert len(set(asked)) == len(asked) == 3
