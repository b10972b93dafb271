"""What the gateway stands on is away, and back without a restart; the servers are real and are killed."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from redis.asyncio import Redis

from tests.gateway.town import MESSAGING, Auth, Copy, Town
from tests.gateway.wire import running
from tests.gateway.world import Person, a_gateway
from tests.servers import PrivateServer, Servers
from turnosya.contracts.auth import GetAccess
from turnosya.runtime.bus import Bus
from turnosya.runtime.rabbit import RabbitTransport
from turnosya.runtime.redis import open_redis
from turnosya.runtime.serving import plain_config
from turnosya.services.gateway.limits import Limits


async def test_without_redis_requests_are_counted_here_and_with_it_again_there(servers: Servers) -> None:
    with servers.private("redis") as server:
        client = open_redis(server.url)
        # On a busy machine a live Redis is not late, and a dead one refuses at once.
        limits = Limits(client, answer_within_s=5, retry_after_s=0.05)
        async with a_gateway(limits=limits) as world:

            async def ask() -> int:
                heard = await world.ask("GET /v1/businesses/x")
                assert heard.headers["ratelimit-policy"] == '"anonymous";q=60;w=60'
                return heard.status

            assert await ask() == 200
            await asyncio.to_thread(server.kill)
            # A burst and no more: neither open nor an error.
            counted = [await ask() for _ in range(25)]
            assert counted[0] == 200
            assert counted[-1] == 429
            assert {*counted} == {200, 429}
            # Who is signed in has a budget of his own here, too.
            token = world.person().token()
            assert (await world.ask("GET /v1/users/me", token=token)).status == 200
            await asyncio.to_thread(server.start)
            # Somebody whom only a count in Redis could have left there.
            beto = world.person()
            async with asyncio.timeout(20):
                while not await client.exists(f"gateway:limit:user:{beto.user_id}"):
                    assert (await world.ask("GET /v1/users/me", token=beto.token())).status == 200
        await client.aclose()


@dataclass
class Lines:
    """A gateway that hears auth over RabbitMQ, and auth's list over HTTP."""

    broker: PrivateServer
    town: Town
    gateway: Copy
    http: AsyncExitStack


@asynccontextmanager
async def _lines(servers: Servers, redis: Redis) -> AsyncGenerator[Lines]:
    key = MESSAGING["TURNOSYA_MESSAGE_KEY"]
    async with AsyncExitStack() as stack, AsyncExitStack() as http:
        broker = stack.enter_context(servers.private("rabbitmq"))
        buses: list[Bus] = []
        for name in ("auth", "gateway"):
            transport = RabbitTransport(broker.url, {}, reconnect_s=0.1)
            await transport.open()
            stack.push_async_callback(transport.close)
            buses.append(Bus(transport, source=name, message_key=key, call_timeout_s=1))
        auth = Auth(buses[0])
        await auth.bus.answer(GetAccess, auth.snapshot)
        beating = asyncio.create_task(auth.go_on_beating())
        stack.callback(beating.cancel)
        port = await http.enter_async_context(running(plain_config(auth)))
        town = Town(buses[1], auth, Ed25519PrivateKey.generate(), redis, stack)
        gateway = await town.a_gateway(
            TURNOSYA_SERVICE_URLS=f"auth=http://127.0.0.1:{port}", TURNOSYA_GATEWAY_DEAF_AFTER_S="1"
        )
        await gateway.until(200, "/readyz")
        yield Lines(broker, town, gateway, http)


@pytest.mark.timeout(180)  # RabbitMQ starts twice, on a machine that does more
async def test_without_the_broker_auth_is_asked_then_nobody_comes_in_and_all_heals_by_itself(
    servers: Servers, redis: Redis
) -> None:
    async with _lines(servers, redis) as lines:
        gateway, auth, ana = lines.gateway, lines.town.auth, Person(lines.town.key)
        asked = auth.asked_over_http
        await gateway.until(200, "/v1/users/me", ana)
        await asyncio.to_thread(lines.broker.kill)
        async with asyncio.timeout(20):
            while auth.asked_over_http < asked + 3:
                assert (await gateway.ask("/v1/users/me", ana)).status == 200
        auth.known.blocked_user_ids.append(ana.user_id)
        assert (await gateway.ask("/v1/users/me", ana)).problem()["code"] == "access_blocked"
        auth.known.blocked_user_ids.clear()

        await lines.http.aclose()
        heard = await gateway.until(503, "/v1/users/me", ana)
        assert heard.problem()["code"] == "service_unavailable"
        assert int(heard.headers["retry-after"]) > 0
        assert (await gateway.ask("/v1/users/me")).status == 200, "nobody is not put out"

        await asyncio.to_thread(lines.broker.start)
        async with asyncio.timeout(20):
            while (await gateway.ask("/v1/users/me", ana)).status != 200:
                pass
        assert (await gateway.ask("/readyz")).status == 200
