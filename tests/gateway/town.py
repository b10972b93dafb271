"""The gateway as the program runs it, on a bus, with an auth that says what a test wants."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from redis.asyncio import Redis
from starlette.types import Receive, Scope, Send

from tests.gateway.wire import Heard, ask, echo, running
from tests.gateway.world import Person, keys_of
from turnosya.contracts.auth import Access, AccessHeartbeat, GetAccess
from turnosya.runtime.bus import Bus, Undelivered
from turnosya.runtime.clock import Clock
from turnosya.runtime.identity import TokenVerifier
from turnosya.runtime.ids import new_id
from turnosya.runtime.memory import MemoryTransport
from turnosya.runtime.service import Host, Running
from turnosya.runtime.settings import Environment, MessagingSettings, ProcessSettings, load
from turnosya.services.gateway.service import service
from turnosya.services.gateway.settings import GatewaySettings

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

    async def go_on_beating(self) -> None:
        """As auth does, only more often; without a broker nobody hears it."""
        while True:
            with suppress(Undelivered, ConnectionError):
                await self.beat()
            await asyncio.sleep(0.1)

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
        one.begin_to_work()
        assert service.listener is not None
        assert one.context is not None
        port = await self.stack.enter_async_context(running(service.listener(one.context)))
        return Copy(port, one)  # type: ignore[arg-type]


@asynccontextmanager
async def a_town(redis: Redis) -> AsyncGenerator[Town]:
    transport = MemoryTransport({})
    await transport.open()
    bus = Bus(transport, source="gateway", message_key=MESSAGING["TURNOSYA_MESSAGE_KEY"], call_timeout_s=1)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(transport.close)
        yield Town(bus, Auth(bus), Ed25519PrivateKey.generate(), redis, stack)
