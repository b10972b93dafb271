"""Which providers are connected: each is switched on by its settings, and does without the others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from turnosya.services.notification.channels.browser import Browser
from turnosya.services.notification.channels.firebase import Firebase
from turnosya.services.notification.channels.mail import Mail
from turnosya.services.notification.channels.outcome import Channel, Outcome, Outgoing
from turnosya.services.notification.channels.whatsapp import WhatsApp

if TYPE_CHECKING:
    from turnosya.services.notification.settings import NotificationSettings

# What the operator reads for each, and what switches it on.
SWITCHES: Mapping[str, tuple[str, ...]] = {
    "whatsapp": ("whatsapp_token", "whatsapp_phone_id"),
    "fcm": ("fcm_account_file",),
    "webpush": ("webpush_private_key",),
    "email": ("smtp_url",),
}

# A letter is handed over in several questions and answers.
_CONVERSATIONS: Mapping[str, int] = {"email": 2}


@dataclass(frozen=True, slots=True)
class Providers:
    """The clients of those that are switched on, by name: ``whatsapp``, ``email``, ``fcm``, ``webpush``."""

    clients: Mapping[str, Channel] = field(default_factory=dict[str, Channel])
    timeout_s: float = 10.0

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: NotificationSettings) -> AsyncGenerator[Providers]:
        """Opens what the settings switch on. Raises OSError or ValueError for a key file that is none."""
        clients: dict[str, Channel] = {}
        if settings.whatsapp_token is not None and settings.whatsapp_phone_id:
            clients["whatsapp"] = WhatsApp(settings)
        if settings.fcm_account_file:
            clients["fcm"] = Firebase(settings)
        if settings.webpush_private_key is not None:
            clients["webpush"] = Browser(settings)
        if settings.smtp_url is not None:
            clients["email"] = Mail(settings)
        async with AsyncExitStack() as stack:
            for client in clients.values():
                stack.push_async_callback(client.close)
            yield cls(clients, settings.provider_timeout_s)

    def missing(self) -> list[str]:
        """Those that are not switched on."""
        return [name for name in SWITCHES if name not in self.clients]

    def serves(self, channel: str) -> bool:
        """Whether anything can go out on a channel."""
        return bool({"fcm", "webpush"} & set(self.clients)) if channel == "push" else channel in self.clients

    async def send(self, channel: str, message: Outgoing) -> Outcome:
        """Hands a message to a channel that is served; a card goes to every device of its reader at once."""
        if channel != "push":
            return await self._send(channel, message)
        return together(
            await asyncio.gather(
                *(
                    self._send(device.platform, _to_one(message, position))
                    for position, device in enumerate(message.devices)
                    if device.platform in self.clients
                )
            )
        )

    async def _send(self, name: str, message: Outgoing) -> Outcome:
        """The time is for all of it: who answers a byte every few seconds would hold a hand for ever."""
        try:
            async with asyncio.timeout(self.timeout_s * _CONVERSATIONS.get(name, 1)):
                return await self.clients[name].send(message)
        except TimeoutError:
            return Outcome("unknown", "no_answer")


def _to_one(message: Outgoing, position: int) -> Outgoing:
    return Outgoing(
        delivery_id=message.delivery_id,
        address=message.address,
        template=message.template,
        reader=message.reader,
        locale=message.locale,
        letter=message.letter,
        data=message.data,
        devices=message.devices[position : position + 1],
    )


# One device that has it is enough; what is not known is not tried again; else the mildest.
_ORDER = ("sent", "unknown", "again", "stopped", "refused", "elsewhere")


def together(outcomes: Sequence[Outcome]) -> Outcome:
    """What became of a card that went to several devices."""
    if not outcomes:
        return Outcome("elsewhere", "no_device")
    best = min(outcomes, key=lambda one: _ORDER.index(one.kind))
    gone = [token for one in outcomes for token in one.gone]
    return Outcome(
        best.kind,
        best.reason,
        provider_id=best.provider_id,
        after_s=best.after_s,
        rests=best.rests,
        gone=gone,
    )
