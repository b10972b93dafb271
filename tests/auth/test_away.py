"""Redis away, and back without a restart; and a Redis user that may reach auth's keys only."""

from asyncio import create_task, gather, sleep, to_thread, wait
from collections.abc import AsyncGenerator
from urllib.parse import urlsplit, urlunsplit

import httpx
import pytest
from redis.asyncio import Redis

from tests.auth.world import NUMBER, PASSWORD, World, a_world, redis_says
from tests.servers import PrivateServer, Servers
from turnosya.contracts.auth import CodeRequested
from turnosya.runtime.ids import new_id
from turnosya.runtime.migrate import redis_user_rule
from turnosya.runtime.redis import open_redis
from turnosya.services.auth import access


@pytest.fixture
async def fragile(servers: Servers) -> AsyncGenerator[tuple[PrivateServer, World]]:
    """A Redis that may be killed, and auth on it."""
    with servers.private("redis") as server:
        client = open_redis(server.url)
        async with a_world(client) as world:
            yield server, world
        await client.aclose()


async def test_without_redis_every_call_is_503_and_with_it_again_all_goes_on(
    fragile: tuple[PrivateServer, World],
) -> None:
    server, world = fragile
    person = world.people.person(roles=["admin"])
    tokens = await world.signed_in()
    await world.verifier.verify(tokens.access_token)
    one = f"/v1/auth/blocked-users/{person.id}"
    bodies: list[tuple[str, str, object]] = [
        ("POST", "/v1/auth/otp", {"phone": NUMBER, "purpose": "register"}),
        ("POST", "/v1/auth/login", {"phone": NUMBER, "password": PASSWORD}),
        ("POST", "/v1/auth/token", {"challenge_id": str(new_id()), "code": "123456"}),
        ("POST", "/v1/auth/refresh", {"refresh_token": tokens.refresh_token}),
        ("POST", "/v1/auth/logout", None),
        ("GET", "/v1/auth/sessions", None),
        ("DELETE", "/v1/auth/sessions", None),
        ("DELETE", f"/v1/auth/sessions/{tokens.session_id}", None),
        ("GET", "/v1/auth/jwks.json", None),
        ("GET", "/v1/auth/blocked-users", None),
        ("GET", one, None),
        ("PUT", one, {"reason": "x"}),
        ("DELETE", one, None),
        ("GET", "/internal/access", None),
    ]
    async with world.http() as client:
        client.headers["Authorization"] = f"Bearer {tokens.access_token}"

        async def call_all() -> list[httpx.Response]:
            return [await client.request(method, path, json=body) for method, path, body in bodies]

        server.kill()
        for answer in await call_all():
            assert (answer.status_code, answer.json()["code"]) == (503, "service_unavailable")
            assert int(answer.headers["Retry-After"]) > 0
        assert await access.ready(world.auth) is False

        server.start()
        refreshed = await client.post("/v1/auth/refresh", json={"refresh_token": tokens.refresh_token})
        assert refreshed.status_code == 200
        assert await access.ready(world.auth) is True
        assert all(answer.status_code < 500 for answer in await call_all())


async def test_a_redis_that_is_full_signs_nobody_out(
    fragile: tuple[PrivateServer, World],
) -> None:
    _, world = fragile
    world.people.person()
    tokens = await world.signed_in()
    sent = {"refresh_token": tokens.refresh_token}
    async with world.http() as client:
        await redis_says(world.redis, "CONFIG", "SET", "maxmemory", "1")
        answer = await client.post("/v1/auth/refresh", json=sent)
        assert (answer.status_code, answer.json()["code"]) == (503, "service_unavailable")
        await redis_says(world.redis, "CONFIG", "SET", "maxmemory", "0")
        assert (await client.post("/v1/auth/refresh", json=sent)).status_code == 200


async def test_what_redis_had_acknowledged_is_there_after_its_death(
    fragile: tuple[PrivateServer, World],
) -> None:
    server, world = fragile
    world.people.person()
    await redis_says(world.redis, "CONFIG", "SET", "appendfsync", "always")
    tokens = await world.signed_in()
    await gather(*(world.auth.store.text("auth:loaded") for _ in range(20)))
    sent = await world.ask_code()
    await to_thread(server.kill)
    await to_thread(server.start)
    # The connections that died are replaced before anybody notices.
    await gather(*(world.auth.store.text("auth:loaded") for _ in range(20)))
    await world.refresh(tokens)
    assert [event.challenge_id for event in await world.told(CodeRequested)][-1] == sent.challenge_id


async def test_auth_works_as_the_redis_user_that_migrate_makes(redis: Redis, redis_url: str) -> None:
    parts = urlsplit(redis_url)
    address = parts.netloc.rpartition("@")[2]
    own = urlunsplit(parts._replace(netloc=f"turnosya_auth:secret@{address}"))
    await redis_says(redis, "ACL", *redis_user_rule("auth", own))
    client = open_redis(own)
    try:
        async with a_world(client) as world:
            world.people.person()
            tokens = await world.refresh(await world.signed_in())
            await world.caller(tokens)
            await access.snapshot(world.auth)
            await world.auth.store.wait_for_events({"auth:events": "0-0"}, wait_ms=1)
    finally:
        await client.aclose()
        await redis_says(redis, "ACL", "DELUSER", "turnosya_auth")


async def test_a_loop_that_asks_redis_ends_when_it_is_cancelled(redis: Redis) -> None:
    """However its cancelling falls on the steps of a command."""

    async def ask_on() -> None:
        while True:
            await redis.get("x")

    for turn in range(2000):
        asking = create_task(ask_on())
        for _ in range(turn % 40):
            await sleep(0)
        asking.cancel()
        ended, _ = await wait([asking], timeout=5)
        assert ended, "it goes on asking"
