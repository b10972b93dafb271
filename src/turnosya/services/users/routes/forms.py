"""What the bodies of several calls have in common, and what they answer."""

from typing import Annotated, Any, Literal, Self
from uuid import UUID

from fastapi import Depends, Response
from pydantic import AfterValidator, Field

from turnosya.contracts.auth import AccessChanged
from turnosya.contracts.files import path_of
from turnosya.runtime import mail
from turnosya.runtime.fields import Instant, Resource
from turnosya.runtime.http import ACCESS_ENDED, context_of, json_of
from turnosya.runtime.phones import canonical
from turnosya.services.users import rules
from turnosya.services.users.context import Users
from turnosya.services.users.store.accounts import Account

Phone = Annotated[str, AfterValidator(canonical)]
PersonName = Annotated[str, Field(max_length=1000), AfterValidator(rules.person_name)]
Email = Annotated[str, Field(max_length=254), AfterValidator(mail.canonical)]
NewPassword = Annotated[str, Field(max_length=1000), AfterValidator(rules.new_password)]
Password = Annotated[str, Field(max_length=1000)]
Code = Annotated[str, Field(max_length=20)]
Locale = Literal["es", "en", "pt"]

Here = Annotated[Users, Depends(context_of(Users))]


class PublicPerson(Resource):
    """What everybody who is signed in may know of somebody."""

    id: UUID
    name: str
    photo: str | None


class Profile(PublicPerson):
    """A person as they see themselves, and as an admin sees them."""

    phone: str
    email: str | None
    locale: str
    roles: list[str]
    created_at: Instant

    @classmethod
    def of(cls, account: Account) -> Self:
        """The profile of an account."""
        return cls(
            id=account.id,
            phone=account.phone,
            name=account.name,
            email=account.email,
            locale=account.locale,
            photo=photo_of(account),
            roles=account.roles,
            created_at=account.created_at,
        )


def photo_of(account: Account) -> str | None:
    """The path of somebody's photo, as large as it is."""
    return None if account.photo_file_id is None else path_of(account.photo_file_id)


def profile_json(account: Account) -> dict[str, Any]:
    """The same as JSON values."""
    return json_of(Profile.of(account))


def tell_gateway(response: Response, ended: AccessChanged | None) -> Response:
    """Says with the answer whose access has ended, if auth has said so."""
    if ended is not None:
        response.headers[ACCESS_ENDED] = ended.model_dump_json()
    return response
