"""Sessions: opened by a code, carried on by refresh tokens, seen and ended by their owner."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import UUID

from pydantic import BaseModel

from turnosya.contracts.auth import AccessChanged, GetHeld, OtpInvalid
from turnosya.contracts.users import AccessBlocked, Held
from turnosya.runtime import identity
from turnosya.runtime.http import ACCESS_ENDED
from turnosya.runtime.ids import new_id
from turnosya.runtime.messages import Kind, NotFound, Say, ServiceError
from turnosya.services.auth import drafts, keys, metrics, rules
from turnosya.services.auth.access import Ended, decide
from turnosya.services.auth.otp import refuse_unless_good

if TYPE_CHECKING:
    from turnosya.services.auth.context import Auth

REFRESH_TOKEN_S = 30 * 86_400


class RefreshTokenInvalid(ServiceError):
    """Not a refresh token of ours, or its session is over."""

    kind = Kind.UNAUTHENTICATED
    says = Say(
        "La sesión terminó. Iniciá sesión de nuevo.",
        "The session is over. Sign in again.",
        "A sessão terminou. Entre novamente.",
    )


class RefreshTokenReused(ServiceError):
    """An older token of a live session came again: all sessions of its user have ended."""

    kind = Kind.UNAUTHENTICATED
    says = Say(
        "Por seguridad cerramos todas tus sesiones. Iniciá sesión de nuevo.",
        "For your safety all your sessions were ended. Sign in again.",
        "Por segurança encerramos todas as suas sessões. Entre novamente.",
    )

    def __init__(self, change: AccessChanged | None = None) -> None:
        super().__init__()
        self.answer_headers: dict[str, str] = {}
        if change is not None:
            self.answer_headers[ACCESS_ENDED] = change.model_dump_json()


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a client holds of a session."""

    access_token: str
    refresh_token: str
    refresh_expires_in: int
    session_id: UUID
    user_id: UUID
    change: AccessChanged | None = None
    """Set when opening this session ended an older one."""


@dataclass(frozen=True, slots=True)
class Session:
    """One signed-in device."""

    id: UUID
    device_name: str | None
    created_at: datetime
    last_used_at: datetime


class _Holder(BaseModel):
    outcome: str
    user_id: UUID
    session_id: UUID
    version: int
    roles: str
    generation: int = 1
    expires_in_ms: float = REFRESH_TOKEN_S * 1000


class EndedOne(BaseModel):
    """What a script says of access that it ended, or not."""

    outcome: str
    user_id: UUID | None = None
    ended_session_ids: list[UUID] = []
    version: int | None = None
    at: datetime | None = None

    @property
    def change(self) -> AccessChanged | None:
        """What gateways must know at once; None if nothing ended."""
        if self.outcome != "ended":
            return None
        return Ended.model_validate(self.model_dump()).change()


class _SignedIn(BaseModel):
    outcome: str
    user_id: UUID = drafts.NOBODY
    version: int = 0
    roles: str = "[]"
    ended_session_ids: list[UUID] = []
    at: datetime | None = None


class _Rotated(BaseModel):
    """The union of what ``rotate`` answers; which members are there depends on the outcome."""

    outcome: str
    user_id: UUID = drafts.NOBODY
    session_id: UUID = drafts.NOBODY
    generation: int = 0
    version: int = 0
    roles: str = "[]"
    expires_in_ms: float = 0
    ended_session_ids: list[UUID] = []
    at: datetime | None = None
    age_ms: float = 0
    distance: int = 0


async def sign_in(auth: Auth, challenge_id: UUID, *, code: str, device_name: str | None) -> Tokens:
    """Opens a session with the code of a log-in challenge; the oldest beyond ten ends.

    Raises OtpInvalid, OtpAttemptsExceeded, AccessBlocked.
    """
    subject = await auth.store.member(f"auth:challenge:{challenge_id}", "subject")
    if subject is None:
        raise OtpInvalid
    family, session_id = os.urandom(16).hex(), new_id()
    given = {
        "id": str(challenge_id),
        "digest": rules.code_digest(
            auth.pepper, challenge_id=str(challenge_id), subject=subject, purpose="login", code=code
        ),
        "family": family,
        "session": str(session_id),
        "device": json.dumps(device_name),
        "signed_in": drafts.signed_in(auth, session_id, device_name),
        "access_changed": drafts.access_changed(auth),
        "sessions_ended": drafts.sessions_ended(auth, "too_many"),
        "noted": drafts.noted(auth),
    }
    found = await decide(auth, "sign_in", given, _SignedIn)
    metrics.codes_tried.labels("login", found.outcome).inc()
    refuse_unless_good(found.outcome)
    if found.outcome == "blocked":
        raise AccessBlocked
    holder = _Holder(session_id=session_id, **found.model_dump(exclude={"ended_session_ids", "at"}))
    change = Ended.model_validate(found.model_dump()).change() if found.ended_session_ids else None
    return await _tokens(auth, family, holder, change)


