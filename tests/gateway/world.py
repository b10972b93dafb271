"""A gateway with services behind it that do as a test says, and people with tokens."""

import base64
import json
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.gateway.wire import PLAIN, Heard, ask, echo, running
from turnosya.contracts.auth import Access
from turnosya.runtime.identity import FetchKeys, TokenVerifier
from turnosya.runtime.ids import new_id
from turnosya.services.gateway import paths, rules
from turnosya.services.gateway.access import AccessList
from turnosya.services.gateway.context import asked_of_auth
from turnosya.services.gateway.doorway import Doorway, WireLimits
from turnosya.services.gateway.front import FrontDoor
from turnosya.services.gateway.hygiene import Outwards
from turnosya.services.gateway.limits import Limits
from turnosya.services.gateway.listener import ListenerConfig
from turnosya.services.gateway.openapi import MergedDocument
from turnosya.services.gateway.own_pages import OwnPages
from turnosya.services.gateway.ways import Ways


def encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@dataclass
class Person:
    """Somebody who signed in."""

    key: Ed25519PrivateKey
    user_id: UUID = field(default_factory=new_id)
    session_id: UUID = field(default_factory=new_id)
    uv: int = 1

    def token(self, *, age_s: int = 0, key: Ed25519PrivateKey | None = None) -> str:
        issued = int(time.time()) - age_s
        claims: dict[str, object] = {
            "iss": "turnosya",
            "aud": "turnosya-api",
            "sub": str(self.user_id),
            "sid": str(self.session_id),
            "jti": str(new_id()),
            "uv": self.uv,
            "roles": [],
            "iat": issued,
            "nbf": issued,
            "exp": issued + 900,
        }
        header: dict[str, object] = {"alg": "EdDSA", "typ": "at+jwt", "kid": "test"}
        signed = ".".join(encoded(json.dumps(part).encode()) for part in (header, claims))
        return f"{signed}.{encoded((key or self.key).sign(signed.encode()))}"


def no_access_ended() -> Access:
    return Access(blocked_user_ids=[], versions={}, ended_session_ids=[], at=datetime.now(UTC))


@dataclass
class World:
    """One gateway; ``services`` may be changed while it runs."""

    services: dict[str, ASGIApp]
    access: AccessList
    front: FrontDoor
    key: Ed25519PrivateKey
    port: int = 0
    auth_answers: Access | None = None
    auth_was_asked: int = 0

    def person(self) -> Person:
        return Person(self.key)

    async def ask(self, line: str, *fields: str, token: str | None = None, body: bytes = b"") -> Heard:
        """``ask("GET /v1/users/me", "X-A: b")``."""
        bearer = [f"Authorization: Bearer {token}"] if token else []
        length = [f"Content-Length: {len(body)}"] if body else []
        head = [f"{line} HTTP/1.1", "Host: api.test", *fields, *bearer, *length, "", ""]
        return await ask(self.port, "\r\n".join(head).encode() + body, head=line.startswith("HEAD"))

    async def code_of(self, line: str, *fields: str, token: str | None = None) -> str:
        """The problem's code, or "" for an answer that is none."""
        heard = await self.ask(line, *fields, token=token)
        return str(heard.problem()["code"]) if heard.status >= 400 else ""

    async def inner_access(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Auth's answer to a gateway that asks."""
        self.auth_was_asked += 1
        body = b"" if self.auth_answers is None else self.auth_answers.model_dump_json().encode()
        status = 503 if self.auth_answers is None else 200
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": body})


@asynccontextmanager
async def a_gateway(
    *,
    development: bool = False,
    limits: Limits | None = None,
    cors: Sequence[str] = (),
    proxies: Sequence[str] = (),
    timeout_s: float = 5,
    urls: Mapping[str, str] | None = None,
) -> AsyncGenerator[World]:
    """A gateway in front of services that answer what they were asked; auth has been heard."""
    key = Ed25519PrivateKey.generate()
    services: dict[str, ASGIApp] = dict.fromkeys(
        ("users", "business", "turnos", "notification", "jobs"), echo
    )
    outwards = Outwards(cors_origins=frozenset(o.encode() for o in cors), https_only=not development)
    doorway = Doorway(WireLimits(proxies=rules.networks(proxies)), outwards)
    ways = ways_to(services, timeout_s=timeout_s, **(urls or {}))
    front = front_door(ways, key, doorway, limits=limits, development=development, timeout_s=timeout_s)
    world = World(services, front.access, front, key)

    async def auth(scope: Scope, receive: Receive, send: Send) -> None:
        inner = scope["path"] == "/internal/access"
        await (world.inner_access if inner else echo)(scope, receive, send)

    services["auth"] = auth
    try:
        async with running(ListenerConfig(front, doorway)) as world.port:
            yield world
    finally:
        await ways.close()


def ways_to(services: Mapping[str, ASGIApp], *, timeout_s: float = 5, **urls: str) -> Ways:
    return Ways(services, {name: (url,) for name, url in urls.items()}, timeout_s=timeout_s)


def keys_of(key: Ed25519PrivateKey) -> FetchKeys:
    async def keys() -> Sequence[Mapping[str, str]]:
        public = encoded(key.public_key().public_bytes_raw())
        return [{"kty": "OKP", "crv": "Ed25519", "x": public, "kid": "test"}]

    return keys


def front_door(
    ways: Ways,
    key: Ed25519PrivateKey,
    doorway: Doorway | None = None,
    *,
    limits: Limits | None = None,
    development: bool = False,
    timeout_s: float = 5,
) -> FrontDoor:
    """A front door that believes ``key`` and has heard auth within the last minute."""
    access = AccessList(lambda: asked_of_auth(ways), deaf_after_s=60)
    access.hear()
    access.trust(no_access_ended(), silences=access.silences)
    table = paths.PathTable(development=development)
    document = MergedDocument(
        paths.SERVICES, ways.get, routed=lambda service, path: table.find(path.encode()) == service
    )
    return FrontDoor(
        table=table,
        ways=ways,
        tokens=TokenVerifier(keys_of(key)),
        access=access,
        limits=limits,
        doorway=doorway or Doorway(WireLimits(), PLAIN),
        own_pages=OwnPages(document, is_ready=ways.neighbours_are_ready),
        timeout_s=timeout_s,
        is_development=development,
    )
