"""The decision of the front door, for a proxy that stands before the services itself.

nginx and Traefik ask ``/internal/forward-auth`` and say in ``X-Forwarded-Method`` and ``X-Forwarded-Uri``
what was asked of them; Envoy asks by the same method with the target behind that path. Our own trusted
proxies alone may ask: for everybody else the path does not exist. See docs/forward-auth.md.
"""

import re
from dataclasses import dataclass
from urllib.parse import unquote

from starlette.types import Scope

from turnosya.runtime.identity import Caller
from turnosya.runtime.problems import MalformedRequest
from turnosya.services.gateway import rules
from turnosya.services.gateway.problems import UriTooLong
from turnosya.services.gateway.rules import Headers

PATH = b"/internal/forward-auth"
_METHOD = re.compile(rb"[A-Z]{1,20}")


@dataclass(frozen=True, slots=True)
class Question:
    """The request that a proxy was asked and asks about."""

    method: str
    raw_path: bytes

    @property
    def path(self) -> str:
        """As the service would decode it."""
        return unquote(self.raw_path.decode("ascii"), "latin-1")


def is_asked(raw_path: bytes) -> bool:
    """Whether a path is that of the question, with or without a target behind it."""
    return raw_path == PATH or raw_path.startswith(PATH + b"/")


def question_of(scope: Scope, headers: Headers, *, target_bytes: int) -> Question:
    """What is asked about; raises MalformedRequest or UriTooLong as the listener would for that request."""
    behind = scope["raw_path"].removeprefix(PATH)
    if behind:
        return Question(scope["method"], behind)
    methods = [value for name, value in headers if name == b"x-forwarded-method"]
    targets = [value for name, value in headers if name == b"x-forwarded-uri"]
    if len(methods) != 1 or len(targets) != 1 or _METHOD.fullmatch(methods[0]) is None:
        raise MalformedRequest
    if len(targets[0]) > target_bytes:
        raise UriTooLong
    if not rules.is_one_reading(targets[0]):
        raise MalformedRequest
    return Question(methods[0].decode("ascii"), targets[0].partition(b"?")[0])


def who_fields(caller: Caller | None) -> list[tuple[bytes, bytes]]:
    """Who asks, for the proxy; it must drop these names from what comes from outside."""
    if caller is None:
        return []
    return [
        (b"x-user-id", str(caller.user_id).encode("ascii")),
        (b"x-user-session", str(caller.session_id).encode("ascii")),
        (b"x-user-roles", ",".join(caller.roles).encode("ascii")),
    ]
