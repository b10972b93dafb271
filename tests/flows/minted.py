"""Tokens as auth of a running system signs them, for many people at once: each sign-up hashes a password."""

from collections.abc import Sequence
from time import time
from uuid import UUID, uuid4

from cryptography.fernet import Fernet

from tests.flows.systems import System
from turnosya.runtime.redis import open_redis
from turnosya.services.auth.key_ring import SigningKeyRing
from turnosya.services.auth.store import Store


async def tokens_of(system: System, user_ids: Sequence[UUID]) -> list[str]:
    """An access token for each, of a session of its own."""
    redis = open_redis(system.base["TURNOSYA_REDIS_URL"])
    try:
        secrets = Fernet(system.base["TURNOSYA_KEY_ENCRYPTION_KEY"])
        ring = SigningKeyRing(Store(redis, lambda: int(time() * 1000)), secrets)
        return [await ring.sign(_claims(user_id)) for user_id in user_ids]
    finally:
        await redis.aclose()


def _claims(user_id: UUID) -> dict[str, object]:
    now = int(time())
    own: dict[str, object] = {
        "sub": str(user_id),
        "sid": str(uuid4()),
        "jti": str(uuid4()),
        "uv": 1,
        "roles": [],
    }
    return {"iss": "turnosya", "aud": "turnosya-api", **own, "iat": now, "nbf": now, "exp": now + 900}
