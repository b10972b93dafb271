"""Each process says that it lives; one that is killed is seen within 15 s and told to admins."""

from time import monotonic
from typing import Any

import pytest

from tests.flows.systems import Form
from tests.flows.world import World
from tests.stage import until
from turnosya.tour.people import Person

PROMISED_S = 15.0
pytestmark = pytest.mark.parametrize("form", [Form.SPLIT], indirect=True, ids=["split"])


async def seen(admin: Person) -> dict[str, Any]:
    answer: dict[str, Any] = (await admin.ask("GET", "/v1/checks/processes")).promised(200).answer
    return answer


def status(found: dict[str, Any], service: str) -> list[str]:
    return [one["status"] for one in found["items"] if service in one["services"]]


async def test_a_killed_process_is_seen_in_15_seconds_and_is_well_when_it_is_back(world: World) -> None:
    admin = await world.an_admin()
    everybody = len(world.system.processes)
    await until(
        lambda: seen(admin),
        lambda found: len([one for one in found["items"] if one["status"] == "ok"]) == everybody,
    )
    await world.system.kill("business")
    killed = monotonic()
    found = await until(lambda: seen(admin), lambda found: "dead" in status(found, "business"))
    assert monotonic() - killed < PROMISED_S
    assert [one["services"] for one in found["items"] if one["status"] == "dead"] == [["business"]]
    await until(
        lambda: seen(admin),
        lambda found: "process_dead" in [one["kind"] for one in found["alerts"]],
    )
    assert monotonic() - killed < PROMISED_S
    await world.system.start_again("business")
    await until(
        lambda: seen(admin),
        lambda found: (
            status(found, "business") == ["ok"]
            and not [one for one in found["alerts"] if "business" in one["subject"]]
        ),
    )
    await world.system.until_settled()
    told = await world.system.rows(
        "notification",
        "SELECT template FROM deliveries WHERE person = $1 AND template LIKE 'alert%' ORDER BY id",
        str(admin.id),
    )
    assert {"alert_raised", "alert_cleared"} <= {row["template"] for row in told}
