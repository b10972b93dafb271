"""A person as such: what chat holds about them, and forgetting it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

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

# What is exported has to fit into one answer.
_EXPORTED = 5000


async def held(chat: Chat, request: GetHeld) -> Held:
    """Somebody's conversations as a client, what they wrote and reported, the latest first."""
    async with chat.db.read() as tx:
        written = await people.written_by(tx, request.user_id, limit=_EXPORTED)
        opened = await people.conversations_of(tx, request.user_id)
        reported = await people.reported_by(tx, request.user_id)
    return Held(
        records={
            "conversations": [
                {"id": str(one["id"]), "business": one["name"], "created_at": one["created_at"].isoformat()}
                for one in opened
            ],
            "messages": [
                {
                    "conversation_id": str(one["conversation_id"]),
                    "text": one["text"],
                    "sent_at": one["sent_at"].isoformat(),
                }
                for one in written
            ],
            "reports": [
                {
                    "conversation_id": str(one["conversation_id"]),
                    "reason": one["reason"],
                    "created_at": one["created_at"].isoformat(),
                }
                for one in reported
            ],
        }
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
