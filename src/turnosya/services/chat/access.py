"""Whether somebody whose token is good may be on a socket: their session may have ended meanwhile."""

from __future__ import annotations

import asyncio
from time import monotonic

from turnosya.contracts import auth
from turnosya.contracts.users import AccessBlocked
from turnosya.runtime.bus import Bus
from turnosya.runtime.identity import Caller, TokenRevoked
from turnosya.runtime.messages import ServiceError

# A list is as good for everybody who comes in the same second; what ends meanwhile is heard.
_FRESH_S = 1.0


class Access:
    """Auth's list of who may no longer come in, asked for anew when it is older than a second."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._list: auth.Access | None = None
        self._asked_at = float("-inf")
        self._asking = asyncio.Lock()
        self._heard = 0

    async def check(self, caller: Caller) -> None:
        """Raises AccessBlocked or TokenRevoked; Unavailable when auth does not answer: closed, not open."""
        async with self._asking:
            listed = await self._fresh()
        refusal = _refusal(caller, listed)
        if refusal is not None:
            raise refusal

    async def _fresh(self) -> auth.Access:
        while True:
            began, heard = monotonic(), self._heard
            if self._list is not None and began - self._asked_at <= _FRESH_S:
                return self._list
            listed = await self._bus.call(auth.GetAccess())
            # What changed meanwhile may not be in it, and whoever comes now is not yet among the sockets.
            if heard == self._heard:
                self._list, self._asked_at = listed, began
                return listed

    def forget(self) -> None:
        """Something has changed: the next who comes is checked against a new list."""
        self._list = None
        self._heard += 1


def _refusal(caller: Caller, listed: auth.Access) -> ServiceError | None:
    if caller.user_id in listed.blocked_user_ids:
        return AccessBlocked()
    lowest = listed.versions.get(caller.user_id)
    ended = caller.session_id in listed.ended_session_ids or (lowest is not None and caller.uv < lowest)
    return TokenRevoked() if ended else None


def is_ended_by(caller: Caller, change: auth.AccessChanged) -> ServiceError | None:
    """Why somebody may not stay, if this has ended their access."""
    if change.user_id != caller.user_id and caller.session_id not in change.ended_session_ids:
        return None
    if change.blocked:
        return AccessBlocked()
    ended = caller.session_id in change.ended_session_ids
    outdated = change.version is not None and caller.uv < change.version
    return TokenRevoked() if ended or outdated else None
