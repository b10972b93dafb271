"""Who is not there is told by notification, once for each conversation until they have read it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from uuid import UUID

import structlog

from turnosya.contracts.chat import DropOld, MessageWaiting
from turnosya.runtime.messages import Nothing, Unavailable
from turnosya.services.chat import attached
from turnosya.services.chat.store import lists, messages, people

if TYPE_CHECKING:
    from turnosya.runtime.database import Transaction
    from turnosya.services.chat.context import Chat

log = structlog.get_logger()

_AT_ONCE = 100
_LOOK_S = 1.0


async def tell_forever(chat: Chat) -> None:
    """Looks every second for whom nothing has reached."""
    while True:
        try:
            while await tell_due(chat) == _AT_ONCE:
                pass
        except Unavailable:
            log.info("chat_telling_put_off")
        await asyncio.sleep(_LOOK_S)


async def tell_due(chat: Chat) -> int:
    """Tells those who are due; how many were looked at."""
    async with chat.db.transaction() as tx:
        due = await lists.due(tx, limit=_AT_ONCE)
        for one in due:
            if one["has_arrived"]:
                await lists.wait_no_more(tx, one["conversation_id"], one["user_id"])
            else:
                await lists.note_told(tx, one["conversation_id"], one["user_id"])
                await _tell(tx, one["conversation_id"], one["user_id"], one["seq"])
    return len(due)


async def _tell(tx: Transaction, conversation_id: UUID, user_id: UUID, seq: int) -> None:
    conversation = await messages.find(tx, conversation_id)
    found = await messages.after(tx, conversation_id, seq - 1, limit=1)
    if conversation is None or not found or conversation.side_of(user_id) is None:
        return
    sender = found[0].sender_id
    await tx.publish(
        MessageWaiting(
            user_id=user_id,
            conversation_id=conversation_id,
            business_id=conversation.shop.id,
            business_name=conversation.shop.name,
            sender_id=sender,
            from_business=sender != conversation.client_id,
        )
    )


async def drop_old(chat: Chat, _request: DropOld) -> Nothing:
    """The hourly job: deletes what businesses want to keep no longer."""
    async with chat.db.transaction() as tx:
        for message_id, facts in await people.drop_old(tx):
            for event in attached.released(message_id, facts):
                await tx.publish(event)
    return Nothing()
