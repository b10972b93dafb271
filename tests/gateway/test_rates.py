"""How often one may ask, as a client meets it at the front door; Redis counts."""

import json

import pytest
from redis.asyncio import Redis

from tests.gateway.wire import Heard
from tests.gateway.world import World, a_gateway
from turnosya.services.gateway.limits import Limits


def limited(redis: Redis) -> Limits:
    return Limits(redis, answer_within_s=5, retry_after_s=1)


async def test_an_address_may_ask_so_often_and_is_told_when_again(redis: Redis) -> None:
    async with a_gateway(limits=limited(redis)) as world:
        heard = await world.ask("GET /v1/businesses/x")
        assert heard.headers["ratelimit-policy"] == '"anonymous";q=60;w=60'
        assert heard.headers["ratelimit"].startswith('"anonymous";r=19;')
        while heard.status == 200:
            heard = await world.ask("GET /v1/businesses/x")
        assert (heard.status, heard.problem()["code"]) == (429, "rate_limited")
        assert int(heard.headers["retry-after"]) == 1
        assert heard.headers["ratelimit"].startswith('"anonymous";r=0;')
        assert (await world.ask("GET /v1/users/me", token=world.person().token())).status == 200
        assert (await world.ask("GET /healthz")).status == 200
        assert (await world.ask("GET /docs")).status == 429


async def test_forged_tokens_spend_the_budget_of_their_address(redis: Redis) -> None:
    async with a_gateway(limits=limited(redis)) as world:
        codes = [await world.code_of("GET /v1/businesses/x", token="nonsense") for _ in range(25)]
    assert codes[0] == "token_invalid"
    assert codes[-1] == "rate_limited"


async def test_a_family_refreshes_ten_times_and_its_body_still_arrives_whole(redis: Redis) -> None:
    async with a_gateway(limits=limited(redis), proxies=["127.0.0.1"]) as world:
        body = b'{"refresh_token": "v1.fam.3.mac"}'

        async def refresh(n: int, body: bytes) -> Heard:
            # Each from an address of its own: the family's budget is what counts here.
            return await world.ask("POST /v1/auth/refresh", f"X-Forwarded-For: 2.2.2.{n}", body=body)

        answers = [await refresh(n, body) for n in range(11)]
        assert [a.status for a in answers] == [200] * 10 + [429]
        assert json.loads(answers[0].body)["body"] == body.decode()
        assert (await refresh(20, body.replace(b"fam", b"other"))).status == 200


@pytest.mark.parametrize(
    "spelt",
    [
        b'{"refresh\\u005ftoken": "v1.fam.3.mac"}',
        b'{"refresh_token": "\\u00761.fam\\u002e3.mac"}',
        b'{"a": [{}], ' + b" " * 300_000 + b'"refresh_token": "v1.fam.3.mac"}',
        b'{"a": "\\"refresh_token\\": \\"v1.other.", "refresh_token": "v1.fam.3.mac"}',
    ],
    ids=["escaped_name", "escaped_token", "far_behind", "another_first"],
)
async def test_a_family_has_one_budget_however_its_token_is_spelt(redis: Redis, spelt: bytes) -> None:
    async with a_gateway(limits=limited(redis), proxies=["127.0.0.1"]) as world:
        for n in range(10):
            await world.ask(
                "POST /v1/auth/refresh",
                f"X-Forwarded-For: 2.2.2.{n}",
                body=b'{"refresh_token":"v1.fam.3.mac"}',
            )
        refused = await world.ask("POST /v1/auth/refresh", "X-Forwarded-For: 2.2.2.99", body=spelt)
        assert (refused.status, refused.problem()["code"]) == (429, "rate_limited")


async def test_codes_have_a_budget_of_their_own_from_which_development_frees_loopback(redis: Redis) -> None:
    async def codes_sent(world: World) -> int:
        statuses = [(await world.ask("POST /v1/auth/otp", body=b"{}")).status for _ in range(12)]
        return statuses.count(200)

    async with a_gateway(limits=limited(redis)) as world:
        assert await codes_sent(world) == 10
    await redis.flushall()  # pyright: ignore[reportUnknownMemberType] - its stubs
    async with a_gateway(limits=limited(redis), development=True) as world:
        assert await codes_sent(world) == 12


async def test_a_stranger_gains_no_budget_by_what_he_says_of_his_address(redis: Redis) -> None:
    async with a_gateway(limits=limited(redis), proxies=["10.0.0.0/8"]) as world:
        lies = [f"X-Forwarded-For: 2.2.2.{n}" for n in range(25)]
        heard = [await world.ask("GET /v1/businesses/x", lie, f"X-Real-IP: 3.{lie[-3:]}") for lie in lies]
    assert [one.status for one in heard] == [200] * 20 + [429] * 5


async def test_writes_have_a_budget_beside_the_users(redis: Redis) -> None:
    async with a_gateway(limits=limited(redis)) as world:
        token = world.person().token()
        heard = [await world.ask("POST /v1/businesses", token=token) for _ in range(31)]
        assert heard[0].headers["ratelimit-policy"] == '"user";q=600;w=60, "writes";q=120;w=60'
        assert [one.status for one in heard] == [200] * 30 + [429]
        assert heard[-1].headers["retry-after"] == "1"
        assert (await world.ask("GET /v1/businesses/mine", token=token)).status == 200
