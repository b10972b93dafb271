"""The gateway as the program runs it: opened from settings, on a bus, before and after auth is there."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, datetime

import pytest
from redis.asyncio import Redis

from tests.gateway.town import Town, a_town
from tests.gateway.wire import running
from tests.gateway.world import Person
from turnosya.contracts.auth import AccessChanged, GetAccess
from turnosya.runtime.serving import plain_config
from turnosya.runtime.settings import Environment, SettingsWrong, load
from turnosya.services.gateway.settings import GatewaySettings, service_urls


@pytest.fixture
async def town(redis: Redis) -> AsyncGenerator[Town]:
    async with a_town(redis) as made:
        yield made


async def test_it_is_ready_once_auth_has_said_who_may_not_come_in(town: Town) -> None:
    gateway = await town.a_gateway()
    assert (await gateway.ask("/healthz")).status == 200
    assert (await gateway.ask("/readyz")).status == 503
    ana = Person(town.key)
    town.auth.known.blocked_user_ids.append(ana.user_id)
    await town.bus.answer(GetAccess, town.auth.snapshot)
    await gateway.until(200, "/readyz")
    await town.auth.beat()
    heard = await gateway.until(401, "/v1/users/me", ana)
    assert heard.problem()["code"] == "access_blocked"


async def test_every_copy_hears_whose_access_ended(town: Town) -> None:
    await town.bus.answer(GetAccess, town.auth.snapshot)
    copies = [await town.a_gateway(), await town.a_gateway()]
    ana = Person(town.key)
    await asyncio.gather(*(copy.until(200, "/readyz") for copy in copies))
    await town.auth.beat()
    for copy in copies:
        await copy.until(200, "/v1/users/me", ana)
    ended = AccessChanged(user_id=ana.user_id, ended_session_ids=[ana.session_id], at=datetime.now(UTC))
    await town.bus.publish_every_copy(ended)
    for copy in copies:
        assert (await copy.until(401, "/v1/users/me", ana)).problem()["code"] == "token_revoked"


async def test_a_gateway_that_does_not_hear_auth_asks_it_over_http_and_closes_without_it(town: Town) -> None:
    await town.bus.answer(GetAccess, town.auth.snapshot)
    ana = Person(town.key)
    async with running(plain_config(town.auth)) as port:
        gateway = await town.a_gateway(
            TURNOSYA_SERVICE_URLS=f"auth=http://127.0.0.1:{port}", TURNOSYA_GATEWAY_DEAF_AFTER_S="0.1"
        )
        await gateway.until(200, "/readyz")
        assert (await gateway.ask("/v1/users/me", ana)).status == 200
        assert town.auth.asked_over_http == 1
        town.auth.known.ended_session_ids.append(ana.session_id)
        assert (await gateway.ask("/v1/users/me", ana)).status == 401
        assert town.auth.asked_over_http == 2
    heard = await gateway.ask("/v1/users/me", Person(town.key))
    assert heard.problem()["code"] == "service_unavailable"
    assert int(heard.headers["retry-after"]) > 0
    # Those without a token are nobody auth could have put out.
    assert (await gateway.ask("/v1/users/me")).status == 200


async def test_lifted_limits_and_the_development_pages_are_for_development_only(town: Town) -> None:
    town.env = Environment.PRODUCTION
    with pytest.raises(SettingsWrong, match="TURNOSYA_RATE_LIMITS"):
        await town.a_gateway()
    gateway = await town.a_gateway(TURNOSYA_RATE_LIMITS="on")
    for path in ("/dev", "/dev/chat", "/v1/dev/messages", "/v1/dev/clock"):
        assert (await gateway.ask(path)).problem()["code"] == "not_found"
    heard = await gateway.ask("/v1/users/me")
    assert heard.headers["ratelimit-policy"] == '"anonymous";q=60;w=60'


def test_addresses_of_services() -> None:
    assert service_urls("") == {}
    assert service_urls("chat=http://a:8000|http://b:8000, auth=http://c:8000") == {
        "chat": ("http://a:8000", "http://b:8000"),
        "auth": ("http://c:8000",),
    }


@pytest.mark.parametrize(
    "wrong",
    [
        "chat",
        "chat=",
        "chat=a:8000",
        "chat=http://a:8000|",
        "shat=http://a",
        "chat=http://a/api",
        "=http://a",
    ],
)
def test_a_wrong_address_names_the_setting(wrong: str) -> None:
    with pytest.raises(SettingsWrong, match="TURNOSYA_SERVICE_URLS"):
        service_urls(wrong)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("TURNOSYA_CORS_ORIGINS", "app.example"),
        ("TURNOSYA_CORS_ORIGINS", "https://app.example/"),
        ("TURNOSYA_CORS_ORIGINS", "*"),
        ("TURNOSYA_TRUSTED_PROXIES", "proxy.example"),
        ("TURNOSYA_GATEWAY_TIMEOUT_S", "0"),
    ],
)
def test_a_wrong_setting_is_named(name: str, wrong: str) -> None:
    with pytest.raises(SettingsWrong, match=name):
        load(GatewaySettings, {name: wrong})
