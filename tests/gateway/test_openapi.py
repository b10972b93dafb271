"""The one document of all services, as they are."""

import json
import re
from typing import Any

import pytest
from fastapi.routing import APIRoute

from tests.gateway.world import a_gateway, keys_of
from turnosya.app import SERVICES
from turnosya.runtime.http import web_app
from turnosya.runtime.identity import TokenVerifier
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
            content = operation["responses"]["default"]["content"]
            assert list(content) == ["application/problem+json"], call
            assert "HTTPValidationError" not in json.dumps(operation), call
    assert found["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    assert all_operations["get", "/v1/users/me"]["security"] == [{"bearer": []}]
    assert all_operations["put", "/v1/auth/blocked-users/{user_id}"]["security"] == [{"bearer": []}]
    assert "security" not in all_operations["get", "/v1/businesses"]
