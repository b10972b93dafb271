"""A town of people who sign in: auth over a real Redis, and what users keeps of them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar, cast
from uuid import UUID

import httpx
from cryptography.fernet import Fernet
from redis.asyncio import Redis

from turnosya.contracts.auth import Channel, CodeRequested, Purpose
from turnosya.contracts.users import (
    BlockedUser,
    BlockedUsers,
    CheckPassword,
    CredentialsInvalid,
    GetBlocked,
    KeepBlocked,
    Person,
)
from turnosya.runtime.bus import Bus, Transport
from turnosya.runtime.http import web_app
from turnosya.runtime.identity import Caller, TokenVerifier
from turnosya.runtime.ids import new_id
from turnosya.runtime.links import Links
from turnosya.runtime.memory import MemoryTransport
from turnosya.runtime.messages import Event, NotFound, Nothing, Unavailable
from turnosya.runtime.settings import ProcessSettings, load
from turnosya.services.auth import access, keys, login, otp, sessions
from turnosya.services.auth.context import Auth
from turnosya.services.auth.login import Credentials
from turnosya.services.auth.otp import Recipient, Sent
from turnosya.services.auth.service import service
from turnosya.services.auth.sessions import Tokens
from turnosya.services.auth.settings import AuthSettings
from turnosya.services.auth.store import ACCESS_EVENTS, EVENTS, Store

E = TypeVar("E", bound=Event)

SECOND, MINUTE, HOUR, DAY = 1000, 60_000, 3_600_000, 86_400_000
BEGIN_MS = 1_800_000_000_000
NUMBER = "+5491122334455"
ADDRESS = "203.0.113.7"
PASSWORD = "correct horse battery staple"


@dataclass
class Now:
    """Milliseconds since 1970, moved by the test."""

    ms: int = BEGIN_MS

    def pass_(self, ms: int) -> None:
        self.ms += ms


@dataclass
class People:
    """What users answers to auth: passwords and who is blocked."""

    by_number: dict[str, Person] = field(default_factory=dict[str, Person])
    blocked: dict[UUID, str] = field(default_factory=dict[UUID, str])
    away: bool = False
    after_check: Callable[[], Awaitable[object]] | None = None
    """What happens between the answer about a password and what auth makes of it."""

    def person(
        self, number: str = NUMBER, *, email: str | None = None, roles: list[str] | None = None
    ) -> Person:
        person = Person(id=new_id(), name="Ana", phone=number, email=email, locale="es", roles=roles or [])
        self.by_number[number] = person
        return person

    async def check(self, request: CheckPassword) -> Person:
        found = (
            [one for one in self.by_number.values() if request.email == one.email] if request.email else []
        )
        person = found[0] if found else self.by_number.get(request.phone or "")
        if person is None or request.password != PASSWORD:
            raise CredentialsInvalid
        if self.after_check is not None:
            await self.after_check()
        return person

    async def keep(self, request: KeepBlocked) -> Nothing:
        if request.user_id not in {person.id for person in self.by_number.values()}:
            raise NotFound
        if request.blocked:
            self.blocked[request.user_id] = request.reason or ""
        else:
            self.blocked.pop(request.user_id, None)
        return Nothing()

    async def all_blocked(self, _request: GetBlocked) -> BlockedUsers:
        if self.away:
            raise Unavailable
        at = datetime.fromtimestamp(BEGIN_MS / 1000, UTC)
        return BlockedUsers(
            items=[BlockedUser(user_id=one, reason=why, blocked_at=at) for one, why in self.blocked.items()]
        )


@dataclass
class World:
    """Auth, its Redis, its time, and words for what people do."""

    auth: Auth
    redis: Redis
    now: Now
    people: People
    transport: MemoryTransport
    bus: Bus
    settings: AuthSettings
    message_key: str

    def bus_over(self, transport: Transport) -> Bus:
        return Bus(transport, source="auth", message_key=self.message_key, call_timeout_s=2)

    def __post_init__(self) -> None:
        self.verifier = self.new_verifier()

    def new_verifier(self) -> TokenVerifier:
        """As a gateway or service has one, in a process of its own."""

        async def fetch() -> list[dict[str, str]]:
            return (await keys.signing_keys(self.auth)).keys

        return TokenVerifier(fetch, now=lambda: self.now.ms / 1000, monotonic=lambda: self.now.ms / 1000)

    def copy_of_auth(self, *, limited: bool = True, loopback_exempt: bool = False) -> Auth:
        store = Store(self.redis, lambda: self.now.ms)
        return Auth.of(
            self.settings,
            self.bus,
            store,
            links=self.auth.links,
            limited=limited,
            loopback_exempt=loopback_exempt,
        )

    async def ask_code(
        self,
        number: str = NUMBER,
        *,
        purpose: Purpose = "register",
        address: str = ADDRESS,
        auth: Auth | None = None,
    ) -> Sent:
        recipient = Recipient(number, "whatsapp", "es")
        return await otp.request_code(auth or self.auth, recipient, purpose, address=address)

    async def log_in(self, number: str = NUMBER, *, channel: Channel = "whatsapp") -> Sent:
        credentials = Credentials(phone=number, email=None, password=PASSWORD)
        return await login.log_in(self.auth, credentials, channel=channel, address=ADDRESS)

    async def code_of(self, sent: Sent) -> str:
        codes = [
            event.code for event in await self.told(CodeRequested) if event.challenge_id == sent.challenge_id
        ]
        return codes[-1]

    async def signed_in(self, number: str = NUMBER, device: str | None = None) -> Tokens:
        """Signs in, past the pauses and budgets of codes."""
        limited, exempt = (
            self.copy_of_auth(limited=False),
            Credentials(phone=number, email=None, password=PASSWORD),
        )
        sent = await login.log_in(limited, exempt, channel="whatsapp", address=ADDRESS)
        return await sessions.sign_in(
            self.auth, sent.challenge_id, code=await self.code_of(sent), device_name=device
        )

    async def refresh(self, tokens: Tokens | str, key: str | None = None) -> Tokens:
        text = tokens if isinstance(tokens, str) else tokens.refresh_token
        return await sessions.refresh(self.auth, text, idempotency_key=key)

    async def caller(self, tokens: Tokens) -> Caller:
        return await self.verifier.verify(tokens.access_token)

    async def told(self, kind: type[E]) -> list[E]:
        """Events of this kind that wait for the relay, oldest first."""
        found: list[E] = []
        for stream in (ACCESS_EVENTS, EVENTS):
            for _, entry in await self.auth.store.stored_events(stream, 1000):
                if entry["name"] == kind.wire_name:
                    found.append(cast("E", self.bus.decode(kind, entry["body"].encode())))
        return found

    async def everything_stored(self) -> bytes:
        """All that lies in Redis, names and values."""
        keys = cast("list[bytes]", await self.redis.keys())  # pyright: ignore[reportUnknownMemberType] - its stubs
        # Not DUMP, which compresses.
        reads: dict[bytes, tuple[object, ...]] = {
            b"string": ("GET",),
            b"hash": ("HGETALL",),
            b"list": ("LRANGE", 0, -1),
            b"zset": ("ZRANGE", 0, -1),
            b"stream": ("XRANGE", "-", "+"),
        }
        found: list[bytes] = []
        for key in keys:
            kind = await redis_says(self.redis, "TYPE", key, NEVER_DECODE=True)
            command, *rest = reads[cast("bytes", kind)]
            value = await redis_says(self.redis, command, key, *rest, NEVER_DECODE=True)
            found += [key, *_texts_in(value)]
        return b"\n".join(found)

    async def lose_everything(self) -> None:
        """Redis comes back empty."""
        await self.redis.flushall()  # pyright: ignore[reportUnknownMemberType] - its stubs

    def http(self, auth: Auth | None = None) -> httpx.AsyncClient:
        async def ready() -> bool:
            return True

        app = web_app("auth", auth or self.auth, tokens=self.verifier, routers=service.web, ready=ready)
        transport = httpx.ASGITransport(cast("Any", app), client=(ADDRESS, 40_000))
        return httpx.AsyncClient(transport=transport, base_url="http://test")


async def redis_says(redis: Redis, *words: object, **options: object) -> object:
    """The answer to a command that the client has no method for."""
    run = cast("Callable[..., Awaitable[object]]", redis.execute_command)  # pyright: ignore[reportUnknownMemberType] - its stubs
    return await run(*words, **options)


def _texts_in(reply: object) -> list[bytes]:
    if isinstance(reply, dict):
        return _texts_in([*cast("dict[object, object]", reply).items()])
    if isinstance(reply, list | tuple):
        return [text for part in cast("list[object] | tuple[object, ...]", reply) for text in _texts_in(part)]
    return [reply] if isinstance(reply, bytes) else [str(reply).encode()]


@asynccontextmanager
async def a_world(redis: Redis) -> AsyncGenerator[World]:
    now, people = Now(), People()
    transport = MemoryTransport({})
    await transport.open()
    message_key = Fernet.generate_key().decode()
    bus = Bus(transport, source="auth", message_key=message_key, call_timeout_s=2)
    await bus.answer(CheckPassword, people.check)
    await bus.answer(KeepBlocked, people.keep)
    await bus.answer(GetBlocked, people.all_blocked)
    key = Fernet.generate_key().decode()
    names = (
        "TURNOSYA_TOKEN_MAC_KEY",
        "TURNOSYA_OTP_PEPPER",
        "TURNOSYA_KEY_ENCRYPTION_KEY",
        "TURNOSYA_LINK_KEY",
    )
    settings = load(AuthSettings, dict.fromkeys(names, key))
    links = Links(settings, load(ProcessSettings, {}))
    auth = Auth.of(
        settings, bus, Store(redis, lambda: now.ms), links=links, limited=True, loopback_exempt=False
    )
    await access.load(auth)

    yield World(auth, redis, now, people, transport, bus, settings, message_key)
    await transport.close()
