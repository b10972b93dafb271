"""Callers of a service on its own: tokens that it believes, without the auth service."""

import base64
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any, cast
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.stage import Stage
from turnosya.runtime.identity import TokenVerifier
from turnosya.runtime.ids import new_id


class Callers:
    """Signs tokens with a key that the services of a stage are made to believe, or were begun with."""

    def __init__(self, stage: Stage | None = None) -> None:
        self._key = Ed25519PrivateKey.generate()
        verifier = TokenVerifier(self.keys)
        for running in stage.running.values() if stage is not None else ():
            cast("Any", running.app).app.state.tokens = verifier

    async def keys(self) -> Sequence[Mapping[str, str]]:
        public = self._key.public_key().public_bytes_raw()
        return [{"kty": "OKP", "crv": "Ed25519", "x": _base64(public), "kid": "test"}]

    def headers(
        self, user_id: UUID, *, session_id: UUID | None = None, admin: bool = False
    ) -> dict[str, str]:
        """What somebody who is signed in sends with each request."""
        now = int(time.time())
        claims = {
            "iss": "turnosya",
            "aud": "turnosya-api",
            "sub": str(user_id),
            "sid": str(session_id or new_id()),
            "jti": str(new_id()),
            "uv": 1,
            "roles": ["admin"] if admin else [],
            "iat": now,
            "nbf": now,
            "exp": now + 900,
        }
        parts = [{"alg": "EdDSA", "typ": "at+jwt", "kid": "test"}, claims]
        signed = ".".join(_base64(json.dumps(part).encode()) for part in parts)
        return {"Authorization": f"Bearer {signed}.{_base64(self._key.sign(signed.encode()))}"}


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
