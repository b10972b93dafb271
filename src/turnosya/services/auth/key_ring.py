"""The keys that sign access tokens: made, rotated every 30 days, shared by all copies through Redis."""

from __future__ import annotations

import base64
import json
import os
from typing import TYPE_CHECKING

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import BaseModel

from turnosya.contracts.auth import SigningKeys
from turnosya.runtime import identity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from turnosya.services.auth.store import Store


class _Key(BaseModel):
    id: str
    public: str
    private: str
    used_from: int


class _Kept(BaseModel):
    outcome: str
    keys: list[_Key] = []


class SigningKeyRing:
    """The signing keys. Asked of Redis every time, so that two copies and a lost store always agree.

    Raises ``NotLoaded`` while the store is empty.
    """

    def __init__(self, store: Store, secrets: Fernet) -> None:
        self._store = store
        self._secrets = secrets
        self._opened: dict[str, Ed25519PrivateKey] = {}

    async def published(self) -> SigningKeys:
        """The public keys of now, next and lately."""
        keys = await self._present()
        shape = {"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": identity.ALGORITHM}
        return SigningKeys(keys=[{**shape, "kid": key.id, "x": key.public} for key in keys])

    async def sign(self, claims: Mapping[str, object]) -> str:
        """An access token (RFC 9068) with these claims."""
        now = self._store.now_ms()
        keys = sorted(await self._present(), key=lambda key: key.used_from)
        used = [key for key in keys if key.used_from <= now]
        # A copy whose clock is a little behind that of the first key's maker signs with it too.
        key = used[-1] if used else keys[0]
        header = {"alg": identity.ALGORITHM, "typ": identity.TOKEN_TYPE, "kid": key.id}
        signed = f"{_encoded(_json(header))}.{_encoded(_json(claims))}"
        return f"{signed}.{_encoded(self._private(key).sign(signed.encode()))}"

    async def _present(self) -> list[_Key]:
        kept = await self._store.run("keep_keys", {}, _Kept)
        if kept.outcome == "due":
            kept = await self._store.run("keep_keys", self._candidate(), _Kept)
        return kept.keys

    def _candidate(self) -> dict[str, object]:
        private = Ed25519PrivateKey.generate()
        return {
            "id": _encoded(os.urandom(12)),
            "public": _encoded(private.public_key().public_bytes_raw()),
            "private": self._secrets.encrypt(private.private_bytes_raw()).decode(),
        }

    def _private(self, key: _Key) -> Ed25519PrivateKey:
        opened = self._opened.get(key.id)
        if opened is None:
            try:
                raw = self._secrets.decrypt(key.private)
            except InvalidToken:
                raise RuntimeError(
                    "TURNOSYA_KEY_ENCRYPTION_KEY is not the one the signing keys were stored with"
                ) from None
            # Two at most are in use around a rotation.
            self._opened = {key.id: Ed25519PrivateKey.from_private_bytes(raw)}
            opened = self._opened[key.id]
        return opened


def _json(value: Mapping[str, object]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
