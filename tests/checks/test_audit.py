"""What happened to accounts: noted once, kept for 90 days, read by admins."""

from collections.abc import AsyncGenerator
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import UUID

import httpx
import pytest
import pytest_asyncio

from tests.callers import Callers
from tests.servers import Servers
from tests.stage import Stage, a_stage, until
from turnosya.contracts import auth, users
from turnosya.contracts.checks import ForgetAudit, GetHeld
from turnosya.runtime.clock import real_now
from turnosya.runtime.ids import new_id
from turnosya.services.checks import audit
from turnosya.services.checks.context import Checks
from turnosya.services.checks.service import service as checks

pytestmark = pytest.mark.asyncio(loop_scope="module")

AUDIT = "/v1/checks/audit"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(servers: Servers) -> AsyncGenerator[Stage]:
    async with a_stage(servers, [checks]) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def http(stage: Stage) -> AsyncGenerator[httpx.AsyncClient]:
    async with stage.running["checks"].host.db.transaction() as tx:
        await tx.connection.exec_driver_sql("TRUNCATE audit, inbox")
    async with stage.http("checks") as client:
        client.headers.update(Callers(stage).headers(new_id(), admin=True))
        yield client


def fact(kind: str, subject: UUID | None = None, *, minutes_ago: int = 0, **more: Any) -> auth.SecurityNoted:  # noqa: ANN401 - fields of the event
    at = real_now() - timedelta(minutes=minutes_ago)
    return auth.SecurityNoted(kind=kind, subject_id=subject, at=at, **more)


async def read(http: httpx.AsyncClient, **query: str) -> list[dict[str, Any]]:
    answer = await http.get(AUDIT, params=query)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def kinds(http: httpx.AsyncClient, **query: str) -> list[str]:
    return [one["kind"] for one in await read(http, **query)]


async def noted(stage: Stage, http: httpx.AsyncClient, *facts: users.SecurityFact) -> None:
    await stage.tell(*facts)
    await until(lambda: kinds(http, limit="100"), lambda found: len(found) >= len(facts))


async def test_a_fact_told_twice_is_one_line_with_ids_only(stage: Stage, http: httpx.AsyncClient) -> None:
    ana, session = new_id(), new_id()
    [envelope] = await stage.tell(fact("signed_in", ana, actor_id=ana, session_id=session))
    await stage.bus.deliver(envelope)
    await noted(stage, http, users.SecurityNoted(kind="erased", subject_id=ana, at=real_now()))
    await until(lambda: kinds(http), lambda found: len(found) == 2)
    newest, first = await read(http)
    assert (newest["service"], newest["kind"], newest["actor_id"]) == ("users", "erased", None)
    assert {name: value for name, value in first.items() if name != "at"} == {
        "id": envelope.headers["id"],
        "service": "auth",
        "kind": "signed_in",
        "actor_id": str(ana),
        "subject_id": str(ana),
        "session_id": str(session),
        "reason": None,
    }


async def test_it_is_searched_by_who_what_and_when_and_paged(
    stage: Stage, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    ana, admin = new_id(), new_id()
    await noted(
        stage,
        http,
        fact("refused", ana, minutes_ago=30, reason="otp_invalid"),
        fact("signed_in", ana, minutes_ago=20, actor_id=ana),
        fact("blocked", ana, minutes_ago=10, actor_id=admin),
        fact("refused", None, reason="credentials_invalid"),
    )
    assert await kinds(http) == ["refused", "blocked", "signed_in", "refused"]
    assert await kinds(http, actor=str(ana)) == ["signed_in"]
    assert await kinds(http, subject=str(ana)) == ["blocked", "signed_in", "refused"]
    assert await kinds(http, kind="refused", subject=str(ana)) == ["refused"]
    since = (real_now() - timedelta(minutes=15)).isoformat()
    assert await kinds(http, since=since) == ["refused", "blocked"]
    seen: list[str] = []
    query: dict[str, str] = {"limit": "1"}
    while len(seen) <= 4:
        page = (await http.get(AUDIT, params=query)).json()
        seen += [one["kind"] for one in page["items"]]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert seen == ["refused", "blocked", "signed_in", "refused"]
    held = (await stage.bus.call(GetHeld(user_id=ana))).records["audit"]
    assert [one["kind"] for one in held] == ["blocked", "signed_in", "refused"]
    monkeypatch.setattr(audit, "_EXPORTED", 2)
    first = await stage.bus.call(GetHeld(user_id=ana))
    rest = await stage.bus.call(GetHeld(user_id=ana, after=first.more_after))
    assert [one["kind"] for part in (first, rest) for one in part.records["audit"]] == [
        "blocked",
        "signed_in",
        "refused",
    ]
    assert rest.more_after is None


async def test_it_is_kept_for_90_days(stage: Stage, http: httpx.AsyncClient) -> None:
    day = 24 * 60
    old, kept = fact("refused", minutes_ago=90 * day + 1), fact("signed_in", minutes_ago=90 * day - 5)
    await noted(stage, http, old, kept)
    await audit.forget(cast("Checks", stage.running["checks"].context), ForgetAudit())
    [left] = await read(http)
    assert left["kind"] == "signed_in"
    assert real_now() - datetime.fromisoformat(left["at"]) > timedelta(days=89)


@pytest.mark.parametrize(
    "query",
    [
        {"actor": "x"}, {"since": "2027-01-01"}, {"since": "yesterday"}, {"kind": "A-B"},
        {"limit": "0"}, {"cursor": "x"}, {"cursor": "WyJ4IiwieSJd"},
    ],
)  # fmt: skip
async def test_a_wrong_question_is_refused(http: httpx.AsyncClient, query: dict[str, str]) -> None:
    answer = await http.get(AUDIT, params=query)
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")


async def test_it_is_for_admins(stage: Stage, http: httpx.AsyncClient) -> None:
    other = Callers(stage).headers(new_id())
    answer = await http.get(AUDIT, headers=other)
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    http.headers.pop("Authorization")
    answer = await http.get(AUDIT)
    assert (answer.status_code, answer.json()["code"]) == (401, "token_missing")
