"""What can be set for auth."""

import base64
import binascii
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr, field_validator
from pydantic_settings import NoDecode

from turnosya.runtime.settings import Settings

KEY_BYTES = 32


def _key(value: SecretStr) -> SecretStr:
    try:
        raw = base64.urlsafe_b64decode(value.get_secret_value())
    except (ValueError, binascii.Error):
        raw = b""
    if len(raw) != KEY_BYTES:
        raise ValueError("must be 32 random bytes in base64url")
    return value


Key = Annotated[SecretStr, AfterValidator(_key)]


class AuthSettings(Settings):
    """Settings of the auth service."""

    token_mac_key: Key = Field(description="Makes refresh tokens unforgeable: 32 bytes in base64url.")
    otp_pepper: Key = Field(description="Keyed into stored codes and numbers: 32 bytes in base64url.")
    key_encryption_key: Key = Field(
        description="Encrypts the private signing keys in auth's Redis: 32 bytes in base64url."
    )
    otp_countries: Annotated[tuple[str, ...], NoDecode] = Field(
        ("AR", "BO", "BR", "CL", "PY", "UY"),
        description="Countries (ISO 3166) to whose numbers codes are sent, with commas between.",
    )
    access_heartbeat_s: float = Field(
        1.0, gt=0, le=4, description="How often gateways are told that auth is there; they wait for 5 s."
    )
    relay_lock_s: float = Field(
        10.0, gt=0, description="After this another copy delivers the events of a killed one."
    )

    @field_validator("otp_countries", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return [part.strip().upper() for part in value.split(",")] if isinstance(value, str) else value
