"""Verifies an access token and says who is calling: one function for the gateway and every service.

The rules are those of RFC 8725 and RFC 9068, each named here because a JWT library left to itself
accepts a token without ``exp``, any ``typ`` and an ``exp`` in ten years. The signature is checked with
``cryptography``: joserfc 1.8 warns at every use of the header name ``EdDSA``, which our clients expect.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import json
import re
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import cast
from uuid import UUID

import structlog
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from turnosya.runtime.messages import Kind, Say, ServiceError, Unavailable

log = structlog.get_logger()

ISSUER = "turnosya"
AUDIENCE = "turnosya-api"
TOKEN_TYPE = "at+jwt"  # noqa: S105 - a type, no password
ALGORITHM = "EdDSA"
ACCESS_TOKEN_S = 900
MAX_TOKEN_BYTES = 4096
LEEWAY_S = 30
MEMO_S = 60.0
MEMO_SIZE = 10_000
# As long as jwks.json may be cached: after that a withdrawn key is no longer believed.
KEYS_FRESH_S = 300.0
REFETCH_S = 30.0
# A fetch that failed told nothing, so it is tried again sooner; still not for every forged token.
REFETCH_AFTER_FAILURE_S = 1.0

_SHAPE = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_ROLE = re.compile(r"[a-z_]{1,32}")


class TokenMissing(ServiceError):
    """The call needs somebody who is signed in."""

    kind = Kind.UNAUTHENTICATED
    says = Say("Tenés que iniciar sesión.", "You have to sign in.", "Você precisa entrar.")


class TokenInvalid(ServiceError):
    """Not a token of ours: malformed, forged, or breaking a rule."""

    kind = Kind.UNAUTHENTICATED
    says = Say(
        "La credencial no es válida.",
        "The token is not valid.",
        "A credencial não é válida.",
    )


class TokenExpired(ServiceError):
    """It was good, its time is over; refreshing gets another."""

    kind = Kind.UNAUTHENTICATED
    says = Say("La credencial venció.", "The token has expired.", "A credencial expirou.")


class TokenRevoked(ServiceError):
    """Its session ended, or all tokens of that age of the user were ended."""

    kind = Kind.UNAUTHENTICATED
    says = Say("La sesión fue cerrada.", "The session was ended.", "A sessão foi encerrada.")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is calling, as the token proves it. Rights in a business come from membership, not from here."""

    user_id: UUID
    session_id: UUID
    jti: UUID
    uv: int
    roles: tuple[str, ...]
    expires_at: datetime
    token: str = field(repr=False)

    @property
    def is_admin(self) -> bool:
        """Whether the token carries the role ``admin``."""
        return "admin" in self.roles


FetchKeys = Callable[[], Awaitable[Sequence[Mapping[str, str]]]]


