"""Who may no longer come in although their token has not expired, as this gateway has heard it."""

from collections import deque
from collections.abc import Awaitable, Callable
from datetime import datetime
from time import monotonic
from uuid import UUID

import structlog

from turnosya.contracts.auth import Access, AccessChanged
from turnosya.runtime.identity import ACCESS_TOKEN_S, LEEWAY_S, Caller, TokenRevoked
from turnosya.runtime.messages import ServiceError
from turnosya.services.gateway.problems import AccessBlocked
from turnosya.services.gateway.sockets import OpenSockets

log = structlog.get_logger()

# A token that was good when its session ended has expired after this; then nobody needs to remember.
REMEMBERED_S = ACCESS_TOKEN_S + LEEWAY_S
# Changes that arrive while a snapshot is on its way are newer than it.
RECENT_CHANGES = 1000


class _Fading:
    """What was put in during the last ``REMEMBERED_S``, oldest first."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._since: dict[UUID, tuple[float, int]] = {}

    def put(self, key: UUID, value: int = 0) -> None:
        value = max(value, self.get(key) or 0)
        self._since.pop(key, None)
        self._since[key] = (self._now(), value)

    def get(self, key: UUID) -> int | None:
        found = self._since.get(key)
        return None if found is None else found[1]

    def fade(self) -> None:
        until = self._now() - REMEMBERED_S
        while self._since:
            oldest = next(iter(self._since))
            if self._since[oldest][0] > until:
                return
            del self._since[oldest]

    def __len__(self) -> int:
        return len(self._since)


class AccessList:
    """Ended sessions, raised versions and blocked users, small and in memory.

    It is trusted only while auth has been heard in the last ``deaf_after_s`` and a snapshot was taken
    since it last fell silent; otherwise ``ask`` fetches auth's own list for every request. Without
    an answer nobody with a token comes in: closed, not open.
    """

    def __init__(
        self,
        ask: Callable[[], Awaitable[Access]],
        *,
        deaf_after_s: float = 5.0,
        now: Callable[[], float] = monotonic,
    ) -> None:
        self._ask = ask
        self._deaf_after_s = deaf_after_s
        self._now = now
        self._heard_at = float("-inf")
        self._sessions = _Fading(now)
        self._versions = _Fading(now)
        self._blocked: set[UUID] = set()
        self._changes: deque[AccessChanged] = deque(maxlen=RECENT_CHANGES)
        self._snapshot_at: datetime | None = None
        self.sockets = OpenSockets(self.refusal_of)
        self.silences = 0
        self.wants_snapshot = True
        self.was_loaded = False

    @property
    def is_current(self) -> bool:
        """Whether it may be trusted without asking."""
        return not self.wants_snapshot and self._now() - self._heard_at < self._deaf_after_s

    async def check(self, caller: Caller) -> None:
        """Raises AccessBlocked or TokenRevoked; Unavailable if it must ask and cannot."""
        if not self.is_current:
            self.take(await self._ask())
        refusal = self.refusal_of(caller)
        if refusal is not None:
            raise refusal

    def refusal_of(self, caller: Caller) -> ServiceError | None:
        """Why somebody may not come in, or stay, by what is known here."""
        if caller.user_id in self._blocked:
            return AccessBlocked()
        if self._sessions.get(caller.session_id) is not None:
            return TokenRevoked()
        lowest = self._versions.get(caller.user_id)
        return TokenRevoked() if lowest is not None and caller.uv < lowest else None

    def hear(self) -> None:
        """Auth was heard. After a silence what was missed must be fetched before anything is trusted."""
        now = self._now()
        if now - self._heard_at >= self._deaf_after_s:
            self.silences += 1
            self.wants_snapshot = True
        if now - self._heard_at >= ACCESS_TOKEN_S:
            # Auth's own list goes no further back, and a socket may be older than that.
            self.sockets.end_all()
        self._heard_at = now
        self._sessions.fade()
        self._versions.fade()

    def change(self, change: AccessChanged) -> None:
        """Takes effect at once."""
        self._changes.append(change)
        self._apply(change)
        self.sockets.look_at(sessions=change.ended_session_ids, users=[change.user_id])

    def _apply(self, change: AccessChanged) -> None:
        for session_id in change.ended_session_ids:
            self._sessions.put(session_id)
        if change.version is not None:
            self._versions.put(change.user_id, change.version)
        if change.blocked is not None:
            (self._blocked.add if change.blocked else self._blocked.discard)(change.user_id)

    def take(self, snapshot: Access) -> None:
        """Replaces the blocked users and adds the rest, then repeats what is newer than the snapshot.

        Of two that were asked for at once the older may come last; it is passed over.
        """
        if self._snapshot_at is not None and snapshot.at < self._snapshot_at:
            return
        self._snapshot_at = snapshot.at
        self._blocked = set(snapshot.blocked_user_ids)
        for session_id in snapshot.ended_session_ids:
            self._sessions.put(session_id)
        for user_id, version in snapshot.versions.items():
            self._versions.put(user_id, version)
        for change in self._changes:
            if change.at >= snapshot.at:
                self._apply(change)
        self.sockets.look_at_all()

    def trust(self, snapshot: Access, *, silences: int) -> None:
        """Takes a snapshot that was asked for when auth had fallen silent ``silences`` times.

        If it has fallen silent once more since, another one is needed.
        """
        self.take(snapshot)
        self.wants_snapshot = silences != self.silences
        self.was_loaded = True
        log.info("access_list_loaded", blocked=len(self._blocked), ended_sessions=len(self._sessions))
