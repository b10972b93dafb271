"""Which budgets a request draws on, and which requests ignore a token; no input, no output."""

import json
import re
from dataclasses import dataclass
from typing import cast
from uuid import UUID

from turnosya.services.gateway import rules
from turnosya.services.gateway.limits import ANONYMOUS, CODES, MACHINES, REFRESH, USER, WRITES, Bucket

REFRESH_CALL = ("POST", "/v1/auth/refresh")
_CODE_CALLS = frozenset({("POST", "/v1/auth/otp"), ("POST", "/v1/auth/login")})
# Apps attach an expired token to these, and must get through all the same.
_TOKEN_IGNORED = _CODE_CALLS | {("POST", "/v1/auth/token"), REFRESH_CALL, ("GET", "/v1/auth/jwks.json")}
_WEBHOOK, _SOCKETS = "/v1/notification/webhooks/whatsapp", "/socket.io"
_READS = frozenset({"GET", "HEAD", "OPTIONS"})
# v1.<family>.<generation>.<MAC>; a family is 128 bits, well under 64 characters.
_FAMILY = re.compile(r"v1\.([A-Za-z0-9_-]{1,64})\.")


@dataclass(frozen=True, slots=True)
class Asked:
    """What the budgets of a request depend on."""

    method: str
    path: str
    """Decoded, as the service will read it: ``%6Ftp`` must not escape the budget of ``otp``."""
    address: str

    @property
    def ignores_token(self) -> bool:
        """Whether ``Authorization`` means nothing here."""
        return (self.method, self.path) in _TOKEN_IGNORED

    @property
    def is_refresh(self) -> bool:
        """Whether the budget hangs on the family in the body."""
        return (self.method, self.path) == REFRESH_CALL


def family_in(body: bytes) -> str | None:
    """The family that a refresh names, unproved: a wrong one only spends its own budget.

    Read as auth will read it: JSON has many spellings of one token.
    """
    try:
        asked: object = json.loads(body)
    except (ValueError, RecursionError):
        return None
    token = cast("dict[str, object]", asked).get("refresh_token") if isinstance(asked, dict) else None
    found = _FAMILY.match(token) if isinstance(token, str) else None
    return found[1] if found else None


def buckets_of(
    asked: Asked, *, user_id: UUID | None, family: str | None, codes_exempt: bool
) -> tuple[Bucket, ...]:
    """The buckets that must all have room. ``codes_exempt``: loopback in development."""
    address = rules.budget_key(asked.address)
    if asked.path in {_WEBHOOK, _SOCKETS} or asked.path.startswith(_SOCKETS + "/"):
        return (Bucket(MACHINES, address),)
    if user_id is not None:
        user = Bucket(USER, str(user_id))
        return (user,) if asked.method in _READS else (user, Bucket(WRITES, str(user_id)))
    buckets = [Bucket(ANONYMOUS, address)]
    if family is not None:
        buckets.append(Bucket(REFRESH, family))
    if (asked.method, asked.path) in _CODE_CALLS and not codes_exempt:
        buckets.append(Bucket(CODES, address))
    return tuple(buckets)
