"""A real Prometheus scrapes the running system: what dashboards and rules ask for is there."""

import asyncio
from pathlib import Path

import httpx
import pytest

from tests.flows.systems import Form
from tests.flows.world import World
from tests.project.asked import asked, expressions
from tests.split.prometheus import Prometheus, prometheus
from tests.stage import until
from turnosya.tour.answers import Turno

pytestmark = pytest.mark.parametrize("form", [Form.SPLIT], indirect=True, ids=["split"])

# Of what does not happen while all is well there is a description, and no figure yet.
RARE = {
    "turnosya_pool_exhausted_total",
    "turnosya_schedules_missed_total",
    "turnosya_alerts_raised_total",
    # Only with a collector of traces.
    "turnosya_trace_steps_total",
    # Only with a provider; here messages are shown.
    "turnosya_provider_seconds",
    "turnosya_receipts_total",
}


async def scraped(watching: Prometheus, world: World) -> None:
    """Every process has been scraped, twice, after what was done."""
    count = len(world.system.processes)

    async def twice() -> int:
        return len(await asyncio.to_thread(watching.values, 'count_over_time(up{job="turnosya"}[5m]) >= 2'))

    await until(twice, lambda found: found == count)


async def test_every_metric_of_dashboards_and_rules_is_in_the_running_system(
    world: World, tmp_path: Path
) -> None:
    shop, client = await world.a_business(), await world.a_client()
    turno = await world.a_booked_turno(shop, client)
    (await client.cancel(turno)).promised(200).as_(Turno)
    # Both refused: a cancelled turno again, and a token that nobody was given.
    (await client.cancel(turno)).promised(409)
    (await world.api.ask("POST", "/v1/auth/refresh", {"refresh_token": "x" * 40})).promised(401)
    await world.system.until_settled()
    await at_least_measured_once(world)
    await nothing_is_counted_aloud(world)
    ports = {f"{one.names[0]}-1": one.operations_port for one in world.system.processes}
    with prometheus(tmp_path / "prometheus", ports, every="1s") as watching:
        await scraped(watching, world)
        described = set(await asyncio.to_thread(watching.ask, "metadata"))
        assert asked() - described == set()
        there = set(await asyncio.to_thread(watching.ask, "label/__name__/values"))
        missing = {name for name in asked() if not {name, f"{name}_count"} & there}
        assert missing - RARE == set()
        # Its own tool read them (tests/checks); this is the server that must answer them.
        for expression in expressions():
            await asyncio.to_thread(watching.values, expression)
        up = await asyncio.to_thread(watching.values, "min(up)")
        assert [one["value"][1] for one in up] == ["1"]
        firing = await asyncio.to_thread(watching.ask, "alerts")
        assert [one for one in firing["alerts"] if one["state"] == "firing"] == []


async def nothing_is_counted_aloud(world: World) -> None:
    """Where others reach a process, its figures are not shown; neither through the gateway."""
    async with httpx.AsyncClient() as http:
        for process in world.system.processes:
            assert (await http.get(f"{process.url}/metrics")).status_code == 404


async def at_least_measured_once(world: World) -> None:
    """What grows unseen is looked at every 5 s."""

    async def measured() -> bool:
        async with httpx.AsyncClient() as http:
            answers = await asyncio.gather(
                *(
                    http.get(f"http://127.0.0.1:{one.operations_port}/metrics")
                    for one in world.system.processes
                )
            )
        text = "".join(answer.text for answer in answers)
        return "turnosya_inbox_waiting{" in text and "turnosya_queue_consumers{" in text

    await until(measured, lambda found: found)
