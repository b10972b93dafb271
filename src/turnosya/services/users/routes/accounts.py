"""Accounts: signing up, profiles, passwords and roles."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import Query, Response
from pydantic import Field

from turnosya.contracts.auth import OtpAttemptsExceeded
from turnosya.contracts.files import FileNotUsable
from turnosya.contracts.users import CredentialsInvalid
from turnosya.runtime.fields import Closed
from turnosya.runtime.http import Admin, CallerLanguage, OnceOnly, SignedIn, kept_response, router
from turnosya.runtime.messages import Forbidden
from turnosya.runtime.pages import Listed, Paged, after_id
from turnosya.runtime.problems import refuses
from turnosya.services.users import credentials, people, registration, roles
from turnosya.services.users.refusals import AskedTooSoon, CodeNotValid, EmailTaken, PhoneTaken
from turnosya.services.users.registration import NewPerson
from turnosya.services.users.routes.forms import (
    Code,
    Email,
    Here,
    Locale,
    NewPassword,
    Password,
    PersonName,
    Phone,
    Profile,
    PublicPerson,
    photo_of,
    profile_json,
    tell_gateway,
)


class SignUp(Closed):
    """Who wants an account; ``code`` proves the number (POST /v1/auth/otp, purpose ``register``)."""

    phone: Phone
    code: Code
    name: PersonName
    password: NewPassword
    email: Email | None = None
    locale: Locale | None = None


class ProfileChange(Closed):
    """What changes in one's own profile; absent stays, null clears."""

    # Only fields that were sent are looked at: a name cannot be cleared.
    name: PersonName = ""
    email: Email | None = None
    locale: Locale | None = None
    photo_file_id: UUID | None = None


class PasswordChange(Closed):
    """A new password, proved by the present one."""

    current_password: Password
    new_password: NewPassword


class PasswordReset(Closed):
    """A new password, proved by a code (purpose ``password_reset``)."""

    phone: Phone
    code: Code
    new_password: NewPassword


class Roles(Closed):
    """All roles that somebody shall have."""

    roles: Annotated[list[Literal["admin"]], Field(max_length=10)]


routes = router("/v1/users", tags=["users"])


@routes.post(
    "",
    status_code=201,
    response_model=Profile,
    responses=refuses(PhoneTaken, EmailTaken, CodeNotValid, OtpAttemptsExceeded),
)
async def sign_up(users: Here, body: SignUp, once: OnceOnly, language: CallerLanguage) -> Response:
    """Sign up with a number that a code proves."""
    person = NewPerson(
        phone=body.phone,
        name=body.name,
        password=body.password,
        email=body.email,
        locale=body.locale or language,
    )
    kept = await registration.sign_up(users, person, code=body.code, once=once, shown=profile_json)
    return kept_response(kept)


@routes.get("", responses=refuses(Forbidden))
async def search(
    users: Here,
    _admin: Admin,
    page: Paged,
    q: Annotated[str, Query(max_length=100, pattern=r"^[^\x00]*$")] = "",
) -> Listed[Profile]:
    """Find people by a part of their name, number or address (admin)."""
    found = await people.search(users, q.strip(), after=after_id(page), limit=page.read)
    return page.of([Profile.of(one) for one in found], sort_values=lambda one: [one.id])


@routes.get("/me")
async def me(users: Here, caller: SignedIn) -> Profile:
    """One's own profile."""
    return Profile.of(await people.read(users, caller.user_id))


@routes.patch("/me", responses=refuses(EmailTaken, FileNotUsable, AskedTooSoon))
async def change_me(users: Here, body: ProfileChange, caller: SignedIn, language: CallerLanguage) -> Profile:
    """Change one's own profile."""
    values: dict[str, object] = {name: getattr(body, name) for name in sorted(body.model_fields_set)}
    if "locale" in values:
        values["locale"] = body.locale or language
    return Profile.of(await people.change(users, caller.user_id, values))


@routes.get("/{user_id}")
async def read(users: Here, user_id: UUID, _caller: SignedIn) -> PublicPerson:
    """The public part of somebody's profile."""
    account = await people.read(users, user_id)
    return PublicPerson(id=account.id, name=account.name, photo=photo_of(account))


@routes.put("/me/password", status_code=204, response_class=Response, responses=refuses(CredentialsInvalid))
async def change_password(users: Here, body: PasswordChange, caller: SignedIn) -> Response:
    """Change one's password; every other session ends."""
    ended = await credentials.change_password(
        users,
        caller.user_id,
        caller.session_id,
        current=body.current_password,
        new=body.new_password,
    )
    return tell_gateway(Response(status_code=204), ended)


@routes.post(
    "/password-reset",
    status_code=204,
    response_class=Response,
    responses=refuses(CodeNotValid, OtpAttemptsExceeded),
)
async def reset_password(users: Here, body: PasswordReset, once: OnceOnly) -> Response:
    """Set a new password with a code; every session ends."""
    kept, ended = await credentials.reset_password(
        users, body.phone, code=body.code, new=body.new_password, once=once
    )
    return tell_gateway(kept_response(kept), ended)


@routes.put("/{user_id}/roles", responses=refuses(Forbidden))
async def set_roles(users: Here, user_id: UUID, body: Roles, *, admin: Admin, response: Response) -> Profile:
    """Grant or take the role ``admin``; the person's present tokens end (admin)."""
    account, ended = await roles.set_roles(users, user_id, sorted(set(body.roles)), actor_id=admin.user_id)
    tell_gateway(response, ended)
    return Profile.of(account)
