"""``/v1/auth``: HTTP models and mapping."""

from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from fastapi import Depends, Header, Path, Request, Response
from pydantic import AfterValidator, BaseModel, Field
from starlette.exceptions import HTTPException

from turnosya.contracts.auth import Access, AccessChanged, Channel, OtpAttemptsExceeded, OtpInvalid
from turnosya.contracts.users import AccessBlocked, CredentialsInvalid
from turnosya.runtime.field_errors import words_for, wrong_field
from turnosya.runtime.fields import Closed, Resource
from turnosya.runtime.http import (
    ACCESS_ENDED,
    Admin,
    CallerLanguage,
    JsonRoute,
    NoBody,
    SignedIn,
    context_of,
    router,
)
from turnosya.runtime.idempotency import is_well_formed
from turnosya.runtime.messages import Forbidden, Invalid, NotFound, invalid
from turnosya.runtime.pages import Listed, Paged, after_id
from turnosya.runtime.phones import MAX_LENGTH, canonical
from turnosya.runtime.problems import refuses
from turnosya.services.auth import access, keys, login, otp, rules, sessions
from turnosya.services.auth.access import BlockedUser
from turnosya.services.auth.context import Auth
from turnosya.services.auth.login import Credentials
from turnosya.services.auth.otp import OtpTooMany, Recipient
from turnosya.services.auth.sessions import RefreshTokenInvalid, RefreshTokenReused, Tokens

web = router("/v1/auth", tags=["auth"])
inside = router("/internal", tags=["inside"])

InAuth = Annotated[Auth, Depends(context_of(Auth))]


Phone = Annotated[str, Field(max_length=MAX_LENGTH), AfterValidator(canonical)]


def _address(request: Request) -> str:
    # The gateway sets the field anew; whoever reaches a service directly is inside already.
    forwarded = request.headers.get("x-forwarded-for")
    return forwarded or (request.client.host if request.client else "")


Address = Annotated[str, Depends(_address)]


class OtpAsked(Closed):
    """Body of POST /otp."""

    phone: Phone
    purpose: Literal["register", "password_reset", "change_phone"]


class LogInAsked(Closed):
    """Body of POST /login: the password with one of phone and e-mail."""

    phone: Phone | None = None
    email: Annotated[str, Field(min_length=3, max_length=254)] | None = None
    password: Annotated[str, Field(max_length=1024)]
    channel: Channel = "whatsapp"


class CodeSent(Resource):
    """A code is on its way, if the number is one of ours."""

    challenge_id: UUID
    channel: Channel
    destination: str
    expires_in: int
    resend_after: int

    @classmethod
    def of(cls, sent: otp.Sent) -> Self:
        """The answer for a code."""
        return cls(
            challenge_id=sent.challenge_id,
            channel=sent.channel,
            destination=sent.destination,
            expires_in=sent.expires_in,
            resend_after=sent.resend_after,
        )


class TokenAsked(Closed):
    """Body of POST /token."""

    challenge_id: UUID
    code: Annotated[str, Field(max_length=64)]
    device_name: Annotated[str, Field(max_length=100)] | None = None


class RefreshAsked(Closed):
    """Body of POST /refresh. Any text may come: what is not ours is 401."""

    refresh_token: str


class TokensGiven(Resource):
    """What a client holds of its session."""

    access_token: str
    refresh_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - RFC 6750
    expires_in: int = rules.ACCESS_TOKEN_S
    refresh_expires_in: int
    session_id: UUID
    user_id: UUID

    @classmethod
    def of(cls, tokens: Tokens) -> Self:
        """The answer for a session."""
        return cls(
            access_token=tokens.access_token,
            refresh_token=tokens.refresh_token,
            refresh_expires_in=tokens.refresh_expires_in,
            session_id=tokens.session_id,
            user_id=tokens.user_id,
        )


class SessionShown(Resource):
    """One signed-in device."""

    id: UUID
    device_name: str | None
    created_at: datetime
    last_used_at: datetime
    current: bool


class BlockAsked(Closed):
    """Body of PUT /blocked-users/{user_id}."""

    reason: Annotated[str, Field(min_length=1, max_length=500)]


class Jwks(BaseModel):
    """A JWK set (RFC 7517)."""

    keys: list[dict[str, str]]


class _RefreshRoute(JsonRoute):
    """A token with characters that no store can keep is not ours either: 401, not 422."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler of ``JsonRoute``, with that refusal told otherwise."""
        handle = super().get_route_handler()

        async def handler(request: Request) -> Response:
            try:
                return await handle(request)
            except HTTPException as error:
                cause = error.__cause__
                if isinstance(cause, Invalid) and all(
                    (one.field, one.code) == ("refresh_token", "unfit_text") for one in cause.errors
                ):
                    raise RefreshTokenInvalid from None
                raise

        return handler


def _tell_gateway(response: Response, change: AccessChanged | None) -> None:
    if change is not None:
        response.headers[ACCESS_ENDED] = change.model_dump_json()


def _never_kept(response: Response) -> None:
    response.headers["Cache-Control"] = "no-store"


@web.post("/otp", status_code=202, responses=refuses(OtpTooMany))
async def ask_for_code(auth: InAuth, body: OtpAsked, language: CallerLanguage, address: Address) -> CodeSent:
    """Send a code to a phone; the same answer whether or not the number is known."""
    recipient = Recipient(body.phone, "whatsapp", language)
    return CodeSent.of(await otp.request_code(auth, recipient, body.purpose, address=address))


