"""Logging in: a right password opens a challenge, its code opens a session."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from turnosya.contracts.users import CheckPassword
from turnosya.services.auth import otp
from turnosya.services.auth.otp import Recipient

if TYPE_CHECKING:
    from turnosya.contracts.auth import Channel
    from turnosya.services.auth.context import Auth


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who says they are who; one of phone and e-mail is None."""

    phone: str | None
    email: str | None
    password: str


async def log_in(auth: Auth, credentials: Credentials, *, channel: Channel, address: str) -> otp.Sent:
    """Sends a code to whoever has the right password; CredentialsInvalid, AccessBlocked, OtpTooMany.

    Without an e-mail in the account the code goes by WhatsApp, whatever was asked for.
    """
    begun_ms = auth.store.now_ms()
    person = await auth.bus.call(
        CheckPassword(phone=credentials.phone, email=credentials.email, password=credentials.password)
    )
    by_email = channel == "email" and person.email is not None
    recipient = Recipient(person.phone, "email" if by_email else "whatsapp", person.locale, person)
    return await otp.request_code(auth, recipient, "login", address=address, begun_ms=begun_ms)
