"""What is done again and again is declared by every process, and only admins look at it, in every form."""

import base64
import json
from typing import Any

import httpx

from tests.flows.world import World
from tests.stage import until
from turnosya.app import SERVICES
from turnosya.schedules import schedules_of
from turnosya.tour.people import Person


async def schedules(admin: Person) -> dict[str, dict[str, Any]]:
    """By key."""
    found = (await admin.ask("GET", "/v1/jobs/schedules", params={"limit": 100})).promised(200).answer
    assert found["next_cursor"] is None
    return {one["key"]: one for one in found["items"]}


async def test_each_process_declares_what_its_services_do_again_and_again(world: World) -> None:
    admin = await world.an_admin()
    declared = {one.job.key: name for name in SERVICES for one in schedules_of(SERVICES[name]).schedules}
    found = await until(
        lambda: schedules(admin),
        lambda found: (
            declared.keys() <= found.keys() and all(one["last_started_at"] for one in found.values())
        ),
    )
    assert {key: one["service"] for key, one in found.items()} == declared
    assert {one["state"] for one in found.values()} == {"waiting"}
    key = "users.TellErasuresAgain"
    job = f"/v1/jobs/{found[key]['id']}"
    assert (await admin.ask("POST", f"{job}/cancel")).promised(200).answer["state"] == "cancelled"
    # It stays so when it is declared again; only an admin revives it, and then it is made at once.
    (await admin.ask("POST", f"{job}/retry")).promised(200)

    async def last_run() -> dict[str, Any]:
        shown = (await admin.ask("GET", job)).promised(200).answer
        return shown if shown["state"] == "waiting" else {}

    shown = await until(last_run, lambda one: bool(one) and len(one["runs"]) >= 2)
    assert {run["outcome"] for run in shown["runs"]} == {"done"}


async def test_nobody_but_an_admin_reads_or_changes_a_job_at_either_door(world: World) -> None:
    admin, client, shop = await world.an_admin(), await world.a_client(), await world.a_business()
    found = (await schedules(admin))["jobs.ForgetEnded"]
    paths = ["/v1/jobs", "/v1/jobs/schedules", f"/v1/jobs/{found['id']}"]
    calls = [("GET", path) for path in paths]
    calls += [("POST", f"/v1/jobs/{found['id']}/{what}") for what in ("cancel", "retry")]
    header, payload, signature = admin.token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    theirs = json.dumps({**claims, "sub": str(client.id)}).encode()
    changed = ".".join((header, base64.urlsafe_b64encode(theirs).rstrip(b"=").decode(), signature))
    unsigned = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').rstrip(b"=").decode() + f".{payload}."
    inside = {"X-User-Id": str(admin.id), "X-Roles": "admin", "X-Forwarded-User": str(admin.id)}
    # The gateway, and the process behind it for whoever gets inside the network.
    for door in {world.system.url, world.system.process_of("jobs").url}:
        async with httpx.AsyncClient(base_url=door, timeout=20) as http:
            for method, path in calls:
                for token, status in (
                    (client.token, 403),
                    (shop.owner.token, 403),
                    (changed, 401),
                    (unsigned, 401),
                    (None, 401),
                ):
                    headers = inside | ({"Authorization": f"Bearer {token}"} if token else {})
                    answer = await http.request(method, path, headers=headers)
                    assert answer.status_code == status, (door, method, path, status)
                    assert answer.json().keys() & {"items", "key", "runs"} == set()
    assert (await schedules(admin))["jobs.ForgetEnded"]["state"] == "waiting"
