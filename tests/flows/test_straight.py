"""The services apart: each refuses by itself whom the gateway would, and every gateway hears who is out."""

import asyncio
from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from tests.flows import wrong
from tests.flows.systems import Form
from tests.flows.world import World
from turnosya.services.gateway.paths import PathTable
from turnosya.tour.client import Exchange

pytestmark = pytest.mark.parametrize("form", [Form.SPLIT], indirect=True, ids=["split"])
NOBODYS = "019a2b3c-0000-7000-8000-000000000000"
HEARD_WITHIN_S = 5.0


async def test_a_service_asked_straight_refuses_whoever_has_no_good_token(world: World) -> None:
    document = (await world.api.ask("GET", "/openapi.json")).promised(200).answer
    person = await world.somebody()
    head, _, mac = person.token.rpartition(".")
    forged = {"Authorization": f"Bearer {head}.{mac[:-4]}AAAA"}
    locked = [
        (method, path, PathTable(development=True).find(path.encode()) or "")
        for method, path, operation in wrong.operations(document)
        if operation.get("security") == [{"bearer": []}]
    ]
    assert len(locked) > 30
    async with httpx.AsyncClient(timeout=20) as http:
        for method, path, service in locked:
            url = _straight(world, service) + _filled(path)
            for headers, code in (({}, "token_missing"), (forged, "token_invalid")):
                answer = await http.request(method, url, headers=headers)
                assert (answer.status_code, answer.json()["code"]) == (401, code), f"{method} {path}"
                assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_a_service_asked_straight_shows_a_stranger_nothing_of_others(world: World) -> None:
    shop, client, stranger = await world.a_business(), await world.a_client(), await world.somebody()
    turno = await world.a_booked_turno(shop, client)
    asked: list[tuple[str, str, str, Any, int]] = [
        ("business", "PATCH", f"/v1/businesses/{shop.id}", {"name": "Mía"}, 403),
        ("business", "DELETE", f"/v1/businesses/{shop.id}", None, 403),
        ("turnos", "PUT", f"/v1/turnos/businesses/{shop.id}/schedule", {"weekly": []}, 403),
        ("turnos", "GET", f"/v1/turnos/appointments/{turno.id}", None, 404),
        ("turnos", "POST", f"/v1/turnos/appointments/{turno.id}/cancel", {}, 404),
        ("users", "GET", "/v1/users", None, 403),
        ("users", "PUT", f"/v1/users/{stranger.id}/roles", {"roles": ["admin"]}, 403),
        ("auth", "PUT", f"/v1/auth/blocked-users/{client.id}", {"reason": "x"}, 403),
    ]
    headers = {
        "Authorization": f"Bearer {stranger.token}",
        # What the gateway would have dropped means nothing to a service.
        "X-User-Id": str(shop.owner.id),
        "X-User-Roles": "admin",
    }
    async with httpx.AsyncClient(timeout=20, headers=headers) as http:
        answers = [
            (await http.request(method, _straight(world, service) + path, json=body)).status_code
            for service, method, path, body, _ in asked
        ]
    assert answers == [status for *_, status in asked]


async def test_a_log_out_reaches_a_second_gateway(world: World) -> None:
    person = await world.somebody()
    async with world.system.another("gateway") as second, httpx.AsyncClient(timeout=20) as http:

        async def at_the_second() -> httpx.Response:
            headers = {"Authorization": f"Bearer {person.token}"}
            return await http.get(f"{second.url}/v1/users/me", headers=headers)

        async def at_its_own() -> Exchange:
            return await world.api.ask("GET", "/v1/users/me", token=person.token)

        assert (await at_the_second()).status_code == 200
        (await world.api.ask("POST", "/v1/auth/logout", token=person.token)).promised(204)
        (await at_its_own()).promised(401, "token_revoked")
        async with asyncio.timeout(HEARD_WITHIN_S):
            while (heard := await at_the_second()).status_code == 200:
                pass
        assert (heard.status_code, heard.json()["code"]) == (401, "token_revoked")


async def test_without_auth_whoever_has_a_token_waits_and_nobody_is_logged_out(world: World) -> None:
    person = await world.somebody()
    headers = {"Authorization": f"Bearer {person.token}"}
    async with httpx.AsyncClient(base_url=world.system.url, timeout=20) as http:

        async def until(status: int) -> httpx.Response:
            async with asyncio.timeout(40):
                while (heard := await http.get("/v1/users/me", headers=headers)).status_code != status:
                    # A client logs out on 401: it may be late, or served by what was heard last.
                    assert heard.status_code in {200, 503}
            return heard

        await until(200)
        await world.system.kill("auth")
        try:
            refused = await until(503)
            assert refused.json()["code"] == "service_unavailable"
            assert int(refused.headers["retry-after"]) > 0
            assert (await http.get("/v1/businesses")).status_code == 200
        finally:
            await world.system.start_again("auth")
        await until(200)


def _straight(world: World, service: str) -> str:
    return next(one.url for one in world.system.processes if service in one.names)


def _filled(path: str) -> str:
    names: Mapping[str, str] = {
        part[1:-1]: NOBODYS for part in path.split("/") if part.startswith("{") and part.endswith("}")
    }
    return wrong.filled(path, names)
