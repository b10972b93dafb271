"""Whether a business is to answer by itself: asked after a client's message, answered by ``automatic``."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from turnosya.contracts.chat import ClientWrote
from turnosya.runtime.clock import real_now
from turnosya.services.chat import rules
from turnosya.services.chat.state import Conversation, Line
from turnosya.services.chat.store import shops as shop_store

if TYPE_CHECKING:
    from turnosya.runtime.database import Transaction


async def ask(tx: Transaction, conversation: Conversation, line: Line) -> None:
    """After a client's message: is anybody there? Turnos knows, and is asked after this transaction."""
    if line.sender_id != conversation.client_id or was_told_lately(conversation):
        return
    settings = await shop_store.settings_of(tx, conversation.shop.id)
    if settings.away_message:
        await tx.publish(ClientWrote(conversation_id=conversation.id))


def was_told_lately(conversation: Conversation) -> bool:
    """Whether the client has had that answer in the last four hours."""
    told_at = conversation.away_told_at
    return told_at is not None and real_now() - told_at < timedelta(seconds=rules.AWAY_AGAIN_AFTER_S)
