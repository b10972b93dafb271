"""What auth answers and tells: codes, sessions, signing keys and who may no longer come in."""

from datetime import datetime
from typing import ClassVar, Literal
from uuid import UUID

from pydantic import Field

from turnosya.contracts.users import Held, SecurityFact
from turnosya.runtime.messages import Event, Kind, Message, Nothing, Rpc, Say, Secret, ServiceError

Purpose = Literal["register", "password_reset", "change_phone", "login"]
Channel = Literal["whatsapp", "email"]


NOT_ME = ("not_me", "/v1/auth/links/not-me")
"""The link in the message about a new device, for ``<user id>_<session id>``: 7 days."""


class OtpInvalid(ServiceError):
    """Wrong, used, expired, or of another challenge, number or purpose."""

    kind = Kind.UNAUTHENTICATED
    says = Say("El código no es válido.", "The code is not valid.", "O código não é válido.")


class OtpAttemptsExceeded(ServiceError):
    """The sixth try of a code, even a right one, or too many wrong tries of a number in a day."""

    kind = Kind.TOO_MANY
    says = Say(
        "Demasiados intentos con este código. Pedí uno nuevo.",
        "Too many tries with this code. Ask for a new one.",
        "Muitas tentativas com este código. Peça um novo.",
    )


class UseCode(Rpc[Nothing]):
    """Uses up the live code of a number and purpose.

    ``key``: the same key and code again within 10 minutes is answered as the first time.
    """

    errors = (OtpInvalid, OtpAttemptsExceeded)

    phone: str
    purpose: Purpose
    code: Secret
    key: str
    user_id: UUID | None = None
    """Whose account is at stake, if it is known: the audit names it when the code is refused."""


class SigningKeys(Message):
    """The public keys as a JWK set (RFC 7517), each with ``kid``; Ed25519 only."""

    keys: list[dict[str, str]]


class GetSigningKeys(Rpc[SigningKeys]):
    """Which keys sign access tokens now, next and lately?"""


class Access(Message):
    """Who may not come in although a token of theirs has not expired."""

    blocked_user_ids: list[UUID]
    versions: dict[UUID, int]
    """The lowest ``uv`` that is still good, for users whose version rose in the last 15 minutes."""
    ended_session_ids: list[UUID]
    """Sessions that ended in the last 15 minutes."""
    at: datetime


class GetAccess(Rpc[Access]):
    """The snapshot with which a gateway starts."""


class AccessChanged(Event):
    """A session ended, a user was blocked or unblocked, or a version rose. Every gateway hears it."""

    aggregate: ClassVar[str] = "user_id"

    user_id: UUID
    ended_session_ids: list[UUID] = Field(default_factory=list[UUID])
    version: int | None = None
    blocked: bool | None = None
    at: datetime


class AccessHeartbeat(Event):
    """Auth is there, once a second: a gateway that misses five asks auth over HTTP for every request."""

    at: datetime


class EndSessions(Rpc[AccessChanged]):
    """Ends every session of a user but one (password or phone changed). Safe to repeat with its key.

    The answer is what gateways must know at once; the caller hands it on as ``X-Internal-Access-Ended``.
    """

    user_id: UUID
    keep_session_id: UUID | None = None
    reason: Literal["password_changed", "phone_changed", "erased", "admin"]
    key: str


class GetHeld(Rpc[Held]):
    """What does auth hold about this person? Their sessions."""

    user_id: UUID


class SetRoles(Rpc[AccessChanged]):
    """Roles of a user changed: later tokens carry them, present ones end (their ``uv`` is too low)."""

    user_id: UUID
    roles: list[str]
    key: str


class CodeRequested(Event):
    """A code was made; notification finds out whom it is for and sends it, or does not.

    The same for every number, known or not: looking up and sending follow from this event.
    """

    aggregate: ClassVar[str] = "challenge_id"

    challenge_id: UUID
    purpose: Purpose
    channel: Channel
    phone: str | None
    """E.164; None for a code by e-mail."""
    email: str | None = None
    user_id: UUID | None = None
    """Known for ``login`` only."""
    locale: str
    code: Secret
    send: int
    """1 for the first sending of this challenge, 2 for a resend: one delivery each."""
    expires_at: datetime


class SignedIn(Event):
    """A new session began; the person is told of the new device."""

    aggregate: ClassVar[str] = "user_id"

    user_id: UUID
    session_id: UUID
    device_name: str | None
    at: datetime


class SessionsEnded(Event):
    """Sessions ended for the person's safety; they are told, with the reason."""

    aggregate: ClassVar[str] = "user_id"

    user_id: UUID
    session_ids: list[UUID]
    reason: Literal["reused", "too_many", "blocked", "password_changed", "phone_changed", "erased", "admin"]
    at: datetime


class SessionsClosed(Event):
    """Sessions ended at their owner's own wish; nobody is told, but their devices get no more messages."""

    aggregate: ClassVar[str] = "user_id"

    user_id: UUID
    session_ids: list[UUID]


class SecurityNoted(SecurityFact):
    """Something about signing in that an admin may have to look up later."""
