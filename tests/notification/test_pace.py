"""What a number may send in a second is kept by all copies together, and codes come before news in it."""

import random
from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

import pytest

from tests.notification.people import Town, a_code, a_town
from tests.notification.providers import Providers
from tests.servers import Servers
from tests.stage import a_stage, until
from turnosya.contracts.turnos import AppointmentBooked
from turnosya.runtime.ids import new_id
from turnosya.runtime.settings import Environment
from turnosya.services.notification import rules
from turnosya.services.notification.service import service as notification
from turnosya.services.notification.store import addresses
from turnosya.services.users.service import service as users

pytestmark = pytest.mark.asyncio(loop_scope="module")
PER_S, NEWS, CODES = 20, 30, 4


def most_in_a_second(instants: Sequence[float]) -> int:
    """The most that lie in any second, wherever it begins."""
    ordered = sorted(instants)
    return max(bisect_left(ordered, at + 1.0) - place for place, at in enumerate(ordered))


@pytest.mark.parametrize("most", [0.5, 2.0, 20.0, 80.0, 1000.0])
@pytest.mark.parametrize("seed", range(4))
async def test_no_second_has_more_than_the_provider_takes_however_both_lanes_ask(
    most: float, seed: int
) -> None:
    chance = random.Random(seed)
    at, next_at, sent = 0.0, 0.0, list[float]()
    while at < 6 and len(sent) < 4000:
        at += chance.expovariate(most * 2)
        lane = chance.choice(("codes", "news"))
        pace = rules.pace_of(lane, most)
        ahead_s = max(0.0, next_at - at)
        taken = min(pace.room(ahead_s), chance.randint(1, 50))
        if not taken:
            # Whoever waits as long as they are told to has room then, and not much earlier.
            wait_s = pace.wait_s(ahead_s, 1)
            assert pace.room(max(0.0, next_at - at - wait_s)) >= 1
            assert wait_s < 1e-3 or not pace.room(max(0.0, next_at - at - wait_s * 0.98))
        next_at = max(next_at, at) + taken / pace.per_s
        sent += [at] * taken
    assert most_in_a_second(sent) <= max(most, 1)
    assert len(sent) > most * 3


@pytest.mark.timeout(180)
async def test_three_copies_send_what_one_number_may_and_codes_first(
    servers: Servers, outside: Providers
) -> None:
    more = {"TURNOSYA_WHATSAPP_PER_S": str(PER_S), "TURNOSYA_PROVIDER_TIMEOUT_S": "20"}
    settings = {**outside.settings, **more}
    async with a_stage(
        servers, [users, notification], env=Environment.PRODUCTION, settings=settings
    ) as stage:
        for _ in range(2):
            await stage.put_on(notification)
        town = await a_town(stage, welcomed=False)
        people = [f"+54911330000{number:02}" for number in range(NEWS)]
        nobodys: dict[str, Any] = {"client_id": None, "client_name": "Dora", "owner_id": new_id()}
        booked = [
            AppointmentBooked(appointment=town.appointment(client_phone=one, **nobodys), actor_id=new_id())
            for one in people
        ]
        await stage.tell(*booked)
        await until(lambda: handed(town, "news"), lambda found: len(found) >= 10)
        await stage.tell(*(a_code(f"+54911440000{number:02}") for number in range(CODES)))
        codes = await until(lambda: handed(town, "codes"), lambda found: len(found) == CODES)
        news = await until(lambda: handed(town, "news"), lambda found: len(found) == NEWS + 2)
        assert most_in_a_second(codes + news) <= PER_S
        # It took as long as it has to: the copies did not each have a pace of their own.
        assert max(news) - min(news) > (NEWS + CODES) / PER_S
        # Whoever waits for a code did not wait for the news that was there before.
        assert max(codes) < sorted(news)[-5]

        assert await until(lambda: left(town), lambda states: "queued" not in states) == {"sent"}
        got = [one["biz_opaque_callback_data"] for one in outside.graph.got]
        assert len(got) == len(set(got)) == NEWS + CODES + 2


async def left(town: Town) -> set[str]:
    """In which states deliveries are."""
    async with town.stage.running["notification"].host.db.read() as tx:
        found = await tx.connection.exec_driver_sql("SELECT DISTINCT state FROM deliveries")
        return set(found.scalars())


async def handed(town: Town, lane: str) -> list[float]:
    """When each of a lane was claimed to be handed over, by the time of the server that all share."""
    async with town.stage.running["notification"].host.db.read() as tx:
        found = await tx.connection.exec_driver_sql(
            "SELECT extract(epoch FROM handed_at)::float8 FROM deliveries"
            " WHERE lane = $1 AND handed_at IS NOT NULL AND attempts = 1",
            (lane,),
        )
        return list(found.scalars())


async def test_room_that_nobody_has_taken_before_is_given_once(servers: Servers) -> None:
    async with a_stage(servers, [notification]) as stage:
        db, pace = stage.running["notification"].host.db, rules.Pace(0.01, 10)
        async with db.transaction() as tx:
            assert await addresses.take_room(tx, "push", pace=pace, wanted=7) == 7
            assert await addresses.take_room(tx, "push", pace=pace, wanted=7) == 3
            assert await addresses.take_room(tx, "push", pace=pace, wanted=7) == 0
            await addresses.count(tx, "push", pace=pace, sent=1)
            outlook = await addresses.outlook(tx, "push")
            assert pace.wait_s(outlook.ahead_s, 1) == pytest.approx(200, abs=10)
