"""What can be set for auth."""

from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import NoDecode

from turnosya.runtime.links import Key, LinkSettings


class AuthSettings(LinkSettings):
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