@web.post("/login", status_code=202, responses=refuses(CredentialsInvalid, AccessBlocked, OtpTooMany))
async def log_in(auth: InAuth, body: LogInAsked, address: Address) -> CodeSent:
    """Check the password and send a code."""
    if (body.phone is None) == (body.email is None):
        raise invalid("phone", "phone_or_email", words_for("exactly_one", names="phone, email"))
    credentials = Credentials(phone=body.phone, email=body.email, password=body.password)
    return CodeSent.of(await login.log_in(auth, credentials, channel=body.channel, address=address))


@web.post("/token", responses=refuses(OtpInvalid, OtpAttemptsExceeded, AccessBlocked))
async def take_tokens(auth: InAuth, body: TokenAsked, response: Response) -> TokensGiven:
    """Open a session with the code of a log-in."""
    tokens = await sessions.sign_in(auth, body.challenge_id, code=body.code, device_name=body.device_name)
    _tell_gateway(response, tokens.change)
    _never_kept(response)
    return TokensGiven.of(tokens)


async def refresh(
    auth: InAuth,
    body: RefreshAsked,
    response: Response,
    idempotency_key: Annotated[str | None, Header(max_length=1000)] = None,
) -> TokensGiven:
    """Exchange a refresh token for the next; with the same ``Idempotency-Key`` safe to repeat for 60 s."""
    if idempotency_key is not None and not is_well_formed(idempotency_key):
        raise wrong_field("Idempotency-Key", "idempotency_key")
    tokens = await sessions.refresh(auth, body.refresh_token, idempotency_key=idempotency_key)
    _never_kept(response)
    return TokensGiven.of(tokens)


web.add_api_route(
    "/refresh",
    refresh,
    methods=["POST"],
    route_class_override=_RefreshRoute,
    responses=refuses(RefreshTokenInvalid, RefreshTokenReused, AccessBlocked),
)


@web.post("/logout", status_code=204)
async def log_out(auth: InAuth, caller: SignedIn, response: Response, *, _body: NoBody = None) -> None:
    """End the session of the token."""
    _tell_gateway(response, await sessions.log_out(auth, caller.user_id, caller.session_id))


@web.get("/sessions")
async def list_sessions(auth: InAuth, caller: SignedIn, page: Paged) -> Listed[SessionShown]:
    """The caller's devices, the latest first."""
    after = after_id(page)
    found = [
        SessionShown(
            id=session.id,
            device_name=session.device_name,
            created_at=session.created_at,
            last_used_at=session.last_used_at,
            current=session.id == caller.session_id,
        )
        for session in await sessions.sessions_of(auth, caller.user_id)
    ]
    if after is not None:
        found = [session for session in found if session.id < after]
    return page.of(found[: page.read], sort_values=lambda session: (session.id,))


@web.delete("/sessions/{session_id}", status_code=204)
async def end_session(
    auth: InAuth, caller: SignedIn, session_id: Annotated[UUID, Path()], response: Response
) -> None:
    """End one of the caller's sessions."""
    _tell_gateway(response, await sessions.end_session(auth, caller.user_id, session_id))


@web.delete("/sessions", status_code=204)
async def end_all_sessions(auth: InAuth, caller: SignedIn, response: Response) -> None:
    """End all the caller's sessions, this one included."""
    _tell_gateway(response, await sessions.end_all_sessions(auth, caller.user_id))


@web.get("/jwks.json")
async def jwks(auth: InAuth, response: Response) -> Jwks:
    """The public signing keys."""
    response.headers["Cache-Control"] = "public, max-age=300"
    return Jwks(keys=(await keys.signing_keys(auth)).keys)


@web.get("/blocked-users", responses=refuses(Forbidden))
async def list_blocked(auth: InAuth, _admin: Admin, page: Paged) -> Listed[BlockedUser]:
    """Everybody who is blocked (admins)."""
    after = after_id(page)
    found = await access.blocked_users(auth)
    if after is not None:
        found = [one for one in found if one.user_id > after]
    return page.of(found[: page.read], sort_values=lambda one: (one.user_id,))


@web.get("/blocked-users/{user_id}", responses=refuses(Forbidden))
async def show_blocked(auth: InAuth, _admin: Admin, user_id: Annotated[UUID, Path()]) -> BlockedUser:
    """One blocked person (admins)."""
    for one in await access.blocked_users(auth):
        if one.user_id == user_id:
            return one
    raise NotFound


@web.put("/blocked-users/{user_id}", status_code=204, responses=refuses(Forbidden))
async def block_user(
    auth: InAuth, admin: Admin, user_id: Annotated[UUID, Path()], *, body: BlockAsked, response: Response
) -> None:
    """Block a person: every session ends, and no new one begins (admins)."""
    _tell_gateway(response, await access.block(auth, user_id, reason=body.reason, by=admin.user_id))


@web.delete("/blocked-users/{user_id}", status_code=204, responses=refuses(Forbidden))
async def unblock_user(
    auth: InAuth, admin: Admin, user_id: Annotated[UUID, Path()], response: Response
) -> None:
    """Let a person sign in again (admins)."""
    _tell_gateway(response, await access.unblock(auth, user_id, by=admin.user_id))


@inside.get("/access", include_in_schema=False)
async def who_may_not_enter(auth: InAuth) -> Access:
    """Asked by a gateway that cannot hear auth; 503 while auth itself does not know."""
    return await access.snapshot(auth)
