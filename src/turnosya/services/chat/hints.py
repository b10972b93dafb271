"""Hints to every copy of the service: where to look now, and not only with the next sweep."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import structlog

from turnosya.contracts.chat import ConversationMoved
from turnosya.runtime.bus import Undelivered
from turnosya.runtime.messages import Unavailable

if TYPE_CHECKING:
    from turnosya.runtime.messages import Event
    from turnosya.services.chat.context import Chat

log = structlog.get_logger()


def moved(chat: Chat, conversation_id: UUID) -> None:
    """Something has happened in this conversation; call it after the commit."""
    tell(chat, ConversationMoved(conversation_id=conversation_id))


def tell(chat: Chat, event: Event) -> None:
    """Goes out beside the answer; a lost one costs latency and nothing else."""
    chat.beside(_tell(chat, event))


async def _tell(chat: Chat, event: Event) -> None:
    try:
        await chat.bus.publish_every_copy(event)
    except (Undelivered, Unavailable) as error:
        log.info("chat_hint_lost", why=type(error).__name__)
