"""Servers end and come back while people are told: nothing is lost, and only a code may be said twice."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

import pytest
from starlette.responses import Response

from tests.notification.outside import rows
from tests.notification.people import Town, a_code, a_town
from tests.notification.providers import Providers
from tests.servers import PrivateServer, Servers, ServersOn
from tests.stage import a_stage, until
from turnosya.contracts.turnos import AppointmentBooked
from turnosya.runtime.bus import Envelope, Undelivered
from turnosya.runtime.ids import new_id
from turnosya.runtime.messages import Unavailable
from turnosya.runtime.settings import Environment
from turnosya.services.notification.service import service as notification
from turnosya.services.users.service import service as users

pytestmark = pytest.mark.asyncio(loop_scope="module")

# As many as are in a provider's hands when a server ends: codes, and news.
OF_EACH = 4
SETTINGS = {
    "TURNOSYA_NOTIFICATION_POLL_S": "0.05",
    # What is heard while others are away is heard again for longer than they are.
    "TURNOSYA_RETRY_DELAYS_S": ",".join(["0.1"] * 500),
    "TURNOSYA_LEASE_S": "1",
}
ENDS = [
    *(("memory", "postgres", "stop"), ("memory", "postgres", "kill"), ("rabbitmq", "postgres", "kill")),
    # Not killed: what RabbitMQ 3.10 does then is told in tests/runtime/test_broker.py.
    ("rabbitmq", "rabbitmq", "stop"),
]


class Hands:
    """The provider's: what comes while they are shut has come, and is answered when they open."""

    def __init__(self, outside: Providers) -> None:
        self._graph = outside.graph
        self._may_answer = asyncio.Event()
        self.held: list[str] = []

    def shut_for(self, count: int) -> None:
        self._graph.tricks += [self._hold] * count

    async def _hold(self, body: dict[str, Any]) -> Response:
        self.held.append(body["biz_opaque_callback_data"])
        await self._may_answer.wait()
        return self._graph.keep(body)

    async def hold(self, count: int) -> None:
        """Returns when so many wait for an answer."""

        async def look() -> int:
            return len(self.held)

        await until(look, lambda found: found >= count)

    def open(self) -> None:
        self._may_answer.set()


@pytest.mark.timeout(180)
@pytest.mark.parametrize("end", ENDS, ids="-".join)
async def test_a_server_ends_in_the_middle_of_deliveries_and_nothing_is_lost(
    servers: Servers, outside: Providers, end: tuple[str, str, str]
) -> None:
    form, ends, how = end
    # A broker takes seconds to stop, and what a provider holds meanwhile is not given up.
    patience = {"TURNOSYA_PROVIDER_TIMEOUT_S": "20"} if ends == "rabbitmq" else {}
    with ExitStack() as stack:
        private = {"postgres": stack.enter_context(servers.private("postgres"))}
        if form == "rabbitmq":
            private["rabbitmq"] = stack.enter_context(servers.private("rabbitmq"))
        broker_url = f"{private['rabbitmq'].url}main" if form == "rabbitmq" else None
        async with a_stage(
            ServersOn(private["postgres"]),
            [users, notification],
            env=Environment.PRODUCTION,
            settings={**outside.settings, **SETTINGS, **patience},
            broker_url=broker_url,
        ) as stage:
            town = await a_town(stage, welcomed=False)
            await until(lambda: rows(town), lambda found: [one["state"] for one in found] == ["sent"] * 2)
            outside.graph.got.clear()
            hands = await _ends_and_comes_back(town, outside, private[ends], how)
            found = await until(
                lambda: rows(town),
                lambda found: len(found) == 2 + 6 * OF_EACH and not _are_waiting(found),
            )
            taken = Counter(one["biz_opaque_callback_data"] for one in outside.graph.got)
            _audit(found[2:], taken, hands.held, keeps_data=ends != "postgres")


async def _ends_and_comes_back(town: Town, outside: Providers, server: PrivateServer, how: str) -> Hands:
    """Codes and news are handed over before the server ends, told while it is away, and told after it."""
    hands = Hands(outside)
    hands.shut_for(2 * OF_EACH)
    before, meanwhile, after = (_events(town, first) for first in (0, 100, 200))
    await _relayed(town, before)
    await hands.hold(2 * OF_EACH)
    await asyncio.to_thread(getattr(server, how))
    relaying = asyncio.create_task(_relayed(town, meanwhile))
    hands.open()
    await asyncio.to_thread(server.start)
    await relaying
    # Whoever relays was away as well: all is said again.
    await _relayed(town, [*before, *meanwhile, *after])
    return hands


def _events(town: Town, first: int) -> list[Envelope]:
    """Codes to strangers and turnos of people without an account."""
    nobodys: dict[str, Any] = {"client_id": None, "client_name": "Dora", "owner_id": new_id()}
    encode = town.stage.bus.encode
    numbers = range(first, first + OF_EACH)
    codes = [encode(a_code(f"+5491166000{number:03}"), sequence=1) for number in numbers]
    turnos = [town.appointment(client_phone=f"+5491177000{number:03}", **nobodys) for number in numbers]
    told = [AppointmentBooked(appointment=turno, actor_id=new_id()) for turno in turnos]
    return codes + [encode(booked, sequence=1) for booked in told]


async def _relayed(town: Town, envelopes: Sequence[Envelope]) -> None:
    """Each is handed over, again and again while that fails, as by a relay."""

    async def is_handed(envelope: Envelope) -> bool:
        try:
            await town.stage.bus.deliver(envelope)
        except (Undelivered, Unavailable, ConnectionError):
            return False
        return True

    for envelope in envelopes:
        await until(partial(is_handed, envelope), bool)


def _are_waiting(found: list[dict[str, Any]]) -> bool:
    return any(one["state"] == "queued" or one["claim"] is not None for one in found)


def _audit(
    found: list[dict[str, Any]], taken: Counter[str], held: Sequence[str], *, keeps_data: bool
) -> None:
    """What became of each delivery, and how often the provider took it."""
    assert len({one["address"] for one in found}) == len(found)
    assert set(taken) <= {str(one["id"]) for one in found}
    for one in found:
        times = taken[str(one["id"])]
        if str(one["id"]) not in held or keeps_data:
            assert (one["state"], times) == ("sent", 1), one
        elif one["lane"] == "codes":
            # Somebody waits for it: said once more rather than not at all.
            assert one["state"] == "sent", one
            assert 1 <= times <= 2, one
        else:
            # What it said may not have been written down: nobody knows, nobody guesses, and it can be seen.
            assert (one["state"], times) in {("sent", 1), ("unknown_outcome", 1)}, one
