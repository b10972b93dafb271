"""Push to phones by Firebase Cloud Messaging, HTTP v1."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

import httpx
from google.auth import crypt, jwt

from turnosya.runtime.clock import real_now
from turnosya.services.notification.channels.cards import card_of
from turnosya.services.notification.channels.outcome import (
    Outcome,
    Outgoing,
    asked_wait_s,
    json_of,
    mapping,
    mappings,
    of_network,
    patience,
)

if TYPE_CHECKING:
    from turnosya.services.notification.settings import NotificationSettings

_SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
# A token lives an hour; a new one is asked for five minutes before its end.
_TOKEN_S, _BEFORE_S = 3600, 300
_BAD_REQUEST, _UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND, _TOO_MANY = 400, 401, 403, 404, 429
_GONE_CODES = frozenset({"UNREGISTERED", "SENDER_ID_MISMATCH"})
_REST_S = 60.0


class Firebase:
    """Speaks for one Firebase project, whose service account's key is in a file."""

    def __init__(self, settings: NotificationSettings) -> None:
        account: Mapping[str, str] = json.loads(Path(settings.fcm_account_file).read_text("utf-8"))
        self._project = account["project_id"]
        self._email = account["client_email"]
        self._token_uri = account["token_uri"]
        self._signer = crypt.RSASigner.from_service_account_info(dict(account))  # type: ignore[no-untyped-call]
        self._url = settings.fcm_url.rstrip("/")
        self._timeout_s = settings.provider_timeout_s
        self._http = httpx.AsyncClient(timeout=patience(self._timeout_s))
        self._token, self._good_until = "", 0.0

    async def close(self) -> None:
        """Lets go of its connections."""
        await self._http.aclose()

    async def send(self, message: Outgoing) -> Outcome:
        """Hands a card to one device, the first of ``message.devices``."""
        device = message.devices[0].token
        try:
            refused = await self._refresh()
            if refused is not None:
                return refused
            answer = await self._http.post(
                f"{self._url}/v1/projects/{self._project}/messages:send",
                headers={"Authorization": f"Bearer {self._token}"},
                json={"message": {"token": device, **_content(message)}},
            )
        except httpx.HTTPError as error:
            return of_network(error)
        return self._outcome(answer, device)

    async def _refresh(self) -> Outcome | None:
        """Gets an access token where the present one ends soon; what went wrong, if anything did."""
        if monotonic() < self._good_until:
            return None
        now = int(real_now().timestamp())
        claims = {
            "iss": self._email,
            "scope": _SCOPE,
            "aud": self._token_uri,
            "iat": now,
            "exp": now + _TOKEN_S,
        }
        assertion: bytes = jwt.encode(self._signer, claims)  # type: ignore[no-untyped-call]
        try:
            # Half of the time that there is for a card: who waits for a token has sent nothing yet.
            async with asyncio.timeout(self._timeout_s / 2):
                answer = await self._http.post(
                    self._token_uri, data={"grant_type": _GRANT, "assertion": assertion.decode()}
                )
        except (httpx.HTTPError, TimeoutError):
            # Only the token was asked for: nobody can have the message.
            return Outcome("again", "fcm_token_not_reached")
        found = json_of(answer)
        if not answer.is_success or found is None or not isinstance(found.get("access_token"), str):
            if answer.status_code in (_BAD_REQUEST, _UNAUTHORIZED):
                return Outcome("stopped", "fcm_token_refused")
            return Outcome("again", f"fcm_token_http_{answer.status_code}")
        self._token = found["access_token"]
        lives_s: Any = found.get("expires_in")
        self._good_until = monotonic() + max(
            30.0, float(lives_s if isinstance(lives_s, int) else _TOKEN_S) - _BEFORE_S
        )
        return None

    def _outcome(self, answer: httpx.Response, device: str) -> Outcome:
        found = json_of(answer)
        status, reason = answer.status_code, f"fcm_{answer.status_code}"
        if answer.is_success:
            name: Any = (found or {}).get("name")
            return Outcome("sent", provider_id=name) if isinstance(name, str) else Outcome("unknown", reason)
        if status == _UNAUTHORIZED:
            self._good_until = 0.0
        if found is None or status not in (_BAD_REQUEST, _FORBIDDEN, _NOT_FOUND):
            rests = status == _TOO_MANY
            after_s = asked_wait_s(answer) or (_REST_S if rests else None)
            return Outcome("again", reason, after_s=after_s, rests=rests)
        # Only what is said of this very token costs a device: not a message of ours that is wrong (400), nor
        # a project that is not there (404). A token of another's project (403) stops nobody else's cards.
        if _codes(found) & _GONE_CODES or (status == _BAD_REQUEST and _names_token(found)):
            return Outcome("elsewhere", reason, gone=[device])
        return Outcome("stopped" if status == _FORBIDDEN else "refused", reason)

    async def check(self) -> Sequence[str]:
        """Gets an access token."""
        try:
            refused = await self._refresh()
        except httpx.HTTPError as error:
            return [f"Firebase does not answer ({type(error).__name__})"]
        return [] if refused is None else [f"Firebase gives no access token ({refused.reason})"]


def _content(message: Outgoing) -> dict[str, Any]:
    card = card_of(message)
    return {
        "notification": {"title": card["title"], "body": card["body"]},
        "data": {"template": message.template, **card["data"]},
    }


def _codes(found: Mapping[str, Any]) -> set[object]:
    error = mapping(found.get("error")) or {}
    return {detail.get("errorCode") for detail in mappings(error.get("details"))}


def _names_token(found: Mapping[str, Any]) -> bool:
    error = mapping(found.get("error")) or {}
    return any(
        violation.get("field") == "message.token"
        for detail in mappings(error.get("details"))
        for violation in mappings(detail.get("fieldViolations"))
    )
