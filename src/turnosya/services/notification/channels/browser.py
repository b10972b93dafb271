"""Push to browsers (Web Push, RFC 8030): encrypted for the browser, signed for its push service (VAPID)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx
from py_vapid import Vapid02, VapidException  # type: ignore[import-untyped]
from pywebpush import WebPusher, WebPushException  # type: ignore[import-untyped]

from turnosya.runtime.clock import real_now
from turnosya.services.notification.channels.cards import card_of
from turnosya.services.notification.channels.outcome import (
    Outcome,
    Outgoing,
    asked_wait_s,
    of_network,
    patience,
)

if TYPE_CHECKING:
    from turnosya.services.notification.settings import NotificationSettings

_SIGNED_S = 12 * 3600
_KEPT_S = 24 * 3600
# Created, and accepted where the service tells later what became of it (RFC 8030, 5 and 5.1).
_TAKEN = (201, 202)
_GONE = (404, 410)
_TOO_MANY, _SERVER_ERROR, _FORBIDDEN = 429, 500, 403


class Browser:
    """Speaks to whichever push service a browser names."""

    def __init__(self, settings: NotificationSettings) -> None:
        assert settings.webpush_private_key is not None  # noqa: S101 - asked for by whoever opens it
        vapid: Any = Vapid02
        self._vapid: Any = vapid.from_string(settings.webpush_private_key.get_secret_value())
        self._contact = settings.webpush_contact
        self._hosts = settings.webpush_hosts.split()
        self._http = httpx.AsyncClient(timeout=patience(settings.provider_timeout_s), follow_redirects=False)

    async def close(self) -> None:
        """Lets go of its connections."""
        await self._http.aclose()

    async def send(self, message: Outgoing) -> Outcome:
        """Hands a card to one browser, the first of ``message.devices``."""
        device = message.devices[0]
        subscription = device.subscription or {}
        endpoint: Any = subscription.get("endpoint")
        if not isinstance(endpoint, str) or not self._is_a_push_service(endpoint):
            return Outcome("elsewhere", "webpush_no_endpoint", gone=[device.token])
        try:
            encrypted: Any = WebPusher(subscription).encode(
                json.dumps(card_of(message)).encode(), content_encoding="aes128gcm"
            )
            headers = self._signed(endpoint)
        except (WebPushException, VapidException, ValueError, TypeError, KeyError):
            # Keys that are none.
            return Outcome("elsewhere", "webpush_keys", gone=[device.token])
        headers |= {"TTL": str(_KEPT_S), "Urgency": "normal", "Content-Encoding": "aes128gcm"}
        try:
            answer = await self._http.post(endpoint, content=bytes(encrypted["body"]), headers=headers)
        except httpx.HTTPError as error:
            return of_network(error)
        return _outcome(answer, device.token)

    def _is_a_push_service(self, endpoint: str) -> bool:
        """People choose where we knock: never at whatever answers inside our own network."""
        parts = urlsplit(endpoint)
        host = parts.hostname or ""
        is_known = any(host == one or host.endswith("." + one) for one in self._hosts)
        return is_known and (parts.scheme == "https" or host == "127.0.0.1")

    def _signed(self, endpoint: str) -> dict[str, str]:
        parts = urlsplit(endpoint)
        claims = {
            "aud": f"{parts.scheme}://{parts.netloc}",
            "sub": self._contact,
            "exp": int(real_now().timestamp()) + _SIGNED_S,
        }
        signed: dict[str, str] = self._vapid.sign(claims)
        return dict(signed)

    async def check(self) -> Sequence[str]:
        """Signs something: whether the key is one."""
        try:
            self._signed("https://push.example")
        except (VapidException, ValueError) as error:
            return [f"TURNOSYA_WEBPUSH_PRIVATE_KEY does not sign ({type(error).__name__})"]
        return []


def _outcome(answer: httpx.Response, token: str) -> Outcome:
    status, reason = answer.status_code, f"webpush_{answer.status_code}"
    if status in _TAKEN:
        return Outcome("sent", provider_id=answer.headers.get("location"))
    if status in _GONE:
        return Outcome("elsewhere", reason, gone=[token])
    if status == _TOO_MANY or status >= _SERVER_ERROR:
        return Outcome("again", reason, after_s=asked_wait_s(answer))
    # Any other yes is somebody's between us: a page of a hotel.
    return Outcome("unknown" if answer.is_success else "refused", reason)
