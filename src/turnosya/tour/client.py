"""A small client of the public API: one exchange at a time, with its own idea of what was promised."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from time import monotonic, perf_counter
from typing import Any, Self, TypeVar
from uuid import UUID

import httpx
from pydantic import BaseModel, ValidationError

from turnosya.tour.answers import DevMessage, DevMessages

TIMEOUT_S = 20.0
# A message is written by the time the answer is out or a moment later; a restarted service needs longer.
TOLD_WITHIN_S = 20.0
# Most are there at the first look; each after it waits twice as long.
_LOOK_AFTER_S, _LOOK_AGAIN_AFTER_AT_MOST_S = 0.02, 0.16
_SERVER_ERROR = 500
_TOO_MANY = 429

M = TypeVar("M", bound=BaseModel)


class NotAsPromised(Exception):
    """The system did something else than the contract says; the text is a sentence for people."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One call and its answer."""

    method: str
    path: str
    body: Any
    status: int
    headers: Mapping[str, str]
    answer: Any
    """Parsed JSON; None when there was no body."""
    took_ms: float

    @property
    def call(self) -> str:
        """``POST /v1/turnos/appointments``."""
        return f"{self.method} {self.path}"

    @property
    def code(self) -> str | None:
        """The code of a problem."""
        return self._member("code")

    @property
    def reason(self) -> str | None:
        """Why a time was refused (rule R15)."""
        return self._member("reason")

    def _member(self, name: str) -> str | None:
        value = self.answer.get(name) if isinstance(self.answer, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        return value if isinstance(value, str) else None

    def promised(self, status: int, code: str | None = None) -> Exchange:
        """Itself, if it has this status and code; raises ``NotAsPromised`` otherwise."""
        if self.status != status or (code is not None and self.code != code):
            wanted = f"{status} {code}" if code else str(status)
            got = f"{self.status} {self.code}" if self.code else str(self.status)
            detail = self._member("detail")
            raise NotAsPromised(f"{self.call} should answer {wanted}, but answered {got}: {detail or '—'}")
        return self

    def as_(self, kind: type[M]) -> M:
        """The answer as one of ``turnosya.tour.answers``."""
        try:
            return kind.model_validate(self.answer)
        except ValidationError as error:
            where = ", ".join(".".join(map(str, one["loc"])) for one in error.errors()[:5])
            raise NotAsPromised(f"{self.call} answered {kind.__name__} without a right {where}") from None


@cache
def trusted() -> ssl.SSLContext:
    """Whom a client trusts behind https; read once, which takes 20 ms."""
    return httpx.create_ssl_context()


@dataclass
class Api:
    """Where a system answers. Safe to share between tasks."""

    url: str
    patience_s: float = 65.0
    """How long a refused rate may ask us to wait before we give up."""
    watch: Callable[[Exchange], None] | None = None
    """Sees every call but those that only look for messages."""
    http: httpx.AsyncClient = field(init=False)

    def __post_init__(self) -> None:
        limits = httpx.Limits(max_connections=64)
        self.http = httpx.AsyncClient(
            base_url=self.url.rstrip("/"), timeout=TIMEOUT_S, limits=limits, verify=trusted()
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.aclose()

    async def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        token: str | None = None,
        params: Mapping[str, str | int] | None = None,
        key: str | None = None,
        language: str | None = None,
    ) -> Exchange:
        """Makes one call and waits out a refused rate; never raises for a status below 500."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        if key:
            headers["Idempotency-Key"] = key
        if language:
            headers["Accept-Language"] = language
        until = monotonic() + self.patience_s
        while True:
            exchange = await self._once(method, path, body, params=params, headers=headers)
            wait_s = _asked_to_wait_s(exchange)
            if wait_s is None or monotonic() + wait_s > until:
                break
            await asyncio.sleep(wait_s)
        if self.watch is not None and not path.startswith("/v1/dev/"):
            self.watch(exchange)
        if exchange.status >= _SERVER_ERROR:
            raise NotAsPromised(
                f"{exchange.call} failed with {exchange.status} {exchange.code or ''}".strip()
            )
        return exchange

    async def _once(
        self,
        method: str,
        path: str,
        body: object,
        *,
        params: Mapping[str, str | int] | None,
        headers: Mapping[str, str],
    ) -> Exchange:
        began = perf_counter()
        try:
            response = await self.http.request(method, path, json=body, params=params, headers=headers)
        except httpx.HTTPError as error:
            raise NotAsPromised(
                f"{method} {path} got no answer from {self.url} ({type(error).__name__})"
            ) from None
        took_ms = (perf_counter() - began) * 1000
        try:
            answer = response.json() if response.content else None
        except ValueError:
            raise NotAsPromised(f"{method} {path} answered {response.status_code} without JSON") from None
        return Exchange(method, path, body, response.status_code, response.headers, answer, took_ms)

    async def messages(self, to: str, *, token: str | None = None) -> list[DevMessage]:
        """What was sent to a person, newest first (development mode only)."""
        # With a token the person's own rate counts, not the much lower one of an address.
        found = await self.ask("GET", "/v1/dev/messages", params={"to": to, "limit": 100}, token=token)
        if found.code == "not_found":
            raise NotAsPromised(f"{self.url} does not show messages: it does not run in development mode")
        return found.promised(200).as_(DevMessages).items

    async def message(
        self,
        to: str,
        template: str,
        *,
        token: str | None = None,
        wanted: Callable[[DevMessage], bool] = lambda _: True,
        after: UUID | None = None,
    ) -> DevMessage:
        """Waits for a message, one that came ``after`` another if that is named.

        Raises ``NotAsPromised`` when it does not come in 20 s.
        """
        until, wait_s = monotonic() + TOLD_WITHIN_S, _LOOK_AFTER_S
        while True:
            await asyncio.sleep(wait_s)
            for message in await self.messages(to, token=token):
                if message.id == after:
                    break
                if message.template == template and wanted(message):
                    return message
            if monotonic() > until:
                raise NotAsPromised(f"no message {template} came to {to} within {TOLD_WITHIN_S:.0f} s")
            wait_s = min(2 * wait_s, _LOOK_AGAIN_AFTER_AT_MOST_S)


def _asked_to_wait_s(exchange: Exchange) -> float | None:
    if exchange.status != _TOO_MANY or exchange.code != "rate_limited":
        return None
    asked = exchange.headers.get("retry-after", "")
    return float(asked) if asked.isdigit() else 1.0
