"""The gateway as the program runs it: opened from settings, on a bus, before and after auth is there."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from redis.asyncio import Redis
from starlette.types import Receive, Scope, Send

from tests.gateway.wire import Heard, ask, echo, running
from tests.gateway.world import Person, keys_of
from turnosya.contracts.auth import Access, AccessChanged, AccessHeartbeat, GetAccess
from turnosya.runtime.bus import Bus
from turnosya.runtime.clock import Clock
from turnosya.runtime.identity import TokenVerifier
from turnosya.runtime.ids import new_id
from turnosya.runtime.memory import MemoryTransport
from turnosya.runtime.service import Host, Running
from turnosya.runtime.serving import plain_config
from turnosya.runtime.settings import (
    Environment,
    MessagingSettings,
    ProcessSettings,
    SettingsWrong,
    load,
)
from turnosya.services.gateway.service import service
from turnosya.services.gateway.settings import GatewaySettings, service_urls

MESSAGING = {"TURNOSYA_MESSAGE_KEY": Fernet.generate_key().decode()}


@dataclass
class Auth:
    """What auth says on the bus and, apart from that, over HTTP."""

    bus: Bus
    known: Access = field(
        default_factory=lambda: Access(
            blocked_user_ids=[], versions={}, ended_session_ids=[], at=datetime.now(UTC)
        )
    )
    asked_over_http: int = 0

    async def snapshot(self, _request: GetAccess) -> Access:
        return self.known

    async def beat(self) -> None:
        await self.bus.publish_every_copy(AccessHeartbeat(at=datetime.now(UTC)))

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        assert scope["raw_path"] == b"/internal/access"
        assert (b"x-internal-service", b"auth") in scope["headers"]
        self.asked_over_http += 1
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": self.known.model_dump_json().encode()})


@dataclass
class Copy:
    """One process of the gateway."""

    port: int
    running: Running[object]

    async def ask(self, path: str, person: Person | None = None) -> Heard:
        bearer = f"Authorization: Bearer {person.token()}\r\n" if person else ""
        return await ask(self.port, f"GET {path} HTTP/1.1\r\nHost: a\r\n{bearer}\r\n".encode())

    async def until(self, status: int, path: str, person: Person | None = None) -> Heard:
        """Asks until it is answered so."""
        async with asyncio.timeout(10):
            while (heard := await self.ask(path, person)).status != status:
                pass
        return heard


@dataclass
class Town:
    """A bus, people, and gateways that are started on it."""

    bus: Bus
    auth: Auth
    key: Ed25519PrivateKey
    redis: Redis
    stack: AsyncExitStack
    env: Environment = Environment.DEVELOPMENT

    async def a_gateway(self, **settings: str) -> Copy:
        given: Mapping[str, str] = {"TURNOSYA_RATE_LIMITS": "off", **MESSAGING, **settings}
        neighbours = {"users": echo}
        host = Host(
            load(GatewaySettings, given), load(ProcessSettings, given), self.env, self.bus, Clock(),
            TokenVerifier(keys_of(self.key)), new_id(), neighbours, None, self.redis,
        )  # fmt: skip
        one = Running(service, host, load(MessagingSettings, given), pytest.fail)
        self.stack.push_async_callback(one.stop, 5)
        await one.start()
        assert service.listener is not None
        assert one.context is not None
        port = await self.stack.enter_async_context(running(service.listener(one.context)))
        return Copy(port, one)  # type: ignore[arg-type]


@pytest.fixture
async def town(redis: Redis) -> AsyncGenerator[Town]:
    async with a_town(redis) as made:
        yield made


@asynccontextmanager
async def a_town(redis: Redis) -> AsyncGenerator[Town]:
    transport = MemoryTransport({})
    await transport.open()
    bus = Bus(transport, source="gateway", message_key=MESSAGING["TURNOSYA_MESSAGE_KEY"], call_timeout_s=1)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(transport.close)
        yield Town(bus, Auth(bus), Ed25519PrivateKey.generate(), redis, stack)


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
    for path in ("/dev", "/v1/dev/messages", "/v1/dev/clock"):
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