class TokenVerifier:
    """Verifies access tokens against the keys that ``fetch_keys`` gives (JWKs with ``kid``; Ed25519).

    What is checked once is remembered by digest for at most 60 s, its expiry checked every time.
    Whether a session has ended or a user is blocked is not known here.
    """

    def __init__(
        self,
        fetch_keys: FetchKeys,
        *,
        keys_fresh_s: float = KEYS_FRESH_S,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._keys = _KeyRing(fetch_keys, keys_fresh_s, monotonic)
        self._now = now
        self._monotonic = monotonic
        self._memo: OrderedDict[bytes, tuple[Caller, float]] = OrderedDict()

    async def verify(self, token: str) -> Caller:
        """The caller that the token proves. Raises TokenInvalid, TokenExpired; Unavailable without keys."""
        caller = self.recall(token)
        if caller is not None:
            return caller
        parsed = _parse(token)
        key = await self._keys.find(parsed.key_id)
        try:
            key.verify(parsed.signature, parsed.signed)
        except InvalidSignature:
            raise TokenInvalid from None
        caller = _caller(parsed.payload, token, now=self._now())
        self._remember(token, caller)
        return caller

    def recall(self, token: str) -> Caller | None:
        """The caller of a token verified in the last 60 s, without awaiting; None if it must be verified.

        Raises TokenInvalid for what cannot be a token, TokenExpired once its ``exp`` has passed.
        """
        if len(token) > MAX_TOKEN_BYTES or not token.isascii():
            raise TokenInvalid
        digest = _digest(token)
        remembered = self._memo.get(digest)
        if remembered is None:
            return None
        caller, until = remembered
        if self._monotonic() >= until:
            del self._memo[digest]
            return None
        if self._now() >= caller.expires_at.timestamp():
            raise TokenExpired
        return caller

    def _remember(self, token: str, caller: Caller) -> None:
        self._memo[_digest(token)] = (caller, self._monotonic() + MEMO_S)
        while len(self._memo) > MEMO_SIZE:
            self._memo.popitem(last=False)


class _KeyRing:
    """The public keys by ``kid``, fetched anew when old, or for an unknown ``kid`` at most every 30 s."""

    def __init__(self, fetch_keys: FetchKeys, fresh_s: float, monotonic: Callable[[], float]) -> None:
        self._fetch_keys = fetch_keys
        self._fresh_s = fresh_s
        self._monotonic = monotonic
        self._keys: dict[str, Ed25519PublicKey] = {}
        self._fetched_at: float | None = None
        self._failed_at: float | None = None
        self._fetching = asyncio.Lock()

    async def find(self, key_id: str) -> Ed25519PublicKey:
        if key_id not in self._keys or self._older_than(self._fresh_s):
            async with self._fetching:
                if self._may_fetch(key_id):
                    await self._fetch()
        key = self._keys.get(key_id)
        if key is not None:
            return key
        if self._failed_at is not None:
            # Auth may have made this key while it could not be asked: never 401 for that.
            raise Unavailable
        raise TokenInvalid

    def _older_than(self, seconds: float) -> bool:
        return self._fetched_at is None or self._monotonic() - self._fetched_at >= seconds

    def _may_fetch(self, key_id: str) -> bool:
        if self._failed_at is not None:
            return self._monotonic() - self._failed_at >= REFETCH_AFTER_FAILURE_S
        return self._older_than(REFETCH_S if key_id not in self._keys else self._fresh_s)

    async def _fetch(self) -> None:
        try:
            fetched = await self._fetch_keys()
        except Unavailable:
            # Keys that were good go on being so: auth being away must not sign anybody out.
            self._failed_at = self._monotonic()
            log.warning("signing_keys_not_fetched", known=len(self._keys))
            return
        self._keys = {jwk["kid"]: key for jwk in fetched if (key := _public_key(jwk)) is not None}
        self._fetched_at, self._failed_at = self._monotonic(), None


@dataclass(frozen=True, slots=True)
class _Parsed:
    key_id: str
    payload: dict[str, object]
    signed: bytes
    signature: bytes


def _parse(token: str) -> _Parsed:
    if not _SHAPE.fullmatch(token):
        raise TokenInvalid
    header_part, payload_part, signature_part = token.split(".")
    header = _json_object(header_part)
    # Exactly these three: no crit, jku, jwk, x5u, x5c or anything else that would steer the check.
    if header.keys() != {"alg", "typ", "kid"} or header["alg"] != ALGORITHM or header["typ"] != TOKEN_TYPE:
        raise TokenInvalid
    key_id = header["kid"]
    if not isinstance(key_id, str) or not _KEY_ID.fullmatch(key_id):
        raise TokenInvalid
    signed = f"{header_part}.{payload_part}".encode()
    return _Parsed(key_id, _json_object(payload_part), signed, _decoded(signature_part))


def _caller(claims: dict[str, object], token: str, *, now: float) -> Caller:
    if claims.get("iss") != ISSUER or claims.get("aud") != AUDIENCE:
        raise TokenInvalid
    caller_ids = [_uuid(claims.get(name)) for name in ("sub", "sid", "jti")]
    uv, issued, not_before, expires = (_integer(claims.get(name)) for name in ("uv", "iat", "nbf", "exp"))
    roles = _roles(claims.get("roles"))
    if uv < 0 or not 0 < expires - issued <= ACCESS_TOKEN_S or not not_before < expires:
        raise TokenInvalid
    if max(issued, not_before) > now + LEEWAY_S:
        raise TokenInvalid
    if expires <= now:
        raise TokenExpired
    user_id, session_id, jti = caller_ids
    return Caller(user_id, session_id, jti, uv, roles, datetime.fromtimestamp(expires, UTC), token)


def _public_key(jwk: Mapping[str, str]) -> Ed25519PublicKey | None:
    if jwk.get("kty") != "OKP" or jwk.get("crv") != "Ed25519" or not jwk.get("kid"):
        return None
    try:
        return Ed25519PublicKey.from_public_bytes(_decoded(jwk.get("x", "")))
    except (TokenInvalid, ValueError):
        return None


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _decoded(part: str) -> bytes:
    """Base64url without padding, in its one canonical spelling."""
    try:
        decoded = base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        raise TokenInvalid from None
    if base64.urlsafe_b64encode(decoded).rstrip(b"=") != part.encode():
        raise TokenInvalid
    return decoded


def _json_object(part: str) -> dict[str, object]:
    try:
        value: object = json.loads(_decoded(part), object_pairs_hook=_without_repeats)
    except (ValueError, RecursionError):
        raise TokenInvalid from None
    if not isinstance(value, dict):
        raise TokenInvalid
    return {str(name): member for name, member in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] - JSON


def _without_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise TokenInvalid  # two readers could see two different claims
    return members


def _uuid(value: object) -> UUID:
    if not isinstance(value, str):
        raise TokenInvalid
    try:
        parsed = UUID(value)
    except ValueError:
        raise TokenInvalid from None
    if str(parsed) != value:
        raise TokenInvalid
    return parsed


def _integer(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TokenInvalid
    return value


def _roles(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise TokenInvalid
    roles = cast("list[object]", value)
    if not all(isinstance(role, str) and _ROLE.fullmatch(role) for role in roles):
        raise TokenInvalid
    return tuple(str(role) for role in roles)
