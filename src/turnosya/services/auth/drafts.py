"""Events as a script stores them: encoded here, completed there with what only the script knows."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from uuid import UUID

from turnosya.contracts.auth import (
    AccessChanged,
    CodeRequested,
    SecurityNoted,
    SessionsClosed,
    SessionsEnded,
    SignedIn,
)
from turnosya.services.auth.store import ACCESS_EVENTS, EVENTS

if TYPE_CHECKING:
    from turnosya.runtime.messages import Event
    from turnosya.services.auth.context import Auth
    from turnosya.services.auth.rules import EndedWhy

NOBODY = UUID(int=0)
"""Stands in a draft where the script alone knows whom it is about."""


def access_changed(auth: Auth, user_id: UUID = NOBODY) -> dict[str, Any]:
    """Gateways are told who may no longer come in."""
    return _draft(auth, AccessChanged(user_id=user_id, at=auth.now()), stream=ACCESS_EVENTS)


def sessions_ended(auth: Auth, reason: EndedWhy, user_id: UUID = NOBODY) -> dict[str, Any]:
    """The person is told that sessions ended for their safety."""
    event = SessionsEnded(user_id=user_id, session_ids=[NOBODY], reason=reason, at=auth.now())
    return _draft(auth, event, stream=EVENTS)


def sessions_closed(auth: Auth, user_id: UUID) -> dict[str, Any]:
    """The same in its place, where it was the person's own wish: only their devices are to be forgotten."""
    return _draft(auth, SessionsClosed(user_id=user_id, session_ids=[NOBODY]), stream=EVENTS)


def signed_in(auth: Auth, session_id: UUID, device_name: str | None) -> dict[str, Any]:
    """The person is told of a new device."""
    event = SignedIn(user_id=NOBODY, session_id=session_id, device_name=device_name, at=auth.now())
    return _draft(auth, event, stream=EVENTS)


def noted(auth: Auth) -> dict[str, Any]:
    """What the audit is told; the script says what it is."""
    return _draft(auth, SecurityNoted(kind="", at=auth.now()), stream=EVENTS)


def code_requested(auth: Auth, event: CodeRequested) -> dict[str, Any]:
    """Notification finds out whom a code is for; undelivered, the event ends with the code."""
    until = str(int(event.expires_at.timestamp() * 1000))
    return {**_draft(auth, event, stream=EVENTS), "until": until}


def _draft(auth: Auth, event: Event, *, stream: str) -> dict[str, Any]:
    envelope = auth.bus.encode(event)
    body: dict[str, Any] = json.loads(envelope.body)
    # Lua's JSON cannot tell an empty list from an empty object; lists that may be empty have a default.
    kept = {name: value for name, value in body.items() if value != []}
    return {"stream": stream, "name": envelope.wire_name, "headers": dict(envelope.headers), "body": kept}
