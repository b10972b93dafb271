"""The budgets, in a real Redis and in this process while Redis is away."""

import asyncio
from collections.abc import Awaitable, Callable
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from turnosya.runtime.redis import open_redis
from turnosya.services.gateway.budgets import Asked, buckets_of, family_in
from turnosya.services.gateway.limits import (
    ANONYMOUS,
    USER,
    WRITES,
    Bucket,
    Limits,
    LocalBuckets,
    Rate,
    Verdict,
)
from turnosya.services.gateway.problems import RateLimited

Charge = Callable[..., Awaitable[Verdict]]
TIGHT = Rate("tight", 1, 3)
WIDE = Rate("wide", 1, 10)


@pytest.fixture(params=["redis", "local"])
async def charge(request: pytest.FixtureRequest, redis: Redis) -> Charge:
    if request.param == "redis":
        return lambda *buckets: Limits(redis, answer_within_s=5, retry_after_s=1).charge(buckets)
    local = LocalBuckets()

    async def locally(*buckets: Bucket) -> Verdict:
        return local.charge(buckets)

    return locally


async def test_the_burst_passes_and_the_next_is_told_how_long_to_wait(charge: Charge) -> None:
    verdicts = [await charge(Bucket(TIGHT, "ana")) for _ in range(4)]
    assert [v.wait_s for v in verdicts[:3]] == [0, 0, 0]
    assert [v.standings[0].remaining for v in verdicts] == [2, 1, 0, 0]
    assert 59 <= verdicts[3].wait_s <= 60
    with pytest.raises(RateLimited) as refused:
        verdicts[3].enforce()
    assert refused.value.retry_after_s == verdicts[3].wait_s


async def test_callers_do_not_spend_each_others_budget(charge: Charge) -> None:
    for _ in range(4):
        await charge(Bucket(TIGHT, "ana"))
    assert (await charge(Bucket(TIGHT, "beto"))).wait_s == 0


async def test_a_refusal_by_one_bucket_charges_none(charge: Charge) -> None:
    for _ in range(5):
        await charge(Bucket(TIGHT, "ana"), Bucket(WIDE, "ana"))
    assert (await charge(Bucket(WIDE, "ana"))).standings[0].remaining == 10 - 3 - 1


async def test_a_budget_refills_with_time(charge: Charge) -> None:
    quick = Rate("quick", 60_000, 1)
    await charge(Bucket(quick, "ana"))
    async with asyncio.timeout(5):
        while (await charge(Bucket(quick, "ana"))).wait_s:
            pass


async def test_the_fields_say_what_is_left(charge: Charge) -> None:
    fields = dict((await charge(Bucket(USER, "ana"), Bucket(WRITES, "ana"))).fields())
    assert fields[b"ratelimit-policy"] == b'"user";q=600;w=60, "writes";q=120;w=60'
    assert fields[b"ratelimit"] == b'"user";r=99;t=1, "writes";r=29;t=1'


async def test_parallel_requests_never_pass_the_burst_together(redis: Redis) -> None:
    limits = Limits(redis, answer_within_s=5, retry_after_s=1)
    verdicts = await asyncio.gather(*(limits.charge([Bucket(TIGHT, "ana")]) for _ in range(300)))
    assert sum(v.wait_s == 0 for v in verdicts) == 3


async def test_without_redis_each_process_counts_for_itself_and_comes_back() -> None:
    now = 1000.0
    away = open_redis("redis://127.0.0.1:1")
    limits = Limits(away, answer_within_s=5, retry_after_s=10, now=lambda: now)
    verdicts = [await limits.charge([Bucket(TIGHT, "ana")]) for _ in range(4)]
    assert [v.wait_s == 0 for v in verdicts] == [True, True, True, False]
    await away.aclose()


async def test_a_redis_that_hangs_delays_one_request_only() -> None:
    connections = 0

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await reader.read()
        writer.close()

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    client = Redis(host="127.0.0.1", port=port)
    limits = Limits(client, answer_within_s=0.05, retry_after_s=60)
    for _ in range(3):
        assert (await limits.charge([Bucket(ANONYMOUS, "ana")])).wait_s == 0
    assert connections == 1
    await client.aclose()
    server.close()


def names(asked: Asked, *, user: bool = False, family: str | None = None, exempt: bool = False) -> list[str]:
    user_id = uuid4() if user else None
    buckets = buckets_of(asked, user_id=user_id, family=family, codes_exempt=exempt)
    return [bucket.rate.name for bucket in buckets]


def test_who_pays_from_which_budget() -> None:
    assert names(Asked("GET", "/v1/businesses", "1.2.3.4")) == ["anonymous"]
    assert names(Asked("GET", "/v1/users/me", "1.2.3.4"), user=True) == ["user"]
    assert names(Asked("POST", "/v1/businesses", "1.2.3.4"), user=True) == ["user", "writes"]
    assert names(Asked("POST", "/v1/auth/otp", "1.2.3.4")) == ["anonymous", "codes"]
    assert names(Asked("POST", "/v1/auth/login", "1.2.3.4"), exempt=True) == ["anonymous"]
    assert names(Asked("POST", "/v1/auth/refresh", "1.2.3.4"), family="abc") == ["anonymous", "refresh"]


def test_an_ipv6_network_shares_its_budget() -> None:
    one, other = (
        buckets_of(Asked("GET", "/", address), user_id=None, family=None, codes_exempt=False)
        for address in ("2001:db8::1", "2001:db8::ffff:2")
    )
    assert one == other


@pytest.mark.parametrize(
    ("body", "family"),
    [
        (b'{"refresh_token": "v1.AbC-_9.4.mac"}', "AbC-_9"),
        (b'{"refresh_token":"v1.a.b"}', "a"),
        (b'{"refresh_token": "nonsense"}', None),
        (b"", None),
    ],
)
def test_the_family_of_a_refresh(body: bytes, family: str | None) -> None:
    assert family_in(body) == family
