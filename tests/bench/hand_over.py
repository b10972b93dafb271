"""What the gateway adds to a call: the same one asked of the service itself, and through the gateway."""

from collections.abc import AsyncGenerator
from pathlib import Path

from tests.bench.figures import Figure
from tests.bench.load import measure
from tests.bench.town import Town, a_town
from tests.flows.systems import Form, System, Zygote, a_system
from tests.servers import Servers
from turnosya.tour.client import Api

WITHIN_S = 4.0
# Alternating, so that what else the machine does falls on both.
ROUNDS = 3


async def hand_over(servers: Servers, zygote: Zygote, folder: Path) -> AsyncGenerator[Figure]:
    """Reading one's own profile, on the same PostgreSQL in both forms."""
    in_process, over_http = folder / "in-process", folder / "over-http"
    in_process.mkdir()
    over_http.mkdir()
    async with a_system(Form.SPLIT, servers, zygote, over_http, is_hurried=False) as system:
        town = await _town(system)
        direct_url = next(one.url for one in system.processes if one.names == ("users",))
        direct, through = await _compared(town, direct_url, system.url)
    yield Figure("One connection", "profile read, asked of users itself", direct, "ms")
    yield Figure("One connection", "the gateway adds, over HTTP", through - direct, "ms", 1)
    async with a_system(Form.RABBITMQ, servers, zygote, in_process, is_hurried=False) as system:
        town = await _town(system)
        _, through = await _compared(town, system.url, system.url)
    yield Figure("One connection", "the gateway adds, in process", through - direct, "ms", 0.5)


async def _town(system: System) -> Town:
    async with Api(system.url) as api:
        return await a_town(api, people=1, businesses=0)


async def _compared(town: Town, direct: str, through: str) -> tuple[float, float]:
    """Medians of the two ways, each the best of some rounds."""
    best = {direct: float("inf"), through: float("inf")}
    for _ in range(ROUNDS):
        for url in (direct, through):
            found = await measure(url, [town.profiles(0)], status=200, within_s=WITHIN_S / ROUNDS, warm=100)
            best[url] = min(best[url], found.p50)
    return best[direct], best[through]
