"""Which channels are on and what keeps one from working: for `check-providers`, and for the logs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import structlog
from cryptography.fernet import Fernet

from turnosya.runtime.settings import SettingsWrong, load
from turnosya.services.notification.channels.providers import SWITCHES, Providers
from turnosya.services.notification.settings import NotificationSettings

if TYPE_CHECKING:
    from pydantic import SecretStr

    from turnosya.services.notification.context import Notification

log = structlog.get_logger()


async def say_at_start(notification: Notification) -> None:
    """Logs once what each connected provider lacks; nothing waits for it."""
    for channel, client in notification.providers.clients.items():
        try:
            problems = await client.check()
        except Exception:
            log.exception("provider_check_failed", channel=channel)
            continue
        for problem in problems:
            log.warning("provider_lacks", channel=channel, what=problem)


async def check() -> Mapping[str, Sequence[str] | None]:
    """By channel: None if it is not switched on, else its problems; none when all is well.

    Nothing is sent. Raises SettingsWrong.
    """
    # No link is made here: any key will do.
    settings = load(NotificationSettings, {"TURNOSYA_LINK_KEY": Fernet.generate_key().decode()})
    found: dict[str, Sequence[str] | None] = dict.fromkeys(SWITCHES)
    try:
        async with Providers.open(settings) as providers:
            for name, client in providers.clients.items():
                found[name] = [*await client.check(), *_unset(settings, name)]
    except (OSError, json.JSONDecodeError, KeyError, ValueError) as error:
        # A key file that is missing, or no key: the only things that opening reads.
        raise SettingsWrong(
            f"A key cannot be read ({type(error).__name__}): look at TURNOSYA_FCM_ACCOUNT_FILE"
            " and TURNOSYA_WEBPUSH_PRIVATE_KEY."
        ) from None
    return found


def _unset(settings: NotificationSettings, name: str) -> list[str]:
    """What a channel also needs: WhatsApp's receipts are signed and registered with words of ours."""
    if name != "whatsapp":
        return []
    needed: Mapping[str, SecretStr | None] = {
        "TURNOSYA_WHATSAPP_APP_SECRET": settings.whatsapp_app_secret,
        "TURNOSYA_WHATSAPP_VERIFY_TOKEN": settings.whatsapp_verify_token,
    }
    return [f"{one} is not set: no receipt is taken" for one, value in needed.items() if value is None]


def lines(found: Mapping[str, Sequence[str] | None]) -> list[str]:
    """The same for a person to read."""
    said: list[str] = []
    for name, problems in found.items():
        if problems is None:
            switches = ", ".join(f"TURNOSYA_{one.upper()}" for one in SWITCHES[name])
            said.append(f"{name}: off ({switches})")
        elif problems:
            said += [f"{name}: {problem}" for problem in problems]
        else:
            said.append(f"{name}: works")
    return said
