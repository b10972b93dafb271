"""The merged OpenAPI document against the whole system: no answer that it does not name, none of 500 and up.

Schemathesis makes fitting and unfitting calls of every operation; real ids stand in for some of its own, or
nothing but 404 would be seen.
"""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from time import monotonic
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi import checks as promises

from tests.flows.systems import Form
from tests.flows.world import PatientApi, World

pytestmark = pytest.mark.parametrize("form", [Form.MEMORY], indirect=True, ids=["memory"])
EXAMPLES = 3
# Its types are not whole enough for the strict checker.
STRANGER: Any = schemathesis
CONFORMS: Any = promises
CHECKS = [
    STRANGER.checks.not_a_server_error,
    CONFORMS.status_code_conformance,
    CONFORMS.content_type_conformance,
    CONFORMS.response_schema_conformance,
]
# The clock is every flow's; a stream has no end to wait for.
LEFT_OUT = {("GET", "/v1/checks/logs/stream"), ("PUT", "/v1/dev/clock"), ("DELETE", "/v1/dev/clock")}
# They end the session with which they are called: each is made by somebody of its own.
ENDING = {
    ("POST", "/v1/auth/logout"),
    ("DELETE", "/v1/auth/sessions"),
    ("DELETE", "/v1/auth/sessions/{session_id}"),
    ("PUT", "/v1/users/me/password"),
    ("DELETE", "/v1/users/me"),
}


@dataclass
class Callers:
    """Who calls, and what there is to be called."""

    url: str
    tokens: Mapping[str, str]
    spare: list[str]
    ids: Mapping[str, str]
    wrong: list[str] = field(default_factory=list[str])

    def token(self, call: tuple[str, str], who: str) -> str | None:
        if call in ENDING:
            return self.spare[sorted(ENDING).index(call)]
        return self.tokens.get(who)


async def test_no_call_is_answered_otherwise_than_the_document_says(world: World) -> None:
    shop, client, admin = await world.a_business(), await world.a_client(), await world.an_admin()
    turno = await world.a_booked_turno(shop, client)
    spare = [(await world.somebody()).token for _ in ENDING]
    ids = {
        "business_id": shop.id,
        "service_id": shop.service.id,
        "staff_id": shop.staff_id,
        "appointment_id": turno.id,
        "user_id": (await world.somebody()).id,
        "starts_at": (await world.a_free_slot(shop, 3)).starts_at.isoformat(),
    }
    tokens = {"owner": shop.owner.token, "client": client.token, "admin": admin.token}
    callers = Callers(world.system.url, tokens, spare, {name: str(value) for name, value in ids.items()})
    document = (await world.api.ask("GET", "/openapi.json")).promised(200).answer
    for operations in document["paths"].values():
        for operation in operations.values():
            # It stands for whatever is not named: then nothing could be wrong.
            operation["responses"].pop("default", None)
    await asyncio.to_thread(_call_everything, document, callers)
    assert "\n".join(sorted(set(callers.wrong))) == ""


def _call_everything(document: dict[str, Any], callers: Callers) -> None:
    found: list[Any] = list(STRANGER.openapi.from_dict(document).get_all_operations())
    # What takes things away comes last, and a whole after its parts.
    operations = [one.ok() for one in found]
    operations.sort(key=lambda one: (one.method.upper() == "DELETE", -one.path.count("/")))
    for operation in operations:
        call = (operation.method.upper(), operation.path)
        if call in LEFT_OUT:
            continue
        _call_often(operation, GenerationMode.POSITIVE, call, callers)
        with suppress(Unsatisfiable):  # of some calls nothing can be wrong
            _call_often(operation, GenerationMode.NEGATIVE, call, callers)


def _call_often(
    operation: Any,  # noqa: ANN401 - as STRANGER
    mode: GenerationMode,
    call: tuple[str, str],
    callers: Callers,
) -> None:
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )
    @given(
        case=operation.as_strategy(mode),
        real=st.sampled_from([True, True, False]),
        who=st.sampled_from([*callers.tokens, "nobody"]),
    )
    def one_call(case: Any, who: str, *, real: bool) -> None:  # noqa: ANN401
        if real:
            _with_real_ids(case, callers.ids)
        token = callers.token(call, who)
        case.headers.pop("Authorization", None)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        response = case.call(base_url=callers.url, headers=headers)
        until = monotonic() + PatientApi.within_s
        while response.status_code == HTTPStatus.SERVICE_UNAVAILABLE and monotonic() < until:
            # As an app does; on a busy machine a service may be late. What stays so is found.
            response = case.call(base_url=callers.url, headers=headers)
        try:
            case.validate_response(response, checks=CHECKS)
        except FailureGroup as failures:
            callers.wrong.append(f"{call} by {who}: {response.status_code} {'; '.join(_said(failures))}")

    one_call()


def _said(failures: FailureGroup) -> Iterator[str]:
    for failure in failures.exceptions:
        yield " ".join(str(failure).split())[:400]


def _with_real_ids(case: Any, ids: Mapping[str, str]) -> None:  # noqa: ANN401
    places: list[Any] = [case.path_parameters, case.query, case.body]
    for place in places:
        if isinstance(place, dict):
            known: dict[str, object] = place  # pyright: ignore[reportUnknownVariableType] - JSON
            known.update({name: value for name, value in ids.items() if name in known})
