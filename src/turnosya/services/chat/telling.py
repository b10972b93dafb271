"""Who is not there is told by notification, once for each conversation until they have read it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import structlog

from turnosya.contracts.chat import DropOld, MessageWaiting
from turnosya.runtime.messages import Nothing, Unavailable
from turnosya.services.chat import attached
from turnosya.services.chat.state import Conversation
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
    """Tells those who are due; in how many conversations somebody was looked at."""
    async with chat.db.read() as tx:
        waited_in = await lists.waited_in(tx, limit=_AT_ONCE)
    for conversation_id in waited_in:
        async with chat.db.transaction() as tx:
            await _tell_members(chat, tx, conversation_id)
    return len(waited_in)


async def _tell_members(chat: Chat, tx: Transaction, conversation_id: UUID) -> None:
    # Under the lock: of what somebody sends just now, these are told or it makes them wait anew.
    conversation = await messages.lock(tx, conversation_id)
    assert conversation is not None, "conversations are never deleted"  # noqa: S101
    for one in await lists.due(tx, conversation):
        user_id = one["user_id"]
        if one["missing_seq"] is None or conversation.side_of(user_id) is None:
            await lists.wait_no_more(tx, conversation_id, user_id)
        elif one["missing_seq"] > one["seq"]:
            due_at = one["sent_at"] + timedelta(seconds=chat.settings.chat_tell_after_s)
            await lists.wait_for(tx, conversation_id, user_id, seq=one["missing_seq"], due_at=due_at)
        else:
            await lists.note_told(tx, conversation_id, user_id)
            await tx.publish(_waiting(conversation, user_id, one["sender_id"]))


def _waiting(conversation: Conversation, user_id: UUID, sender_id: UUID | None) -> MessageWaiting:
    return MessageWaiting(
        user_id=user_id,
        conversation_id=conversation.id,
        business_id=conversation.shop.id,
        business_name=conversation.shop.name,
        sender_id=sender_id,
        from_business=sender_id != conversation.client_id,
    )


async def drop_old(chat: Chat, _request: DropOld) -> Nothing:
    """The hourly job: deletes what businesses want to keep no longer, some conversations at a time."""
    while await _drop_some(chat) == _AT_ONCE:
        pass
    return Nothing()


async def _drop_some(chat: Chat) -> int:
    async with chat.db.transaction() as tx:
        ends = await people.too_old(tx, limit=_AT_ONCE)
        for message_id, facts in await people.drop(tx, ends):
            for event in attached.released(message_id, facts):
                await tx.publish(event)
    return len(ends)
