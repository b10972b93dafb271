"""A person as such: what chat holds about them, and forgetting it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING
from uuid import UUID

from turnosya.contracts.chat import GetHeld, PersonForgotten
from turnosya.contracts.users import Held, PersonChanged, PersonErased
from turnosya.services.chat.store import people

if TYPE_CHECKING:
    from turnosya.services.chat.context import Chat

HOLDS: Mapping[str, str] = {
    "conversations": "exported; the name is taken off, the id stays and names nobody",
    "messages": "exported; what they wrote is deleted, its number stays",
    "marks": "how far they have read; deleted",
    "waiting": "what they were to be told of; deleted",
    "blocks": "deleted",
    "reports": "exported; deleted",
    "shops": "who writes for a business: follows what business says",
}
"""Every table with a column that names a person, and what becomes of it."""

# Of 4,000 characters, each of them of four bytes: what the broker still carries in one answer.
_EXPORTED = 500


async def held(chat: Chat, request: GetHeld) -> Held:
    """What somebody wrote, the latest first, in parts; with the first what they opened and reported."""
    user_id, after = request.user_id, None if request.after is None else UUID(request.after)
    async with chat.db.read() as tx:
        written = await people.written_by(tx, user_id, after=after, limit=_EXPORTED)
        opened = await people.conversations_of(tx, user_id) if after is None else ()
        reported = await people.reported_by(tx, user_id) if after is None else ()
    messages = [
        {
            "conversation_id": str(one["conversation_id"]),
            "text": one["text"],
            "sent_at": one["sent_at"].isoformat(),
        }
        for one in written
    ]
    conversations = [
        {"id": str(one["id"]), "business": one["name"], "created_at": one["created_at"].isoformat()}
        for one in opened
    ]
    reports = [
        {
            "conversation_id": str(one["conversation_id"]),
            "reason": one["reason"],
            "created_at": one["created_at"].isoformat(),
        }
        for one in reported
    ]
    return Held(
        records={"conversations": conversations, "messages": messages, "reports": reports},
        more_after=str(written[-1]["id"]) if len(written) == _EXPORTED else None,
    )


async def rename(chat: Chat, event: PersonChanged) -> None:
    """Businesses see a client under their present name."""
    async with chat.db.transaction() as tx:
        await people.rename(tx, event.person.id, event.person.name)


async def forget(chat: Chat, event: PersonErased) -> None:
    """Deletes what an erased person wrote, and their name."""
    async with chat.db.transaction() as tx:
        await people.forget(tx, event.user_id)
        await tx.publish(PersonForgotten(user_id=event.user_id, key=event.key))
