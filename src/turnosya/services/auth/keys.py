"""Signing an access token, and the public keys that verify one, on a store that is filled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from turnosya.contracts.auth import GetSigningKeys, SigningKeys
from turnosya.services.auth import access

if TYPE_CHECKING:
    from collections.abc import Mapping

    from turnosya.services.auth.context import Auth


async def signing_keys(auth: Auth, _request: GetSigningKeys | None = None) -> SigningKeys:
    """The public keys of now, next and lately, for whoever verifies tokens."""
    return await access.once_loaded(auth, auth.keys.published)


async def sign(auth: Auth, claims: Mapping[str, object]) -> str:
    """An access token (RFC 9068) with these claims."""
    return await access.once_loaded(auth, lambda: auth.keys.sign(claims))
