"""Twenty people talk on two copies of chat, five times, and every two seconds something dies."""

from pathlib import Path

import pytest

from tests.flows.systems import Zygote
from tests.servers import Servers
from tests.storm.talking import KINDS, PEOPLE, Found, TalkPlan, a_hall, talk_in_a_storm

# Four in a row begin with each kind of death.
SEEDS = (1, 2, 3, 4, 5)
MESSAGES, A_SECOND = 200, 50


@pytest.mark.timeout(400)
async def test_everybody_ends_with_each_message_once_and_in_its_place(
    servers: Servers, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    zygote = Zygote(request.config.rootpath)
    found: dict[int, Found] = {}
    try:
        with servers.private("postgres") as postgres:
            async with a_hall(servers, zygote, tmp_path, database_url=postgres.url, say=print) as hall:
                for seed in SEEDS:
                    found[seed] = await talk_in_a_storm(hall, TalkPlan(seed, MESSAGES, A_SECOND))
    finally:
        zygote.close()

    assert {seed: one.wrong for seed, one in found.items()} == {seed: [] for seed in SEEDS}
    assert {one.written for one in found.values()} == {MESSAGES}
    # Everything died while people talked, and sockets with it.
    struck = {one.what for storm in found.values() for one in storm.struck if 0 < one.stored < MESSAGES}
    assert struck == set(KINDS)
    assert min(len(storm.struck) for storm in found.values()) >= 2
    assert sum(storm.comings for storm in found.values()) > len(SEEDS) * PEOPLE
