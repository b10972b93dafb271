"""The sockets that are open here, by person, and what of each conversation has been shown on them."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, defaultdict
from collections.abc import Awaitable, Callable, Generator, Iterable
from contextlib import contextmanager
from typing import Protocol
from uuid import UUID

from turnosya.runtime.identity import Caller
from turnosya.runtime.messages import ServiceError
from turnosya.runtime.problems import Language

_REMEMBERED = 100_000


class Packed(Protocol):
    """Something to be said, as it goes over the wire."""

    data: object


class Connection(Protocol):
    """One socket of somebody who has said who they are."""

    language: Language

    @property
    def who(self) -> UUID | None:
        """Whose it is; None before they have said so."""
        ...

    @property
    def caller(self) -> Caller:
        """The same with what their token says."""
        ...

    async def hand(self, said: Packed) -> bool:
        """Hands it an event; whether it took it."""
        ...

    async def end(self, refusal: ServiceError | None) -> None:
        """Says why and closes it."""
        ...


class Live:
    """Who is here. Knows nothing of what is shown to them but its numbers."""

    def __init__(self) -> None:
        self._by_user: defaultdict[UUID, set[Connection]] = defaultdict(set)
        # Version and last number of a conversation as they were last shown here.
        self._shown: OrderedDict[UUID, tuple[int, int]] = OrderedDict()
        self._locks: dict[UUID, tuple[asyncio.Lock, int]] = {}
        # For each who looks what is there: the conversations of those who have come in since.
        self._looks: dict[object, set[UUID]] = {}
        self.close_after: Callable[[], Awaitable[None]] | None = None
        """Ends what carries the sockets, once all of them have been closed."""
        self.reached: dict[tuple[UUID, UUID], int] = {}
        """How far messages have reached members since this was last stored."""

    def __len__(self) -> int:
        return sum(map(len, self._by_user.values()))

    def enter(self, connection: Connection) -> None:
        """Somebody has come."""
        self._by_user[connection.caller.user_id].add(connection)

    def leave(self, connection: Connection) -> None:
        """And gone."""
        user_id = connection.who
        if user_id is None:
            return
        self._by_user[user_id].discard(connection)
        if not self._by_user[user_id]:
            del self._by_user[user_id]

    def users(self) -> list[UUID]:
        """Everybody who is here."""
        return list(self._by_user)

    def of(self, user_ids: Iterable[UUID]) -> list[Connection]:
        """The sockets of these."""
        return [one for user_id in user_ids for one in self._by_user.get(user_id, ())]

    def all(self) -> list[Connection]:
        """Every socket."""
        return [one for sockets in self._by_user.values() for one in sockets]

    def shown(self, conversation_id: UUID) -> tuple[int, int] | None:
        """What was shown of a conversation: its version and last number; None if nothing ever was."""
        return self._shown.get(conversation_id)

    @contextmanager
    def looking(self) -> Generator[set[UUID]]:
        """While somebody who comes looks what is there: what others who came in meanwhile watch.

        A slow look sees messages that were stored after one of them came in, and that they wait for.
        """
        look, theirs = object(), set[UUID]()
        self._looks[look] = theirs
        try:
            yield theirs
        finally:
            del self._looks[look]

    def begin(self, conversation_id: UUID, version: int, seq: int, *, is_watched: bool) -> None:
        """What came before this was there when somebody came, and is fetched by them.

        While somebody else is here who watches it, they are still to be shown what comes before it. Else what
        came while nobody was here would be shown to who has come: thousands of messages at once.
        """
        for theirs in self._looks.values():
            theirs.add(conversation_id)
        if not is_watched or conversation_id not in self._shown:
            known = self._shown.get(conversation_id, (version, seq))
            self.has_shown(conversation_id, *max(known, (version, seq)))

    def has_shown(self, conversation_id: UUID, version: int, seq: int) -> None:
        """Everything up to there has been handed to whoever was here."""
        self._shown[conversation_id] = (version, seq)
        self._shown.move_to_end(conversation_id)
        while len(self._shown) > _REMEMBERED:
            self._shown.popitem(last=False)

    def has_reached(self, conversation_id: UUID, user_id: UUID, seq: int) -> None:
        """A socket of a member was handed everything up to there; stored with the next ones."""
        key = (conversation_id, user_id)
        self.reached[key] = max(self.reached.get(key, 0), seq)

    def is_to_be_shown(self, conversation_id: UUID) -> bool:
        """Whether a task waits to show it beside the one that does: it will show what there is by then."""
        return self._locks.get(conversation_id, (None, 0))[1] > 1

    def one_at_a_time(self, conversation_id: UUID) -> OneAtATime:
        """A conversation is shown by one task, so that its messages keep their order."""
        return OneAtATime(self._locks, conversation_id)

    async def close(self) -> None:
        """Closes every socket; clients come again, to another copy."""
        await asyncio.gather(*(one.end(None) for one in self.all()), return_exceptions=True)
        if self.close_after is not None:
            await self.close_after()


class OneAtATime:
    """A lock for each conversation, gone when nobody waits for it."""

    def __init__(self, locks: dict[UUID, tuple[asyncio.Lock, int]], key: UUID) -> None:
        self._locks = locks
        self._key = key

    async def __aenter__(self) -> None:
        lock, waiting = self._locks.get(self._key, (asyncio.Lock(), 0))
        self._locks[self._key] = (lock, waiting + 1)
        await lock.acquire()

    async def __aexit__(self, *_: object) -> None:
        lock, waiting = self._locks[self._key]
        lock.release()
        if waiting == 1:
            del self._locks[self._key]
        else:
            self._locks[self._key] = (lock, waiting - 1)
