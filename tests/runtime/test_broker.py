"""What only a broker can do: be killed and come back, lose a queue, hand a queue to another copy."""

# A test may look inside what it tests.
# pyright: reportPrivateUsage=false

import asyncio
from collections.abc import Callable

import aio_pika
import pytest

from tests.runtime import bakeries
from tests.runtime.bakeries import Script, a_service, column, heard_by, listen, sell, sold_by, tell
from tests.runtime.bakery import Bake, Baked, Bread, ShopOpened
from tests.runtime.processes import Processes
from tests.servers import PrivateServer, Servers
from tests.stage import Stage, a_stage, delete_queues, until
from turnosya.runtime.bus import Undelivered
from turnosya.runtime.messages import Event, Unavailable
from turnosya.runtime.rabbit import RabbitTransport, declare_queues

OVEN = a_service("oven", tells=[Baked])
COUNTER = a_service("counter", [Baked.heard_by(sell), ShopOpened.heard_by(listen, every_copy=True)])


@pytest.fixture
def broker_url(servers: Servers) -> str:
    """Only RabbitMQ here."""
    return servers.broker_url


@pytest.fixture(autouse=True)
def script(monkeypatch: pytest.MonkeyPatch) -> Script:
    script = Script()
    monkeypatch.setattr(bakeries, "SCRIPT", script)
    return script


# In this order: a quorum queue that RabbitMQ 3.10 declared in the last half second before a SIGKILL comes
# back without a leader for ever (no confirm, no answer to a consume), and only deleting it helps.
@pytest.mark.timeout(180)
async def test_a_broker_that_is_stopped_or_killed_and_comes_back_has_lost_nothing(servers: Servers) -> None:
    with servers.private("rabbitmq") as broker:
        async with a_stage(servers, [OVEN, COUNTER], broker_url=f"{broker.url}main") as stage:
            counter = stage.running["counter"]

            async def bake(request: Bake) -> Bread:
                return Bread(loaves=request.loaves)

            await counter.host.bus.answer(Bake, bake)
            for number, end in enumerate([broker.stop, broker.kill], 1):
                await _goes_and_comes_back(stage, broker, end, number)


async def _goes_and_comes_back(
    stage: Stage, broker: PrivateServer, end: Callable[[], None], number: int
) -> None:
    oven, counter = stage.running["oven"], stage.running["counter"]
    await tell(oven, Baked(oven="a", number=number * 10))
    await sold_by(counter, lambda sold: len(sold) == number * 2 - 1)
    await asyncio.to_thread(end)

    async def carries() -> bool:
        return stage.bus.healthy or oven.host.bus.healthy or counter.host.bus.healthy

    await until(carries, lambda found: not found)
    assert not await counter._ask_ready()
    with pytest.raises(Unavailable):
        await stage.bus.call(Bake(), timeout_s=20)
    with pytest.raises(Undelivered):
        await stage.bus.publish_every_copy(ShopOpened(name="nobody hears"))
    # Bookings go on: the event waits with the data.
    await tell(oven, Baked(oven="a", number=number * 10 + 1))
    assert await column(oven, "SELECT count(*) FROM outbox") == [1]
    await asyncio.to_thread(broker.start)
    sold = await sold_by(counter, lambda sold: len(sold) == number * 2)
    assert sold[-2:] == [number * 10, number * 10 + 1]

    async def ready() -> bool:
        return stage.bus.healthy and await counter._ask_ready()

    await until(ready, bool)
    assert (await stage.bus.call(Bake(loaves=7))).loaves == 7
    heard_by(counter).clear()
    await stage.bus.publish_every_copy(ShopOpened(name="La Espiga"))

    async def heard() -> list[Event]:
        return heard_by(counter)

    await until(heard, lambda found: found == [ShopOpened(name="La Espiga")])


async def test_a_queue_that_somebody_deletes_is_made_again_with_its_consumer(
    servers: Servers, processes: Processes
) -> None:
    bakery, shop = await processes.one("bakery"), await processes.one()

    async def bake(request: Bake) -> Bread:
        return Bread(loaves=request.loaves)

    await bakery.answer(Bake, bake)
    await delete_queues(servers.broker_url, ["requests.bakery.Bake"])

    async def answered() -> bool:
        try:
            return (await shop.call(Bake(), timeout_s=1)).loaves == 1
        except Unavailable:
            return False

    await until(answered, bool)


async def test_what_is_asked_for_while_the_broker_is_away_is_consumed_when_it_is_back(
    processes: Processes,
) -> None:
    bakery, shop = await processes.one("bakery"), await processes.one()
    transport = bakery._transport
    assert isinstance(transport, RabbitTransport)
    assert transport._session is not None
    assert transport._session._connection is not None
    await transport._session._connection.close()
    assert not transport.healthy

    async def bake(request: Bake) -> Bread:
        return Bread(loaves=request.loaves)

    await bakery.answer(Bake, bake)

    async def answered() -> bool:
        try:
            return (await shop.call(Bake(), timeout_s=1)).loaves == 1
        except Unavailable:
            return False

    await until(answered, bool)


async def test_a_copy_that_goes_leaves_its_queue_to_the_other(servers: Servers) -> None:
    async with a_stage(servers, [OVEN, COUNTER], broker_url=servers.broker_url) as stage:
        first, oven = stage.running["counter"], stage.running["oven"]
        await tell(oven, Baked(oven="a", number=1))
        await sold_by(first, lambda sold: sold == [1])
        second = await stage.put_on(COUNTER)
        await stage.take_off(first)
        await tell(oven, Baked(oven="a", number=2))
        assert await sold_by(second, lambda sold: len(sold) == 2) == [1, 2]


async def test_events_wait_for_a_hearer_that_has_never_run_in_queues_made_by_migrate(
    servers: Servers,
) -> None:
    queues = {**OVEN.queues(), **COUNTER.queues()}
    await declare_queues(servers.broker_url, queues)
    await declare_queues(servers.broker_url, queues)
    async with await aio_pika.connect(servers.broker_url) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue("events.counter", passive=True)
        assert queue.declaration_result.message_count == 0
    async with a_stage(servers, [OVEN], broker_url=servers.broker_url) as stage:
        await tell(stage.running["oven"], Baked(oven="a", number=1))
        count = "SELECT count(*) FROM outbox"
        await until(lambda: column(stage.running["oven"], count), lambda left: left == [0])
        async with await aio_pika.connect(servers.broker_url) as connection:
            channel = await connection.channel()

            async def waiting() -> int | None:
                queue = await channel.declare_queue("events.counter", passive=True)
                return queue.declaration_result.message_count

            await until(waiting, lambda found: found == 1)
    await delete_queues(servers.broker_url, queues)
