"""What users answers and tells: people, credentials and preferences."""

from datetime import datetime
from typing import ClassVar, Literal
from uuid import UUID

from turnosya.runtime.messages import Event, Kind, Message, Nothing, Rpc, Say, Secret, ServiceError


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
