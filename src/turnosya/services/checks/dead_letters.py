"""The dead letters of all services, asked of each: where they died is where they are kept."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from turnosya.runtime import dead_letters
from turnosya.runtime.clock import real_now
from turnosya.runtime.dead_letters import DeadLetter, Outcome, Reply, Wish
from turnosya.runtime.ids import new_id
from turnosya.runtime.messages import Conflict, NotFound, ServiceError, Unavailable
from turnosya.services.checks import rules
from turnosya.services.checks.context import Checks
from turnosya.services.checks.store import audit as store
from turnosya.services.checks.store.audit import Entry


@dataclass(frozen=True, slots=True)
class Found:
    """Dead letters, the latest first, and the services that could not be asked."""

    letters: list[DeadLetter]
    unanswered: list[str]


async def find(checks: Checks, *, before: tuple[datetime, UUID] | None, limit: int) -> Found:
    """A page of all of them together."""
    died_before, id_before = before or (None, None)
    replies = await _ask_all(checks, Wish(do="list", died_before=died_before, id=id_before, limit=limit))
    letters = [letter for reply in replies.values() if reply is not None for letter in reply.letters]
    letters.sort(key=lambda letter: (letter.died_at, letter.id), reverse=True)
    return Found(letters[:limit], [name for name, reply in replies.items() if reply is None])


async def replay(checks: Checks, letter_id: UUID, *, actor_id: UUID) -> None:
    """Lets its hearer try it again from the first attempt on.

    Raises ``NotFound``, and ``Conflict`` when it carried a secret, of which nothing was kept.
    """
    await _carry_out(checks, Wish(do="replay", id=letter_id))
    await _note(checks, "dead_letter_replayed", letter_id, actor_id)


async def drop(checks: Checks, letter_id: UUID, *, actor_id: UUID) -> None:
    """Throws it away. Raises ``NotFound``."""
    await _carry_out(checks, Wish(do="drop", id=letter_id))
    await _note(checks, "dead_letter_dropped", letter_id, actor_id)


async def _carry_out(checks: Checks, wish: Wish) -> None:
    replies = await _ask_all(checks, wish)
    outcomes = {reply.outcome for reply in replies.values() if reply is not None}
    if Outcome.DONE in outcomes:
        return
    if Outcome.NOTHING_KEPT in outcomes:
        raise Conflict
    # It may lie where nobody answers now.
    raise Unavailable if None in replies.values() else NotFound


async def _ask_all(checks: Checks, wish: Wish) -> dict[str, Reply | None]:
    async def of(name: str) -> Reply | None:
        try:
            return await dead_letters.ask(checks.bus, name, wish)
        except ServiceError:
            return None

    replies = await asyncio.gather(*(of(name) for name in rules.WATCHED))
    return dict(zip(rules.WATCHED, replies, strict=True))


async def _note(checks: Checks, kind: str, letter_id: UUID, actor_id: UUID) -> None:
    entry = Entry(
        id=new_id(),
        at=real_now(),
        service="checks",
        kind=kind,
        actor_id=actor_id,
        subject_id=None,
        session_id=None,
        reason=str(letter_id),
    )
    async with checks.db.transaction() as tx:
        await store.note(tx, entry)