async def refresh(auth: Auth, refresh_token: str, *, idempotency_key: str | None) -> Tokens:
    """The next tokens of a session.

    Raises RefreshTokenInvalid, AccessBlocked, or RefreshTokenReused, by which all sessions have ended.
    """
    read = rules.read_refresh_token(auth.mac_key, refresh_token)
    if read is None:
        metrics.refreshes.labels("forged").inc()
        raise RefreshTokenInvalid
    family, generation = read
    given = {
        "family": family,
        "generation": generation,
        "retry": rules.retry_digest(idempotency_key),
        "access_changed": drafts.access_changed(auth),
        "sessions_ended": drafts.sessions_ended(auth, "reused"),
        "noted": drafts.noted(auth),
    }
    found = await decide(auth, "rotate", given, _Rotated)
    metrics.refreshes.labels(found.outcome).inc()
    if found.outcome in {"rotated", "replayed"}:
        return await _tokens(auth, family, _Holder.model_validate(found.model_dump()), None)
    if found.outcome == "blocked":
        raise AccessBlocked
    if found.outcome != "reused":
        raise RefreshTokenInvalid
    metrics.reuse_age.observe(found.age_ms / 1000)
    metrics.reuse_distance.observe(found.distance)
    raise RefreshTokenReused(Ended.model_validate(found.model_dump()).change())


async def _tokens(auth: Auth, family: str, holder: _Holder, change: AccessChanged | None) -> Tokens:
    now = auth.store.now_ms() // 1000
    claims = {
        "iss": identity.ISSUER,
        "aud": identity.AUDIENCE,
        "sub": str(holder.user_id),
        "sid": str(holder.session_id),
        "jti": str(new_id()),
        "uv": holder.version,
        "roles": json.loads(holder.roles),
        "iat": now,
        "nbf": now,
        "exp": now + identity.ACCESS_TOKEN_S,
    }
    return Tokens(
        access_token=await keys.sign(auth, claims),
        refresh_token=rules.refresh_token(auth.mac_key, family, holder.generation),
        refresh_expires_in=int(holder.expires_in_ms // 1000),
        session_id=holder.session_id,
        user_id=holder.user_id,
        change=change,
    )


async def sessions_of(auth: Auth, user_id: UUID) -> list[Session]:
    """A user's live sessions, the latest first."""
    [families] = await auth.store.members(f"auth:sessions:{user_id}")
    if not families:
        return []
    found = await auth.store.members(*(f"auth:family:{family}" for family in families.values()))
    now = auth.store.now_ms()
    live = [
        _session(family) for family in found if family.get("status") == "active" and _expires_ms(family) > now
    ]
    return sorted(live, key=lambda session: session.id, reverse=True)


async def held(auth: Auth, request: GetHeld) -> Held:
    """The sessions of a person, for whoever wants to know all that is held about them."""
    found = await sessions_of(auth, request.user_id)
    sessions = [
        {
            "id": str(one.id),
            "device_name": one.device_name,
            "created_at": one.created_at.isoformat(),
            "last_used_at": one.last_used_at.isoformat(),
        }
        for one in found
    ]
    return Held(records={"sessions": sessions})


def _expires_ms(family: dict[str, str]) -> int:
    return min(int(family["expires_at"]), int(family["rotated_at"]) + REFRESH_TOKEN_S * 1000)


def _session(family: dict[str, str]) -> Session:
    return Session(
        id=UUID(family["session"]),
        device_name=json.loads(family["device"]),
        created_at=datetime.fromtimestamp(int(family["created_at"]) / 1000, UTC),
        last_used_at=datetime.fromtimestamp(int(family["rotated_at"]) / 1000, UTC),
    )


async def end_session(auth: Auth, user_id: UUID, session_id: UUID) -> AccessChanged:
    """Ends one session of its own user; ``NotFound`` if it is not a live one of theirs."""
    found = await decide(auth, "end_session", _ending(auth, user_id, session_id), EndedOne)
    if found.change is None:
        raise NotFound
    return found.change


async def log_out(auth: Auth, user_id: UUID, session_id: UUID) -> AccessChanged:
    """Ends the session that an access token proves, even one that auth no longer knows."""
    given = {**_ending(auth, user_id, session_id), "own": True}
    return (await decide(auth, "end_session", given, Ended)).change()


def _ending(auth: Auth, user_id: UUID, session_id: UUID) -> dict[str, object]:
    return {
        "user": str(user_id),
        "session": str(session_id),
        "why": "by_owner",
        "access_changed": drafts.access_changed(auth, user_id),
        "sessions_ended": drafts.sessions_closed(auth, user_id),
    }


async def end_all_sessions(auth: Auth, user_id: UUID) -> AccessChanged:
    """Ends every session of a user at their own wish, the one that asks included."""
    given = {
        "user": str(user_id),
        "why": "by_owner",
        "access_changed": drafts.access_changed(auth, user_id),
        "sessions_ended": drafts.sessions_closed(auth, user_id),
    }
    return (await decide(auth, "end_sessions", given, Ended)).change()
