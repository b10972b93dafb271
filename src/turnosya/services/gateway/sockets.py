"""The open sockets of those who came with a token, by session and by user."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from uuid import UUID

import structlog

from turnosya.runtime.identity import Caller
from turnosya.runtime.messages import ServiceError, Unavailable
from turnosya.services.gateway.exchange import Exchange

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """One open socket."""

    caller: Caller
    exchange: Exchange


class OpenSockets:
    """Ends a socket as soon as its caller's access has ended.

    Only by session, version and block: a new token of the same session, or an old one's end, is between
    the client and the service, which alone can renew in-band and warn before the end.
    """

    def __init__(self, refusal_of: Callable[[Caller], ServiceError | None]) -> None:
        self._refusal_of = refusal_of
        self._by_session: defaultdict[UUID, set[Held]] = defaultdict(set)
        self._by_user: defaultdict[UUID, set[Held]] = defaultdict(set)
        self._ending: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return sum(map(len, self._by_user.values()))

    def enter(self, caller: Caller, exchange: Exchange) -> Held:
        """Keeps a socket until ``leave``."""
        held = Held(caller, exchange)
        self._by_session[caller.session_id].add(held)
        self._by_user[caller.user_id].add(held)
        return held

    def leave(self, held: Held) -> None:
        """The socket has been closed, by whomever."""
        for index, key in ((self._by_session, held.caller.session_id), (self._by_user, held.caller.user_id)):
            index[key].discard(held)
            if not index[key]:
                del index[key]

    def look_at(self, *, sessions: Iterable[UUID], users: Iterable[UUID]) -> None:
        """Something was heard of these: ends those of their sockets that may not go on."""
        found = {held for session in sessions for held in self._by_session.get(session, ())}
        found |= {held for user in users for held in self._by_user.get(user, ())}
        self._judge(found)

    def look_at_all(self) -> None:
        """Much may have been missed."""
        self._judge([held for sockets in self._by_user.values() for held in sockets])

    def end_all(self) -> None:
        """What was missed can no longer be learnt; clients come again with a fresh token."""
        for sockets in self._by_user.values():
            for held in sockets:
                self._end(held, Unavailable())

    def _judge(self, sockets: Iterable[Held]) -> None:
        for held in sockets:
            refusal = self._refusal_of(held.caller)
            if refusal is not None:
                self._end(held, refusal)

    def _end(self, held: Held, refusal: ServiceError) -> None:
        log.info("socket_ended", session_id=held.caller.session_id, refusal=refusal.code)
        task = asyncio.get_running_loop().create_task(held.exchange.end_socket(refusal))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
