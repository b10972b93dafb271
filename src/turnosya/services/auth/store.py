"""Auth's Redis: its scripts, what they answer and the few plain reads.

Whatever changes something is one script, so that no two copies can decide differently and no event
can be lost between a change and its telling (ARCHITECTURE.md, "An event").
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any, TypeVar

import structlog
from pydantic import BaseModel
from redis.exceptions import NoScriptError, ResponseError

from turnosya.runtime.messages import Unavailable
from turnosya.runtime.redis import unavailable_when_away

if TYPE_CHECKING:
    from redis.asyncio import Redis

log = structlog.get_logger()

EVENTS, ACCESS_EVENTS = "auth:events", "auth:events:access"
LOADED, BLOCKED, KEYS = "auth:loaded", "auth:blocked", "auth:keys"

Given = Mapping[str, object]
M = TypeVar("M", bound=BaseModel)

_WITH_CODES = {"request_code", "use_code", "sign_in"}


class NotLoaded(Exception):
    """Redis came back empty: who is blocked is not known yet."""


@dataclass(frozen=True, slots=True)
class _Script:
    text: str
    digest: str


def _read(name: str) -> _Script:
    folder = files("turnosya.services.auth") / "scripts"
    parts = ["prelude", "codes", name] if name in _WITH_CODES else ["prelude", name]
    text = "\n".join((folder / f"{part}.lua").read_text(encoding="utf-8") for part in parts)
    return _Script(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


class Store:
    """One Redis, with the time that every script is told."""

    def __init__(self, redis: Redis, now_ms: Callable[[], int]) -> None:
        self._redis = redis
        self._scripts: dict[str, _Script] = {}
        self.now_ms = now_ms

    async def run(self, name: str, given: Given, kind: type[M]) -> M:
        """The answer of a script. Raises ``NotLoaded``, or ``Unavailable`` when Redis is away."""
        script = self._scripts.get(name) or self._scripts.setdefault(name, _read(name))
        present = {key: value for key, value in given.items() if value is not None}
        arguments = (str(self.now_ms()), json.dumps(present))
        async with unavailable_when_away():
            try:
                try:
                    reply: Any = await self._redis.evalsha(script.digest, 0, *arguments)
                except NoScriptError:
                    reply = await self._redis.eval(script.text, 0, *arguments)
            except ResponseError as error:
                # Disk full, read only, out of memory: nobody is to be logged out for that.
                log.exception("script_failed", script=name)
                raise Unavailable from error
        answer: Any = json.loads(reply)
        if answer["outcome"] == "not_loaded":
            raise NotLoaded
        return kind.model_validate(answer)

    async def text(self, key: str) -> str | None:
        """A plain value."""
        async with unavailable_when_away():
            value = await self._redis.get(key)
        return None if value is None else _text(value)

    async def member(self, key: str, name: str) -> str | None:
        """One member of a hash."""
        async with unavailable_when_away():
            value: Any = await self._redis.hget(key, name)
        return None if value is None else _text(value)

    async def members(self, *keys: str) -> list[dict[str, str]]:
        """All members of several hashes, in the order of the keys."""
        async with unavailable_when_away():
            pipeline = self._redis.pipeline(transaction=False)
            for key in keys:
                pipeline.hgetall(key)
            found: list[dict[bytes, bytes]] = await pipeline.execute()
        return [{_text(name): _text(value) for name, value in one.items()} for one in found]

    async def stored_events(self, stream: str, count: int) -> list[tuple[str, dict[str, str]]]:
        """The oldest events of a stream that are not delivered yet."""
        async with unavailable_when_away():
            found: Any = await self._redis.xrange(stream, count=count)
        return [
            (_text(key), {_text(name): _text(value) for name, value in entry.items()}) for key, entry in found
        ]

    async def forget_event(self, stream: str, key: str) -> None:
        """Deletes an event that was delivered."""
        async with unavailable_when_away():
            await self._redis.xdel(stream, key)

    async def wait_for_events(self, after: Mapping[str, str], *, wait_ms: int) -> None:
        """Returns when any copy has stored an event later than these, at the latest after ``wait_ms``."""
        streams: dict[Any, Any] = {**after}
        async with unavailable_when_away():
            await self._redis.xread(streams, count=1, block=wait_ms)


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
