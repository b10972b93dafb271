"""What admins see and do over HTTP: the timetable, one job, schedules, cancelling, trying again."""

from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest_asyncio

from tests.callers import Callers
from tests.jobs.world import HOUR, NOON, Ring, World, a_job
from turnosya.contracts.jobs import Job, Recurrence, Schedule
from turnosya.runtime.ids import new_id


@pytest_asyncio.fixture
async def http(world: World) -> AsyncGenerator[httpx.AsyncClient]:
    async with world.stage.http("jobs") as client:
        client.headers.update(Callers(world.stage).headers(new_id(), admin=True))
        yield client


async def listed(http: httpx.AsyncClient, **query: str) -> list[dict[str, Any]]:
    answer = await http.get("/v1/jobs", params=query)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def the_job(http: httpx.AsyncClient, key: str) -> dict[str, Any]:
    [found] = await listed(http, key=key)
    return found


async def does(http: httpx.AsyncClient, key: str, what: str) -> httpx.Response:
    return await http.post(f"/v1/jobs/{(await the_job(http, key))['id']}/{what}")


async def test_jobs_are_listed_last_first_by_page_and_sought_by_state_and_request(
    world: World, http: httpx.AsyncClient
) -> None:
    for name in ("a", "b", "c"):
        await world.stage.bus.call(Schedule(job=a_job(name, NOON + HOUR)))
    await world.stage.bus.call(Schedule(job=a_job("done")))
    await world.becomes("done", "done")
    first = (await http.get("/v1/jobs", params={"limit": "3"})).json()
    rest = (await http.get("/v1/jobs", params={"limit": "3", "cursor": first["next_cursor"]})).json()
    assert [one["key"] for one in first["items"] + rest["items"]] == ["done", "c", "b", "a"]
    assert rest["next_cursor"] is None
    assert [one["key"] for one in await listed(http, state="done")] == ["done"]
    assert len(await listed(http, request="world.Ring", state="waiting")) == 3
    assert await listed(http, request="world.Other") == []
    assert "body" not in first["items"][0]


async def test_one_job_shows_its_errors_and_starts(world: World, http: httpx.AsyncClient) -> None:
    world.bell.broken = True
    await world.stage.bus.call(Schedule(job=a_job("one", max_attempts=2)))
    await world.becomes("one", "failed")
    shown = (await http.get(f"/v1/jobs/{(await the_job(http, 'one'))['id']}")).json()
    assert (shown["state"], shown["attempts"], shown["run_at"]) == ("failed", 2, "2027-06-10T12:00:00Z")
    assert [one["outcome"] for one in shown["runs"]] == ["failed", "retried"]
    assert [one["error"] for one in shown["errors"]] == ["service_unavailable"] * 2


async def test_a_failed_job_is_tried_again_with_all_its_tries(world: World, http: httpx.AsyncClient) -> None:
    world.bell.broken = True
    await world.stage.bus.call(Schedule(job=a_job("one", max_attempts=1)))
    await world.becomes("one", "failed")
    world.bell.broken = False
    answer = await does(http, "one", "retry")
    assert (answer.status_code, answer.json()["key"]) == (200, "one")
    await world.becomes("one", "done")
    assert (await does(http, "one", "retry")).json()["code"] == "conflict"


async def test_a_waiting_job_is_cancelled_twice_and_revived(world: World, http: httpx.AsyncClient) -> None:
    await world.stage.bus.call(Schedule(job=a_job("one", NOON + HOUR)))
    for _ in range(2):
        answer = await does(http, "one", "cancel")
        assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")
    assert (await does(http, "one", "retry")).status_code == 200
    await world.bell.rings("one")
    await world.becomes("one", "done")
    assert (await does(http, "one", "cancel")).status_code == 409


async def test_a_running_job_is_shown_so_cancelled_and_not_retried(
    world: World, http: httpx.AsyncClient
) -> None:
    world.bell.broken = True
    world.bell.may_end.clear()
    await world.stage.bus.call(Schedule(job=a_job("one")))
    await world.bell.begins(1)
    assert [one["key"] for one in await listed(http, state="running")] == ["one"]
    assert (await does(http, "one", "retry")).status_code == 409
    assert (await does(http, "one", "cancel")).json()["state"] == "cancelled"
    world.bell.may_end.set()
    await world.becomes("one", "cancelled")
    assert world.bell.began == ["one"]


async def test_schedules_show_when_they_come_and_how_it_went(world: World, http: httpx.AsyncClient) -> None:
    recurs = Recurrence(cron="0 9 * * *", timezone="America/Bogota", missed="skip")
    await world.stage.bus.call(Schedule(job=Job.of(Ring(name="day"), key="day", recurs=recurs)))
    await world.stage.bus.call(Schedule(job=a_job("once", NOON + HOUR)))
    [shown] = (await http.get("/v1/jobs/schedules")).json()["items"]
    assert (shown["key"], shown["cron"], shown["timezone"], shown["missed"], shown["is_missed"]) == (
        *("day", "0 9 * * *", "America/Bogota", "skip"),
        False,
    )
    assert shown["next_run_at"] == "2027-06-10T14:00:00Z"


async def test_who_is_no_admin_sees_nothing(world: World, http: httpx.AsyncClient) -> None:
    await world.stage.bus.call(Schedule(job=a_job("one", NOON + HOUR)))
    job_id = (await the_job(http, "one"))["id"]
    calls = [("GET", ""), ("GET", "/schedules"), ("GET", f"/{job_id}")]
    calls += [("POST", f"/{job_id}/retry"), ("POST", f"/{job_id}/cancel")]
    async with world.stage.http("jobs") as stranger:
        for method, path in calls:
            assert (await stranger.request(method, f"/v1/jobs{path}")).status_code == 401
        stranger.headers.update(Callers(world.stage).headers(new_id()))
        for method, path in calls:
            assert (await stranger.request(method, f"/v1/jobs{path}")).status_code == 403
    assert (await world.row("one"))["state"] == "waiting"


async def test_what_makes_no_sense_is_refused(http: httpx.AsyncClient) -> None:
    for path in (f"/{new_id()}", "/x", f"/{new_id()}/runs"):
        assert (await http.get(f"/v1/jobs{path}")).status_code == 404
    for what in ("retry", "cancel"):
        assert (await http.post(f"/v1/jobs/{new_id()}/{what}")).status_code == 404
        assert (await http.post(f"/v1/jobs/x/{what}")).status_code == 404
    wrong = [{"state": "lost"}, {"limit": "0"}, {"cursor": "x"}, {"key": "\u0000"}, {"request": "x" * 301}]
    for query in wrong:
        for path in ("", "/schedules") if "limit" in query or "cursor" in query else ("",):
            answer = await http.get(f"/v1/jobs{path}", params=query)
            assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed"), query
