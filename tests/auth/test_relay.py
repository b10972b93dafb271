"""What auth tells: stored with the change, delivered at least once, in order, by one copy at a time."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE
from contextlib import suppress
from dataclasses import replace
from functools import partial
from operator import eq
from pathlib import Path
from time import time_ns

import pytest
from prometheus_client import REGISTRY

from tests.auth.world import MINUTE, World
from tests.stage import until
from turnosya.contracts.auth import (
    AccessChanged,
    AccessHeartbeat,
    CodeRequested,
    SecurityNoted,
    SessionsClosed,
    SignedIn,
)
from turnosya.contracts.users import GetBlocked
from turnosya.runtime.bus import ID, SEQUENCE, Envelope, Undelivered
from turnosya.runtime.ids import new_id
from turnosya.runtime.memory import MemoryTransport
from turnosya.services.auth import access, sessions
from turnosya.services.auth.context import Auth
from turnosya.services.auth.relay import Relay, run
from turnosya.services.auth.store import ACCESS_EVENTS, EVENTS


class Listener(MemoryTransport):
    """Who hears what auth tells; ``deaf`` while its queue is not there."""

    def __init__(self) -> None:
        super().__init__({})
        self.heard: list[Envelope] = []
        self.deaf = False
        self.kills = False

    async def publish(self, envelope: Envelope) -> None:
        if self.deaf:
            raise Undelivered
        self.heard.append(envelope)
        if self.kills:
            raise asyncio.CancelledError

    def names(self) -> list[str]:
        return [envelope.wire_name for envelope in self.heard]


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture
def auth(world: World, listener: Listener) -> Auth:
    """A copy of auth whose events reach the listener."""
    return replace(world.copy_of_auth(), bus=world.bus_over(listener))


def with_lock_of(auth: Auth, seconds: float) -> Auth:
    return replace(auth, settings=auth.settings.model_copy(update={"relay_lock_s": seconds}))


async def test_events_are_delivered_in_order_and_then_forgotten(
    world: World, auth: Auth, listener: Listener
) -> None:
    world.people.person()
    first = await world.signed_in()
    await world.refresh(first)
    await sessions.end_all_sessions(world.auth, first.user_id)
    await Relay(auth).work()
    assert listener.names() == [
        AccessChanged.wire_name,  # never behind a code that cannot be delivered
        CodeRequested.wire_name,
        SignedIn.wire_name,
        SecurityNoted.wire_name,
        SessionsClosed.wire_name,
    ]
    assert [await world.redis.xlen(stream) for stream in (EVENTS, ACCESS_EVENTS)] == [0, 0]
    sequences = [int(envelope.headers[SEQUENCE]) for envelope in listener.heard[1:]]
    assert sequences == sorted(set(sequences))
    assert max(sequences) < 2**63
    assert len({envelope.headers[ID] for envelope in listener.heard}) == 5


async def test_an_event_that_could_not_be_delivered_waits_with_all_behind_it(
    world: World, auth: Auth, listener: Listener
) -> None:
    sent = [await world.ask_code(f"+549112233440{number}") for number in range(3)]
    relay = Relay(auth)
    listener.deaf = True
    assert await relay.deliver(EVENTS) is None
    listener.deaf = False
    assert await relay.deliver(EVENTS) == 3
    told = [world.bus.decode(CodeRequested, envelope.body) for envelope in listener.heard]
    assert [event.challenge_id for event in told if isinstance(event, CodeRequested)] == [
        one.challenge_id for one in sent
    ]


async def test_a_relay_that_dies_after_delivering_delivers_the_same_again(
    world: World, auth: Auth, listener: Listener
) -> None:
    await world.ask_code()
    listener.kills = True
    with pytest.raises(asyncio.CancelledError):
        await Relay(with_lock_of(auth, 0.001)).deliver(EVENTS)
    listener.kills = False
    assert await until(lambda: Relay(auth).deliver(EVENTS), bool) == 1
    first, second = listener.heard
    assert (first.headers, first.body) == (second.headers, second.body), "hearers know it by its id"


async def test_a_code_that_expired_undelivered_is_dropped(
    world: World, auth: Auth, listener: Listener
) -> None:
    await world.ask_code()
    listener.deaf = True
    relay = Relay(auth)
    await relay.deliver(EVENTS)
    world.now.pass_(5 * MINUTE)
    listener.deaf = False
    await relay.deliver(EVENTS)
    assert listener.heard == []
    assert await world.redis.xlen(EVENTS) == 0


async def test_one_copy_delivers_and_another_takes_over(world: World, auth: Auth, listener: Listener) -> None:
    holder, other = Relay(with_lock_of(auth, 0.001)), Relay(auth)
    await world.ask_code()
    assert await holder.holds_lock()
    assert await until(other.holds_lock, bool), "once the holder has not been heard of"
    assert await holder.deliver(EVENTS) is None, "it delivers nothing once another copy does"
    assert listener.heard == []
    await holder.work()
    assert listener.heard == []
    assert await other.holds_lock()
    assert await other.deliver(EVENTS) == 1


async def test_the_relay_wakes_when_any_copy_stores_an_event(
    world: World, auth: Auth, listener: Listener
) -> None:
    async def heard() -> int:
        return len(listener.heard)

    running = asyncio.create_task(run(auth))
    for count in range(1, 4):
        await world.ask_code(f"+549112233440{count}")
        assert await until(heard, partial(eq, count)) == count
    running.cancel()
    took = REGISTRY.get_sample_value("turnosya_auth_event_delivery_seconds_count", {"stream": EVENTS})
    assert took is not None
    assert took >= 3


async def test_what_a_killed_process_had_answered_is_told(
    auth: Auth, listener: Listener, redis_url: str
) -> None:
    asking = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.auth.asking",
        redis_url,
        stdout=PIPE,
        cwd=Path(__file__).parents[2],
        env=os.environ,
    )
    assert asking.stdout is not None
    answered = [(await asking.stdout.readline()).decode().strip() for _ in range(50)]
    asking.kill()
    answered += (await asking.stdout.read()).decode().split()
    await asking.wait()
    relay = Relay(auth)
    while await relay.deliver(EVENTS):
        pass
    told = [envelope.headers["aggregate"].removeprefix("auth:") for envelope in listener.heard]
    assert set(answered) <= set(told)
    assert len(told) - len(answered) <= 1


# --- heartbeats ---


async def beats(auth: Auth, listener: Listener) -> bool:
    """Whether a heartbeat leaves within many turns of the loop."""
    listener.heard.clear()
    often = auth.settings.model_copy(update={"access_heartbeat_s": 0.001})
    with suppress(TimeoutError):
        async with asyncio.timeout(0.1):
            await access.heartbeats(replace(auth, settings=often))
    return AccessHeartbeat.wire_name in listener.names()


async def test_auth_says_that_it_is_there_only_while_its_news_are_told(
    world: World, auth: Auth, listener: Listener
) -> None:
    person = world.people.person()
    assert await beats(auth, listener)
    await access.block(world.auth, person.id, reason="x", by=new_id())
    stored_ms = time_ns() // 1_000_000
    auth.store.now_ms = lambda: stored_ms + 1000
    assert await beats(auth, listener), "news that have only just been stored are on their way"
    auth.store.now_ms = lambda: stored_ms + 3000
    assert not await beats(auth, listener), "gateways would believe they know of a block that waits"
    await Relay(auth).deliver(ACCESS_EVENTS)
    assert await beats(auth, listener)


async def test_auth_is_silent_until_it_knows_who_is_blocked(
    world: World, auth: Auth, listener: Listener
) -> None:
    world.people.away = True
    await auth.bus.answer(GetBlocked, world.people.all_blocked)
    await world.lose_everything()
    assert not await beats(auth, listener)
    world.people.away = False
    assert await beats(auth, listener)


async def test_auth_is_silent_and_goes_on_while_nothing_can_be_told(
    world: World, auth: Auth, listener: Listener
) -> None:
    listener.deaf = True
    assert not await beats(auth, listener)
    listener.deaf = False
    assert await beats(auth, listener)
    assert await access.ready(world.auth)
