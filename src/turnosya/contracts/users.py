"""What users answers and tells: people, credentials and preferences."""

from datetime import datetime
from typing import Any, ClassVar, Literal
from uuid import UUID

from pydantic import Field

from turnosya.runtime.messages import Event, Kind, Message, Nothing, Rpc, Say, Secret, ServiceError

UNDO_PHONE_CHANGE = ("undo_phone_change", "/v1/users/links/phone-change")
"""The link on a former number, for the id of the change: 72 h."""
CONFIRM_EMAIL = ("confirm_email", "/v1/users/links/email-confirmation")
"""The link to a new address, for the id of the confirmation: 72 h."""
NO_ACCOUNT = Say("no es una cuenta", "is no account", "não é uma conta")
"""Beside a field that names a person."""


class CredentialsInvalid(ServiceError):
    """No such account, or another password; which of the two is not said."""

    kind = Kind.UNAUTHENTICATED
    says = Say(
        "El usuario o la contraseña no son correctos.",
        "The account or the password is not right.",
        "O usuário ou a senha não estão corretos.",
    )


class AccessBlocked(ServiceError):
    """An admin blocked this person."""

    kind = Kind.UNAUTHENTICATED
    says = Say("Tu acceso está bloqueado.", "Your access is blocked.", "Seu acesso está bloqueado.")


class Person(Message):
    """Who somebody is and how they are reached."""

    id: UUID
    name: str
    phone: str
    email: str | None
    locale: str
    roles: list[str]
    photo_url: str | None = None
    blocked: bool = False


class CheckPassword(Rpc[Person]):
    """Is this the password of the account with this phone or e-mail?

    An unknown account costs the same time as a wrong password.
    """

    errors = (CredentialsInvalid, AccessBlocked)

    phone: str | None = None
    email: str | None = None
    password: Secret


class People(Message):
    """Those that exist of the asked, in no order."""

    people: list[Person]


class GetPeople(Rpc[People]):
    """Who are they? At most 100 ids."""

    ids: list[UUID]


class GetAdmins(Rpc[People]):
    """Who may be told what goes wrong? All admins that are not blocked; 100 at most."""


class FindByPhone(Rpc[People]):
    """The account with this number (E.164), if there is one."""

    phone: str


class KeepBlocked(Rpc[Nothing]):
    """Auth blocked or unblocked somebody; users keeps it where Redis cannot lose it.

    ``NotFound`` when there is no such person.
    """

    user_id: UUID
    blocked: bool
    reason: str | None = None
    by: UUID
    key: str


class BlockedUser(Message):
    """One blocked person and why."""

    user_id: UUID
    reason: str
    blocked_at: datetime


class BlockedUsers(Message):
    """All blocked people, oldest first."""

    items: list[BlockedUser]


class GetBlocked(Rpc[BlockedUsers]):
    """Who is blocked? Auth asks when its Redis came back empty."""


class QuietHours(Message):
    """No reminder is sent between these wall-clock times, ``HH:MM``; they may lie across midnight."""

    start: str
    end: str


class NotificationSettings(Message):
    """How somebody wants to be told; the defaults are those of who never chose."""

    push: bool = True
    email: bool = True
    whatsapp_important: bool = False
    reminder_minutes_before: list[int] = Field(default_factory=lambda: [1440, 120])
    quiet_hours: QuietHours | None = None


class Device(Message):
    """Where a push message reaches somebody."""

    token: str
    platform: Literal["fcm", "webpush"]
    subscription: dict[str, Any] | None
    """Of a browser (``webpush``): endpoint and keys as it gave them."""


class Reach(Message):
    """What one person chose, and their devices, the latest first."""

    user_id: UUID
    settings: NotificationSettings
    devices: list[Device]


class Reaches(Message):
    """One for each of the asked that exist, in no order."""

    items: list[Reach]


class GetReach(Rpc[Reaches]):
    """How do they want to be told? At most 100 ids."""

    ids: list[UUID]


class DropDevice(Rpc[Nothing]):
    """The provider says that this device is gone; nothing if it is not known."""

    token: str


class NotificationSettingsChanged(Event):
    """Somebody chose how they want to be told."""

    aggregate: ClassVar[str] = "user_id"

    user_id: UUID
    settings: NotificationSettings


class Held(Message):
    """What a service holds about a person, by kind of record, each record as plain JSON."""

    records: dict[str, list[dict[str, Any]]]
    more_after: str | None = None
    """Of a service that holds too much for one answer: what to ask for the rest with, as ``after``."""


class UserRegistered(Event):
    """Somebody signed up."""

    aggregate: ClassVar[str] = "person.id"

    person: Person


class PersonChanged(Event):
    """Name, e-mail, language, photo or roles changed."""

    aggregate: ClassVar[str] = "person.id"

    person: Person


class CredentialsChanged(Event):
    """A password or number changed; users repeats from it what auth must do, until auth has answered."""

    aggregate: ClassVar[str] = "user_id"

    user_id: UUID
    keep_session_id: UUID | None
    what: Literal["password_changed", "phone_changed"]
    key: str


class RolesChanged(Event):
    """Roles were granted or taken; users itself tells auth from it, until auth has answered."""

    aggregate: ClassVar[str] = "user_id"

    user_id: UUID
    roles: list[str]
    key: str


class PhoneChanged(Event):
    """Somebody has another number; whoever holds the former one is told, with a link that undoes it."""

    aggregate: ClassVar[str] = "user_id"

    user_id: UUID
    change_id: UUID
    previous_phone: str
    undo_until: datetime


class EmailConfirmationRequested(Event):
    """An address is to be confirmed by a link sent to it."""

    aggregate: ClassVar[str] = "user_id"

    user_id: UUID
    confirmation_id: UUID
    email: str
    expires_at: datetime


class Forgotten(Event):
    """The shape in which a service confirms ``PersonErased``: each tells its own ``PersonForgotten``."""

    aggregate: ClassVar[str] = "user_id"

    user_id: UUID
    key: str
    """That of the ``PersonErased`` which is confirmed."""


class PersonErased(Event):
    """Somebody erased their account: every service forgets who they were and confirms it.

    Told again until all have confirmed, and once more when no token of theirs can be good any longer.
    """

    aggregate: ClassVar[str] = "user_id"

    user_id: UUID
    key: str


class SecurityFact(Event):
    """The shape of what the audit keeps: ids only, never a name, number, address or text of people.

    Each service tells its own, ``auth.SecurityNoted``, ``users.SecurityNoted``,
    ``business.SecurityNoted``, ``gateway.SecurityNoted``.
    """

    kind: str
    """What happened: ``signed_in``, ``refused``, ``reused``, ``blocked``, ``roles_changed``, ``erased`` …"""
    actor_id: UUID | None = None
    """Who did it; None when nobody is known to have."""
    subject_id: UUID | None = None
    """Whose account it is about; None when there is none."""
    session_id: UUID | None = None
    reason: str | None = None
    """A word of ours: ``credentials_invalid``, ``otp_invalid``, ``too_many`` …"""
    at: datetime


class SecurityNoted(SecurityFact):
    """Something about an account that an admin may have to look up later."""


class TellErasuresAgain(Rpc[Nothing]):
    """Tell of every erasure again that is not over."""
