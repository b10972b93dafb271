"""The link in the message about a new device: whoever did not sign in ends what somebody else began."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from turnosya.contracts.auth import NOT_ME, AccessChanged
from turnosya.runtime.links import LinkNotValid
from turnosya.services.auth import drafts
from turnosya.services.auth.access import decide
from turnosya.services.auth.sessions import EndedOne

if TYPE_CHECKING:
    from turnosya.services.auth.context import Auth


@dataclass(frozen=True, slots=True)
class Doubted:
    """The session that somebody says is not theirs."""

    user_id: UUID
    session_id: UUID


def doubted(auth: Auth, token: str) -> Doubted:
    """What the link is about. Raises LinkNotValid."""
    user_id, _, session_id = auth.links.subject_of(NOT_ME, token, now=auth.now()).partition("_")
    try:
        return Doubted(UUID(user_id), UUID(session_id))
    except ValueError:
        raise LinkNotValid from None


async def end_all(auth: Auth, one: Doubted) -> AccessChanged | None:
    """Ends every session of the user, if that one lives; None, and nothing happens, once it is over."""
    given = {
        "user": str(one.user_id),
        "session": str(one.session_id),
        "access_changed": drafts.access_changed(auth, one.user_id),
        "sessions_ended": drafts.sessions_closed(auth, one.user_id),
        "noted": drafts.noted(auth),
    }
    return (await decide(auth, "not_me", given, EndedOne)).change
