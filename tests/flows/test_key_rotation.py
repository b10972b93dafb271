"""The drill: signing keys rotate twice while people work, and nobody notices."""

import asyncio
import base64
import json
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from tests.flows.systems import System
from tests.flows.world import World
from tests.stage import until
from turnosya.runtime.redis import open_redis
from turnosya.tour.answers import Tokens
from turnosya.tour.people import Person

MINUTE = 60_000
DAY = 24 * 60 * MINUTE
# The setting of these tests, and a bit: every verifier has fetched the keys anew after that many calls.
CALLS_UNTIL_FETCHED = 25


@dataclass
class Traffic:
    """Somebody who works without a pause: reads of two services, a refresh, a log-in; each must succeed."""

    person: Person
    calls: int = 0
    signed_by: set[str] = field(default_factory=set[str])

    async def goes_on(self) -> None:
        while True:
            (await self.person.ask("GET", "/v1/users/me")).promised(200)
            (await self.person.ask("GET", "/v1/businesses/mine")).promised(200)
            (await self.person.ask("GET", "/v1/turnos/preferences")).promised(200)
            assert self.person.tokens is not None
            body = {"refresh_token": self.person.tokens.refresh_token}
            answer = await self.person.api.ask("POST", "/v1/auth/refresh", body)
            self.person.tokens = answer.promised(200).as_(Tokens)
            self.signed_by.add(_kid(self.person.token))
            self.calls += 4


def _kid(token: str) -> str:
    head = token.partition(".")[0]
    found: dict[str, str] = json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))
    return found["kid"]


class Keys:
    """The keys in auth's store, which grow older at our word."""

    def __init__(self, system: System) -> None:
        self._redis = open_redis(system.base["TURNOSYA_REDIS_URL"])

    async def grow_older(self, by_ms: int) -> None:
        kept = await self._redis.hgetall("auth:keys")
        for key_id, text in kept.items():
            key: dict[str, Any] = json.loads(text)
            older = {**key, "used_from": key["used_from"] - by_ms}
            await self._redis.hset("auth:keys", key_id, json.dumps(older))

    async def close(self) -> None:
        await self._redis.aclose()


async def test_keys_rotate_twice_while_people_work_and_no_call_fails(world: World) -> None:
    keys = Keys(world.system)
    traffic = [Traffic(await world.somebody(f"Persona {number}")) for number in range(3)]
    working = asyncio.gather(*(one.goes_on() for one in traffic))

    async def all_have_made(calls: int) -> None:
        before = [one.calls for one in traffic]

        async def fewest() -> int:
            if working.done():
                await working
            return min(one.calls - then for one, then in zip(traffic, before, strict=True))

        await until(fewest, lambda made: made >= calls)

    async def published() -> set[str]:
        answer = (await world.api.ask("GET", "/v1/auth/jwks.json")).promised(200).answer
        return {key["kid"] for key in answer["keys"]}

    try:
        for _ in range(2):
            # 20 minutes before its time the next one is published, and learned by all who verify.
            await keys.grow_older(30 * DAY - 20 * MINUTE)
            await until(published, lambda found: len(found) == 2)
            await all_have_made(CALLS_UNTIL_FETCHED * 4)
            await keys.grow_older(20 * MINUTE)
            await all_have_made(CALLS_UNTIL_FETCHED)
            # 30 minutes after that the former one is gone, with every token that it signed.
            await keys.grow_older(31 * MINUTE)
            await until(published, lambda found: len(found) == 1)
    finally:
        working.cancel()
        with suppress(asyncio.CancelledError):
            await working
        await keys.close()
        world.forget_clients()
    assert all(len(one.signed_by) == 3 for one in traffic)
