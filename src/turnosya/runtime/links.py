"""Links in messages that let whoever holds them do one thing for a while, without signing in.

``<subject>.<expires>.<MAC>``: HMAC-SHA-256 over purpose, subject and end, by ``TURNOSYA_LINK_KEY``. A link
for one purpose is none for another. What it may be used for once is for whoever acts on it to remember.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import quote

import structlog
from pydantic import AfterValidator, Field, SecretStr

from turnosya.runtime.messages import Kind, Say, ServiceError
from turnosya.runtime.settings import ProcessSettings, Settings

log = structlog.get_logger()

KEY_BYTES = 32
LinkTo = tuple[str, str]
"""What a link is for, and the path that shows and does it; both sides have it from the contract."""

_TOKEN = re.compile(r"([A-Za-z0-9_-]{1,200})\.([1-9][0-9]{0,10})\.([A-Za-z0-9_-]{43})")


def _key(value: SecretStr) -> SecretStr:
    try:
        raw = base64.urlsafe_b64decode(value.get_secret_value())
    except (ValueError, binascii.Error):
        raw = b""
    if len(raw) != KEY_BYTES:
        raise ValueError("must be 32 random bytes in base64url")
    return value


Key = Annotated[SecretStr, AfterValidator(_key)]


class PublicSettings(Settings):
    """Where people reach us; part of the settings of every service that says so."""

    public_url: str = Field(
        "",
        pattern=r"^(https?://[^/?#]+)?$",
        description="Where people reach the gateway, for links in messages; by default this machine.",
    )


class LinkSettings(PublicSettings):
    """What makes and reads links; part of the settings of every service that does."""

    link_key: Key = Field(description="Makes the links in messages unforgeable: 32 bytes in base64url.")


def public_url(settings: PublicSettings, process: ProcessSettings) -> str:
    """Where people reach the gateway, without a slash at the end."""
    return settings.public_url or _local_gateway(process)


def _local_gateway(process: ProcessSettings) -> str:
    port = process.port
    if process.broker_url is not None:
        # Which of several processes the gateway is, and by what name people reach it, only they can say who
        # set it up; a machine of one's own has it on its usual port.
        port = ProcessSettings.model_fields["port"].default
        log.warning("public_url_not_set", links_lead_to=f"http://{process.host}:{port}")
    return f"http://{process.host}:{port}"


class LinkNotValid(ServiceError):
    """Not a link of ours, of another purpose, or its time is over."""

    kind = Kind.NOT_FOUND
    says = Say(
        "Este enlace no es válido o ya venció.",
        "This link is not valid, or its time is over.",
        "Este link não é válido ou já expirou.",
    )


class Links:
    """Signs and reads them."""

    def __init__(self, settings: LinkSettings, process: ProcessSettings) -> None:
        self._key = base64.urlsafe_b64decode(settings.link_key.get_secret_value())
        self._public_url = public_url(settings, process)

    def address(self, to: LinkTo, subject: str, *, expires_at: datetime) -> str:
        """The whole link; ``subject`` is made of letters, digits, ``_`` and ``-``."""
        return self.public(self.signed_path(to, subject, expires_at=expires_at))

    def signed_path(self, to: LinkTo, subject: str, *, expires_at: datetime) -> str:
        """The same below wherever the caller reaches the gateway."""
        purpose, path = to
        until = int(expires_at.timestamp())
        token = f"{subject}.{until}.{self._mac(purpose, subject, until)}"
        return f"{path}?token={quote(token)}"

    def public(self, path: str) -> str:
        """Where people, and their programs, reach a path of the gateway."""
        return f"{self._public_url}{path}"

    def seal(self, purpose: str, subject: bytes) -> bytes:
        """What only we can add to ``subject`` for one purpose: links that last until they are taken back."""
        return hmac.digest(self._key, f"seal|{purpose}|".encode() + subject, "sha256")

    def subject_of(self, to: LinkTo, token: str, *, now: datetime) -> str:
        """Whom or what a token is for. Raises LinkNotValid."""
        found = _TOKEN.fullmatch(token)
        if found is None:
            raise LinkNotValid
        subject, until, mac = found[1], int(found[2]), found[3]
        if not hmac.compare_digest(mac, self._mac(to[0], subject, until)):
            raise LinkNotValid
        if now >= datetime.fromtimestamp(until, UTC):
            raise LinkNotValid
        return subject

    def _mac(self, purpose: str, subject: str, until: int) -> str:
        digest = hmac.digest(self._key, f"link|{purpose}|{subject}|{until}".encode(), "sha256")
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
