"""Codes: made, sent again, and used up once."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import UUID

from pydantic import BaseModel

from turnosya.contracts.auth import CodeRequested, OtpAttemptsExceeded, OtpInvalid, UseCode
from turnosya.runtime.ids import new_id
from turnosya.runtime.messages import Kind, Nothing, Say, ServiceError, invalid
from turnosya.runtime.phones import canonical, region_of
from turnosya.services.auth import drafts, metrics, rules

if TYPE_CHECKING:
    from turnosya.contracts.auth import Channel, Purpose
    from turnosya.contracts.users import Person
    from turnosya.services.auth.context import Auth

CODE_DIGITS = 6
_NOT_SERVED = Say(
    "no enviamos códigos a ese país",
    "codes are not sent to this country",
    "não enviamos códigos para esse país",
)


class OtpTooMany(ServiceError):
    """Inside a pause, or a budget of codes is used up."""

    kind = Kind.TOO_MANY
    says = Say(
        "Pediste demasiados códigos. Esperá un poco y probá de nuevo.",
        "Too many codes were asked for. Wait a little and try again.",
        "Muitos códigos foram pedidos. Espere um pouco e tente de novo.",
    )
    retry_after_s: int


@dataclass(frozen=True, slots=True)
class Recipient:
    """Where a code goes, and for whom when that is known (log-in only)."""

    phone: str
    channel: Channel
    locale: str
    person: Person | None = None

    @property
    def destination(self) -> str:
        """The masked number or e-mail."""
        if self.channel == "email" and self.person is not None and self.person.email is not None:
            return rules.masked_email(self.person.email)
        return rules.masked_phone(self.phone)


@dataclass(frozen=True, slots=True)
class Sent:
    """The answer to whoever asked for a code; the same whether or not the number is known."""

    challenge_id: UUID
    channel: Channel
    destination: str
    expires_in: int
    resend_after: int


class _Requested(BaseModel):
    outcome: str
    challenge_id: UUID | None = None
    expires_in_ms: float = 0
    resend_after_ms: float = 0
    retry_after_ms: float = 0


class _Tried(BaseModel):
    outcome: str


async def request_code(
    auth: Auth, recipient: Recipient, purpose: Purpose, *, address: str, begun_ms: int | None = None
) -> Sent:
    """Makes a code, or repeats the live one; sending follows from the event.

    ``begun_ms``: when the password was asked about. All sessions may have ended since, by another one.

    Raises ``OtpTooMany`` inside a pause or over a budget, ``Invalid`` for a country that is not served.
    """
    if region_of(recipient.phone) not in auth.settings.otp_countries:
        raise invalid("phone", "country_not_served", _NOT_SERVED)
    asked = _asked(auth, recipient, purpose, address=address)
    given = {"begun_at": auth.store.now_ms() if begun_ms is None else begun_ms, **asked}
    found = await auth.store.run("request_code", given, _Requested)
    metrics.codes_sent.labels(purpose, found.outcome).inc()
    if found.challenge_id is None:
        raise OtpTooMany(retry_after_s=rules.seconds_up(found.retry_after_ms))
    return Sent(
        challenge_id=found.challenge_id,
        channel=recipient.channel,
        destination=recipient.destination,
        expires_in=rules.seconds_up(found.expires_in_ms),
        resend_after=rules.seconds_up(found.resend_after_ms),
    )


def _asked(auth: Auth, recipient: Recipient, purpose: Purpose, *, address: str) -> dict[str, object]:
    challenge_id = new_id()
    code = f"{secrets.randbelow(10**CODE_DIGITS):0{CODE_DIGITS}}"
    subject = rules.pseudonym(auth.pepper, "number", recipient.phone)
    expires_ms = auth.store.now_ms() + rules.CODE_LIFE_MS
    person, by_email = recipient.person, recipient.channel == "email"
    event = CodeRequested(
        challenge_id=challenge_id,
        purpose=purpose,
        channel=recipient.channel,
        phone=None if by_email else recipient.phone,
        email=person.email if by_email and person is not None else None,
        user_id=None if person is None else person.id,
        locale=recipient.locale,
        code=code,
        send=1,
        expires_at=datetime.fromtimestamp(expires_ms / 1000, UTC),
    )
    draft = drafts.code_requested(auth, event)
    prefix = rules.number_prefix(recipient.phone)
    return {
        "id": str(challenge_id),
        "subject": subject,
        "purpose": purpose,
        "digest": rules.code_digest(
            auth.pepper, challenge_id=str(challenge_id), subject=subject, purpose=purpose, code=code
        ),
        # As the event carries it, encrypted: a resend hands on the very same text.
        "sealed": draft["body"]["code"],
        "user": "" if person is None else str(person.id),
        "roles": json.dumps([] if person is None else person.roles),
        "prefix": "" if by_email else rules.pseudonym(auth.pepper, "prefix", prefix),
        "address": _budgeted_address(auth, address),
        "limited": auth.limited,
        "code_requested": draft,
        "expires_at": expires_ms,
        "expires_at_text": draft["body"]["expires_at"],
    }


def _budgeted_address(auth: Auth, address: str) -> str:
    block = rules.address_block(address)
    if block is None or (auth.loopback_exempt and rules.is_loopback(address)):
        return ""
    return rules.pseudonym(auth.pepper, "address", block)


async def use_code(auth: Auth, request: UseCode) -> Nothing:
    """Uses up the live code of a number and purpose for users. Raises OtpInvalid, OtpAttemptsExceeded."""
    try:
        number = canonical(request.phone)
    except ValueError:
        raise OtpInvalid from None
    subject = rules.pseudonym(auth.pepper, "number", number)
    live = await auth.store.text(f"auth:live:{request.purpose}:{subject}") or ""
    # The key alone would let another code pass as a repeat of the first.
    repeat = f"{request.key}|{subject}|{request.purpose}|{request.code}"
    given = {
        "id": live,
        "purpose": request.purpose,
        "digest": rules.code_digest(
            auth.pepper, challenge_id=live, subject=subject, purpose=request.purpose, code=request.code
        ),
        "key": f"code:{rules.pseudonym(auth.pepper, 'repeat', repeat)}",
        "user": "" if request.user_id is None else str(request.user_id),
        "noted": drafts.noted(auth),
    }
    tried = await auth.store.run("use_code", given, _Tried)
    metrics.codes_tried.labels(request.purpose, tried.outcome).inc()
    refuse_unless_good(tried.outcome)
    return Nothing()


def refuse_unless_good(outcome: str) -> None:
    """Raises the refusal that a tried code earned."""
    if outcome == "exceeded":
        raise OtpAttemptsExceeded
    if outcome == "invalid":
        raise OtpInvalid
