"""Whether a business is to answer by itself: asked after a client's message, answered by ``automatic``."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from turnosya.contracts.chat import ClientWrote
from turnosya.runtime.clock import real_now
from turnosya.services.chat import rules
from turnosya.services.chat.state import Conversation, Line
from turnosya.services.chat.store import shops as shop_store

if TYPE_CHECKING:
    from turnosya.runtime.database import Transaction


async def ask(tx: Transaction, conversation: Conversation, line: Line) -> None:
    """After a client's message: is anybody there? Turnos knows, and is asked after this transaction."""
    settings = await shop_store.settings_of(tx, conversation.shop.id)
    if may_answer(conversation, line.sender_id, settings.away_message):
        await tx.publish(ClientWrote(conversation_id=conversation.id))


def may_answer(conversation: Conversation, sender_id: UUID | None, away_message: str | None) -> bool:
    """Whether the business may have something to say by itself to what its client writes now."""
    is_client = sender_id == conversation.client_id
    return bool(away_message) and is_client and not was_told_lately(conversation)


def was_told_lately(conversation: Conversation) -> bool:
    """Whether the client has had that answer in the last four hours."""
    told_at = conversation.away_told_at
    return told_at is not None and real_now() - told_at < timedelta(seconds=rules.AWAY_AGAIN_AFTER_S)
