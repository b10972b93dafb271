"""Dead letters: seen with their reason, replayed in order, dropped, and never with a secret."""

from collections.abc import AsyncGenerator
from typing import Any
from uuid import UUID

import httpx
import pytest
import pytest_asyncio

from tests.callers import Callers
from tests.servers import Servers
from tests.stage import Stage, a_stage, until
from turnosya.contracts import users
from turnosya.runtime.clock import real_now
from turnosya.runtime.ids import new_id
from turnosya.services.checks.service import service as checks

pytestmark = pytest.mark.asyncio(loop_scope="module")

LETTERS = "/v1/checks/dead-letters"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(servers: Servers) -> AsyncGenerator[Stage]:
    async with a_stage(servers, [checks]) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def http(stage: Stage) -> AsyncGenerator[httpx.AsyncClient]:
    await sql(stage, "TRUNCATE audit, inbox")
    async with stage.http("checks") as client:
        client.headers.update(Callers(stage).headers(new_id(), admin=True))
        yield client


async def sql(stage: Stage, statement: str) -> None:
    async with stage.running["checks"].host.db.transaction() as tx:
        await tx.connection.exec_driver_sql(statement)


async def a_dead_letter(stage: Stage, http: httpx.AsyncClient, kind: str = "erased") -> UUID:
    """A fact that was told, handled, and then declared dead as if its last try had failed."""
    subject = new_id()
    [envelope] = await stage.tell(users.SecurityNoted(kind=kind, subject_id=subject, at=real_now()))
    await until(lambda: noted(http, subject), lambda found: found == [kind])
    event_id = envelope.headers["id"]
    await sql(stage, f"DELETE FROM audit WHERE id = '{event_id}'")  # noqa: S608 - an id of ours
    died = "state = 'dead', attempts = 6, done_at = clock_timestamp(), error = 'ValueError at note:1'"
    await sql(stage, f"UPDATE inbox SET {died} WHERE event_id = '{event_id}'")  # noqa: S608 - an id of ours
    return subject


async def noted(http: httpx.AsyncClient, subject: UUID) -> list[str]:
    answer = await http.get("/v1/checks/audit", params={"subject": str(subject)})
    return [one["kind"] for one in answer.json()["items"]]


async def letters(http: httpx.AsyncClient, **query: str) -> dict[str, Any]:
    answer = await http.get(LETTERS, params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_one_is_seen_with_its_reason_and_replayed(stage: Stage, http: httpx.AsyncClient) -> None:
    subject = await a_dead_letter(stage, http)
    found = await letters(http)
    [letter] = found["items"]
    assert (letter["service"], letter["event"], letter["hearer"], letter["attempts"], letter["error"]) == (
        "checks", "users.SecurityNoted", "checks.audit.note", 6, "ValueError at note:1",
    )  # fmt: skip
    assert letter["body"]["subject_id"] == str(subject)
    assert "turnos" in found["unanswered"]
    assert "checks" not in found["unanswered"]
    replayed = await http.post(f"{LETTERS}/{letter['id']}/replay")
    assert (replayed.status_code, replayed.json()["status"]) == (200, "waiting")
    await until(lambda: noted(http, subject), lambda kinds: kinds == ["erased"])
    assert (await letters(http))["items"] == []
    lines = (await http.get("/v1/checks/audit", params={"kind": "dead_letter_replayed"})).json()["items"]
    assert [one["reason"] for one in lines] == [letter["id"]]
    # It is not there any more; where it may lie with a service that does not answer, nobody says so.
    again = await http.post(f"{LETTERS}/{letter['id']}/replay")
    assert (again.status_code, again.json()["code"]) == (503, "service_unavailable")


async def test_they_are_paged_the_latest_first_and_dropped(stage: Stage, http: httpx.AsyncClient) -> None:
    subjects = [str(await a_dead_letter(stage, http)) for _ in range(3)]
    seen: list[str] = []
    query: dict[str, str] = {"limit": "1"}
    while len(seen) <= 3:
        page = await letters(http, **query)
        seen += [one["body"]["subject_id"] for one in page["items"]]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert seen == subjects[::-1]
    for one in (await letters(http))["items"]:
        assert (await http.delete(f"{LETTERS}/{one['id']}")).status_code == 204
    assert (await letters(http))["items"] == []


async def test_one_that_carried_a_secret_shows_nothing_and_cannot_be_replayed(
    stage: Stage, http: httpx.AsyncClient
) -> None:
    await a_dead_letter(stage, http)
    await sql(stage, "UPDATE inbox SET body = '{}'")
    [letter] = (await letters(http))["items"]
    assert letter["body"] is None
    answer = await http.post(f"{LETTERS}/{letter['id']}/replay")
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")


@pytest.mark.parametrize("method", ["POST", "DELETE"])
async def test_what_is_no_id_is_not_found_and_it_is_for_admins(
    stage: Stage, http: httpx.AsyncClient, method: str
) -> None:
    path = "/x/replay" if method == "POST" else "/x"
    assert (await http.request(method, LETTERS + path)).status_code == 404
    other = Callers(stage).headers(new_id())
    path = path.replace("x", str(new_id()))
    assert (await http.request(method, LETTERS + path, headers=other)).status_code == 403
