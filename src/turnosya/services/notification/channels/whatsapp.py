"""WhatsApp by the Cloud API: messages of ours are templates that the provider has approved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import httpx

from turnosya.services.notification.channels import whatsapp_layouts as layouts
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
from turnosya.services.notification.channels.whatsapp_errors import outcome_of
from turnosya.services.notification.channels.whatsapp_numbers import other_spelling

if TYPE_CHECKING:
    from turnosya.services.notification.settings import NotificationSettings

_OK = 200


class WhatsApp:
    """Speaks for one number of ours."""

    def __init__(self, settings: NotificationSettings) -> None:
        assert settings.whatsapp_token is not None  # noqa: S101 - asked for by whoever opens it
        self._settings = settings
        self._http = httpx.AsyncClient(
            base_url=settings.whatsapp_url.rstrip("/"),
            timeout=patience(settings.provider_timeout_s),
            headers={"Authorization": f"Bearer {settings.whatsapp_token.get_secret_value()}"},
            limits=httpx.Limits(max_connections=100, max_keepalive_connections=40),
        )

    async def close(self) -> None:
        """Lets go of its connections."""
        await self._http.aclose()

    async def send(self, message: Outgoing) -> Outcome:
        """Hands a message over; who is not known there may be known by the spelling that comes back."""
        outcome = await self._send_to(message, message.address.lstrip("+"))
        if outcome.kind != "elsewhere":
            return outcome
        return replace(outcome, instead=other_spelling(message.address))

    async def _send_to(self, message: Outgoing, number: str) -> Outcome:
        body = {
            "messaging_product": "whatsapp",
            "recipient_type": "individual",
            "to": number,
            # Comes back in every receipt: it is ours even if this answer never arrives.
            "biz_opaque_callback_data": str(message.delivery_id),
            **layouts.content_of(message, prefix=self._settings.whatsapp_template_prefix),
        }
        try:
            answer = await self._http.post(f"/{self._settings.whatsapp_phone_id}/messages", json=body)
        except httpx.HTTPError as error:
            return of_network(error)
        return _outcome(answer)

    async def check(self) -> Sequence[str]:
        """Asks for the number and the approved templates, and says what is missing or differs."""
        problems: list[str] = []
        try:
            number = await self._http.get(f"/{self._settings.whatsapp_phone_id}")
            problems += _refusal("the number", number)
            if self._settings.whatsapp_account_id:
                path = f"/{self._settings.whatsapp_account_id}/message_templates"
                answer = await self._http.get(path, params={"limit": "250"})
                problems += _refusal("the templates", answer) or layouts.differences(
                    mappings((json_of(answer) or {}).get("data")),
                    prefix=self._settings.whatsapp_template_prefix,
                )
            else:
                problems.append("TURNOSYA_WHATSAPP_ACCOUNT_ID is not set: templates were not compared")
        except httpx.HTTPError as error:
            problems.append(f"{self._settings.whatsapp_url} does not answer ({type(error).__name__})")
        return problems


def _refusal(what: str, answer: httpx.Response) -> list[str]:
    if answer.status_code == _OK and json_of(answer) is not None:
        return []
    code = _error_code(json_of(answer))
    return [f"{what}: status {answer.status_code}, error {'none' if code is None else code}"]


def _outcome(answer: httpx.Response) -> Outcome:
    found = json_of(answer)
    code = _error_code(found)
    if code is not None or not answer.is_success:
        return outcome_of(code, status=answer.status_code, asked_s=asked_wait_s(answer))
    for message in mappings((found or {}).get("messages")):
        given = message.get("id")
        if isinstance(given, str) and given:
            return Outcome("sent", provider_id=given[:200])
    # It said yes, and not to what: a page of somebody between us, or an answer we do not know.
    return Outcome("unknown", "not_understood")


def _error_code(found: Mapping[str, Any] | None) -> int | None:
    code = (mapping((found or {}).get("error")) or {}).get("code")
    return code if isinstance(code, int) else None
