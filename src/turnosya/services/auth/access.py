"""Who may come in: blocking, roles, what gateways are told, and filling a store that came back empty."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID

import structlog
from pydantic import BaseModel

from turnosya.contracts.auth import Access, AccessChanged, AccessHeartbeat, EndSessions, GetAccess, SetRoles
from turnosya.contracts.users import GetBlocked, KeepBlocked
from turnosya.runtime.bus import Undelivered
from turnosya.runtime.ids import new_id
from turnosya.runtime.messages import Unavailable
from turnosya.services.auth import drafts
from turnosya.services.auth.store import ACCESS_EVENTS, BLOCKED, LOADED, Given, M, NotLoaded

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from turnosya.services.auth.context import Auth

log = structlog.get_logger()
T = TypeVar("T")

# Older than this in the stream means that gateways have not been told: the heartbeat must not say
# that all is well (they close after five).
_UNTOLD_MS = 2000


class Ended(BaseModel):
    """What a script says of the access it ended."""

    outcome: str
    user_id: UUID
    ended_session_ids: list[UUID] = []
    version: int | None = None
    blocked: bool | None = None
    at: datetime

    def change(self) -> AccessChanged:
        """What gateways must know at once."""
        return AccessChanged(
            user_id=self.user_id,
            ended_session_ids=self.ended_session_ids,
            version=self.version,
            blocked=self.blocked,
            at=self.at,
        )


class _Outcome(BaseModel):
    outcome: str


class _Snapshot(BaseModel):
    at: datetime
    blocked: list[UUID] = []
    versions: list[tuple[UUID, int]] = []
    ended: list[UUID] = []


class _Blocked(BaseModel):
    reason: str
    blocked_at: datetime


class BlockedUser(_Blocked):
    """One blocked person."""

    user_id: UUID


async def decide(auth: Auth, script: str, given: Given, kind: type[M]) -> M:
    """Runs a script that must know who is blocked; fills an empty store first, or ``Unavailable``."""
    return await once_loaded(auth, lambda: auth.store.run(script, given, kind))


async def once_loaded(auth: Auth, work: Callable[[], Awaitable[T]]) -> T:
    """What ``work`` gives on a store that is filled; fills an empty one first, or ``Unavailable``."""
    try:
        return await work()
    except NotLoaded:
        await load(auth)
    try:
        return await work()
    except NotLoaded:
        raise Unavailable from None


async def load(auth: Auth) -> None:
    """Fills an empty store with what users has kept. Raises ``Unavailable`` while users is away."""
    async with auth.loading:
        if await auth.store.text(LOADED) is not None:
            return
        kept = await auth.bus.call(GetBlocked())
        blocked = {
            str(one.user_id): _Blocked.model_validate(one, from_attributes=True).model_dump_json()
            for one in kept.items
        }
        version = auth.store.now_ms() // 1000
        await auth.store.run("load", {"blocked": blocked, "version": version}, _Outcome)
        log.info("access_loaded", blocked=len(blocked))


# --- blocking and roles ---


async def block(auth: Auth, user_id: UUID, *, reason: str, by: UUID) -> AccessChanged:
    """Ends all access of a user until unblocked. ``NotFound`` when there is no such person."""
    await auth.bus.call(KeepBlocked(user_id=user_id, blocked=True, reason=reason, by=by, key=str(new_id())))
    kept = _Blocked(reason=reason, blocked_at=auth.now()).model_dump_json()
    given = {
        "user": str(user_id),
        "blocked": True,
        "reason": kept,
        "access_changed": drafts.access_changed(auth, user_id),
        "sessions_ended": drafts.sessions_ended(auth, "blocked", user_id),
    }
    return (await decide(auth, "block", given, Ended)).change()


async def unblock(auth: Auth, user_id: UUID, *, by: UUID) -> AccessChanged:
    """Lets a user sign in again; ended sessions stay ended."""
    await auth.bus.call(KeepBlocked(user_id=user_id, blocked=False, by=by, key=str(new_id())))
    given = {
        "user": str(user_id),
        "blocked": False,
        "access_changed": drafts.access_changed(auth, user_id),
    }
    return (await decide(auth, "block", given, Ended)).change()


async def blocked_users(auth: Auth) -> list[BlockedUser]:
    """Everybody who is blocked, by id."""
    if await auth.store.text(LOADED) is None:
        await load(auth)
    [found] = await auth.store.members(BLOCKED)
    return [
        BlockedUser(user_id=UUID(user_id), **_Blocked.model_validate_json(kept).model_dump())
        for user_id, kept in sorted(found.items())
    ]


async def end_sessions(auth: Auth, request: EndSessions) -> AccessChanged:
    """Ends a user's sessions for users: password or number changed, account erased."""
    given = {
        "user": str(request.user_id),
        "keep": None if request.keep_session_id is None else str(request.keep_session_id),
        "why": request.reason,
        "key": f"end:{request.key}",
        "access_changed": drafts.access_changed(auth, request.user_id),
        "sessions_ended": drafts.sessions_ended(auth, request.reason, request.user_id),
    }
    return (await decide(auth, "end_sessions", given, Ended)).change()


async def set_roles(auth: Auth, request: SetRoles) -> AccessChanged:
    """Later tokens carry these roles; present ones end, sessions go on."""
    given = {
        "user": str(request.user_id),
        "roles": json.dumps(request.roles),
        "key": f"roles:{request.key}",
        "access_changed": drafts.access_changed(auth, request.user_id),
    }
    return (await decide(auth, "set_roles", given, Ended)).change()


# --- what gateways ask and are told ---


async def snapshot(auth: Auth, _request: GetAccess | None = None) -> Access:
    """What a gateway starts with, and asks for with every request while it cannot hear auth."""
    found = await decide(auth, "snapshot", {}, _Snapshot)
    return Access(
        blocked_user_ids=found.blocked,
        versions=dict(found.versions),
        ended_session_ids=found.ended,
        at=found.at,
    )


async def heartbeats(auth: Auth) -> None:
    """Says once a second that auth is there, its store filled, and its news told; else keeps silent."""
    while True:
        try:
            await load(auth)
            if await _news_are_told(auth):
                await auth.bus.publish_every_copy(AccessHeartbeat(at=auth.now()))
        except (Unavailable, Undelivered, ConnectionError) as error:
            log.warning("heartbeat_missed", why=type(error).__name__)
        except Exception:
            log.exception("heartbeat_failed")
        await asyncio.sleep(auth.settings.access_heartbeat_s)


async def _news_are_told(auth: Auth) -> bool:
    waiting = await auth.store.stored_events(ACCESS_EVENTS, 1)
    return not waiting or int(waiting[0][0].partition("-")[0]) > auth.store.now_ms() - _UNTOLD_MS


async def ready(auth: Auth) -> bool:
    """Whether the store is there. That users is away at the start does not keep auth from codes."""
    try:
        await auth.store.text(LOADED)
    except Unavailable:
        return False
    return True
