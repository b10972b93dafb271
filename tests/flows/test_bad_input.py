"""Every endpoint against what nobody should send: a documented problem, nothing written, nothing logged."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

import httpx
import pytest

from tests.flows import wrong
from tests.flows.systems import Form
from tests.flows.world import World
from tests.flows.wrong import Wrong
from turnosya.runtime.field_errors import NOT_VALID
from turnosya.tour.people import Person

pytestmark = pytest.mark.parametrize("form", [Form.MEMORY], indirect=True, ids=["memory"])
AT_ONCE = 8
NO_WORDS = {"", *NOT_VALID}
TABLES = {"users": ("people",), "business": ("businesses", "services", "staff"), "turnos": ("appointments",)}
# These answer whatever they are sent: they change nothing, or what they change is the clock.
READS = ("/healthz", "/readyz", "/v1/dev/clock", "/v1/checks/health")


async def test_no_body_path_or_query_is_answered_by_anything_but_a_documented_problem(world: World) -> None:
    shop = await world.a_business()
    client = await world.a_client()
    turno = await world.a_booked_turno(shop, client)
    document = (await world.api.ask("GET", "/openapi.json")).promised(200).answer
    ids = _ids(shop.id, shop.service.id, shop.staff_id, turno.id, client.id)
    await world.system.until_settled()
    before = await _counted(world)

    found = await _tried(world, client, [*_of_bodies(document, ids), *_of_paths(document)])
    assert found == []
    assert await _counted(world) == before, "nothing is written"
    assert await _tried(world, client, _of_queries(document, ids)) == []


async def test_a_forged_token_is_never_taken_for_nobody(world: World) -> None:
    document = (await world.api.ask("GET", "/openapi.json")).promised(200).answer
    ids = _ids(*["019a2b3c-0000-7000-8000-000000000000"] * 5)
    person = await world.somebody()
    head, _, mac = person.token.rpartition(".")
    forged = (f"{head}.{mac[:-4]}AAAA", "x", "a.b.c", head + ".", "e30.e30.e30", "x" * 5000)
    ignoring = {f"/v1/auth/{name}" for name in ("otp", "login", "token", "refresh", "jwks.json")}
    tries = [
        Wrong(
            f"forged {number}",
            method,
            wrong.filled(path, ids),
            headers={"Authorization": f"Bearer {token}"},
            must_be=frozenset({401}),
        )
        for method, path, _ in wrong.operations(document)
        for number, token in enumerate(forged)
        if path not in {*ignoring, "/healthz", "/readyz"}
    ]
    assert await _tried(world, None, tries) == []


async def test_somebody_elses_things_are_not_touched(world: World) -> None:
    shop, stranger = await world.a_business(), await world.somebody("Extraña")
    client = await world.a_client()
    turno = await world.a_booked_turno(shop, client)
    business, path = f"/v1/businesses/{shop.id}", f"/v1/turnos/businesses/{shop.id}"
    starts_at = (await world.a_free_slot(shop, 5)).starts_at.isoformat()
    asked: list[tuple[str, str, Any, int]] = [
        ("PATCH", business, {"name": "Mía"}, 403),
        ("DELETE", business, None, 403),
        ("POST", f"{business}/services", {"name": "Robo", "duration_minutes": 30}, 403),
        ("PATCH", f"{business}/services/{shop.service.id}", {"name": "Robo"}, 403),
        ("DELETE", f"{business}/services/{shop.service.id}", None, 403),
        ("POST", f"{business}/staff", {"name": "Intruso"}, 403),
        ("PATCH", f"{business}/staff/{shop.staff_id}", {"active": False}, 403),
        ("DELETE", f"{business}/staff/{shop.staff_id}", None, 403),
        ("PUT", f"{path}/schedule", {"weekly": []}, 403),
        ("POST", f"{path}/overrides", {"date": "2027-06-14", "hours": []}, 403),
        (
            "POST",
            f"{path}/appointments",
            {"service_id": str(shop.service.id), "starts_at": starts_at, "client": {"name": "Nadie"}},
            403,
        ),
        ("GET", f"/v1/turnos/appointments/{turno.id}", None, 404),
        ("POST", f"/v1/turnos/appointments/{turno.id}/cancel", {}, 404),
        ("POST", f"/v1/turnos/appointments/{turno.id}/reschedule", {"starts_at": starts_at}, 404),
        ("POST", f"/v1/turnos/appointments/{turno.id}/complete", None, 404),
        ("PUT", f"/v1/users/{stranger.id}/roles", {"roles": ["admin"]}, 403),
        ("GET", "/v1/users", None, 403),
        ("PUT", f"/v1/auth/blocked-users/{client.id}", {"reason": "porque sí"}, 403),
    ]
    answers = [(await stranger.ask(method, at, body)).status for method, at, body, _ in asked]
    assert answers == [status for *_, status in asked]
    listed = {"as": "business", "business_id": str(shop.id)}
    assert (await stranger.ask("GET", "/v1/turnos/appointments", params=listed)).status in {403, 404}
    assert (await client.turno(turno.id)).status == "confirmed"


async def test_names_in_any_script_are_kept_as_they_are(world: World) -> None:
    person = await world.somebody()
    for name in ("💈 El Peine 💇🏽‍♀️", "صالون الحلاقة", "מספרה", "Ñandú «Peñarol»", "理发店"):
        body = {"name": name, "timezone": "America/Argentina/Buenos_Aires"}
        made = (await person.ask("POST", "/v1/businesses", body)).promised(201)
        read = await world.api.ask("GET", f"/v1/businesses/{made.answer['id']}")
        assert read.promised(200).answer["name"] == name


async def test_the_log_knows_no_secrets_and_no_crash(world: World) -> None:
    """The last of this file: it reads what all flows of this system have left."""
    client = await world.a_client("Zulema Inconfundible")
    code = client.newest_code
    assert code is not None
    said = world.system.processes[0].log.read_text("utf-8", "replace")
    assert "request_crashed" not in said
    assert "front_door_failed" not in said
    for secret in (client.token, client.password, client.phone, client.name, f'"{code.data["code"]}"'):
        assert secret not in said


def _ids(*ids: object) -> Mapping[str, str]:
    business, service, staff, turno, user = map(str, ids)
    other = {"session_id": user, "override_id": user, "hold_id": user}
    known = {"business_id": business, "service_id": service, "staff_id": staff, "appointment_id": turno}
    return {**known, "user_id": user, **other}


def _of_bodies(document: wrong.Operation, ids: Mapping[str, str]) -> Iterable[Wrong]:
    for method, path, operation in wrong.operations(document):
        if path in READS:
            continue
        fields = wrong.bodies(document, operation)
        if fields:
            yield from wrong.wrong_bodies(method, wrong.filled(path, ids), fields)


def _of_paths(document: wrong.Operation) -> Iterable[Wrong]:
    for method, path, _ in wrong.operations(document):
        if "{" not in path:
            yield Wrong("no such method", "TRACE" if method == "BREW" else "BREW", path)
            continue
        for value in wrong.PATH_VALUES:
            yield Wrong("no such id", method, wrong.filled(path, dict.fromkeys(_ids(*"12345"), value)))


def _of_queries(document: wrong.Operation, ids: Mapping[str, str]) -> Iterable[Wrong]:
    for method, path, _ in wrong.operations(document):
        if method == "GET":
            for query in wrong.QUERIES:
                yield Wrong("query", method, f"{wrong.filled(path, ids)}?{query}")


_PAGES = "/b/"


async def _tried(world: World, caller: Person | None, tries: Iterable[Wrong]) -> list[str]:
    """Every answer that is not as it should be, in one line each."""
    limit = asyncio.Semaphore(AT_ONCE)
    headers = {"Authorization": f"Bearer {caller.token}"} if caller else {}
    async with httpx.AsyncClient(base_url=world.system.url, headers=headers, timeout=20) as http:

        async def one(wanted: Wrong) -> str | None:
            async with limit:
                answer = await http.request(
                    wanted.method, wanted.path, content=wanted.content, headers=dict(wanted.headers)
                )
            why = _why_not(wanted, answer)
            return why and f"{wanted.method} {wanted.path[:120]} ({wanted.name}): {why}"

        return [why for why in await asyncio.gather(*map(one, tries)) if why]


def _why_not(wanted: Wrong, answer: httpx.Response) -> str | None:
    if answer.is_success:
        # Reading with an odd query is no harm, and a field may take what another does not.
        return None if not wanted.must_be else f"{answer.status_code}, not {sorted(wanted.must_be)}"
    if answer.status_code >= 500:
        return f"{answer.status_code} {answer.text[:200]}"
    kind = answer.headers.get("content-type", "")
    if not kind.startswith("application/problem+json"):
        # For people with a browser what is not there is a page, too.
        is_page = wanted.path.startswith(_PAGES) and kind.startswith("text/html")
        return None if is_page else f"{answer.status_code} is no problem document: {answer.text[:100]}"
    problem = answer.json()
    if problem["status"] != answer.status_code or problem["code"] not in wrong.DOCUMENTED:
        return f"{answer.status_code} with {problem['status']} {problem['code']}"
    lacks = [one for one in problem["errors"] if one["code"] == "value_error" or one["message"] in NO_WORDS]
    if lacks or problem["request_id"] != answer.headers.get("x-request-id") or not problem["detail"]:
        return f"the problem lacks its request id, text, or words for a field: {problem}"
    # Whoever may not do it at all may be told so before the body is read.
    allowed = {401, 403, 404, *wanted.must_be} if wanted.must_be else {answer.status_code}
    return None if answer.status_code in allowed else f"{answer.status_code} {problem['code']}"


async def _counted(world: World) -> Mapping[str, int]:
    return {
        f"{service}.{table}": (await world.system.rows(service, f"SELECT count(*) FROM {table}"))[0][0]  # noqa: S608
        for service, tables in TABLES.items()
        for table in tables
    }
