"""Settings of the gateway."""

import re
from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import NoDecode

from turnosya.runtime.settings import Settings, SettingsWrong
from turnosya.services.gateway import rules
from turnosya.services.gateway.paths import SERVICES

# Without a path: ours are handed on as they are.
_ADDRESS = re.compile(r"https?://[^/?#@\s]+/?")


class GatewaySettings(Settings):
    """How the front door is open."""

    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Web origins that may call the API and open sockets, `https://app.example,https://…`."
    )
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Addresses or networks of our own proxies, whose `X-Forwarded-*` is believed."
    )
    gateway_timeout_s: float = Field(
        15.0, gt=0, description="How long a service may take to begin its answer."
    )
    gateway_connections_per_address: int = Field(100, ge=1, description="Connections an address may hold.")
    gateway_header_s: float = Field(10.0, gt=0, description="How long the head of a request may take.")
    gateway_body_s: float = Field(30.0, gt=0, description="How long a body may take.")
    gateway_upload_s: float = Field(120.0, gt=0, description="How long the body of an upload may take.")
    gateway_idle_s: float = Field(
        65.0, gt=0, description="How long a connection may be silent between requests."
    )
    gateway_deaf_after_s: float = Field(
        5.0, gt=0, description="Not hearing auth for so long, the gateway asks it for every request."
    )
    gateway_limits_within_s: float = Field(
        0.25, gt=0, description="How long Redis may take to count a request."
    )
    gateway_limits_retry_s: float = Field(
        1.0, gt=0, description="How long requests are counted locally before Redis is tried again."
    )

    @field_validator("cors_origins", "trusted_proxies", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("cors_origins")
    @classmethod
    def _whole_origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for origin in value:
            scheme, separator, host = origin.partition("://")
            if (
                scheme not in {"http", "https"}
                or not separator
                or not host
                or "/" in host
                or not origin.isascii()
            ):
                raise ValueError(f"{origin!r} is not an origin such as https://app.example")
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        rules.networks(value)
        return value


def service_urls(text: str) -> dict[str, tuple[str, ...]]:
    """``chat=http://a:8000|http://b:8000,auth=http://c:8000`` by service; SettingsWrong if it is not that."""
    urls: dict[str, tuple[str, ...]] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, copies = part.partition("=")
        addresses = tuple(copy.strip() for copy in copies.split("|"))
        if name.strip() not in SERVICES:
            raise SettingsWrong(f"TURNOSYA_SERVICE_URLS: {name!r} is none of {', '.join(SERVICES)}")
        if not all(_ADDRESS.fullmatch(address) for address in addresses):
            raise SettingsWrong(f"TURNOSYA_SERVICE_URLS: {part!r} is not NAME=http://HOST:PORT|…")
        urls[name.strip()] = addresses
    return urls
