"""Messages as they are shown: the fields that the public contract names, in the reader's language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

import structlog
from pydantic import JsonValue

from turnosya.contracts.turnos import Card, GetCards
from turnosya.runtime.fields import Instant, Resource
from turnosya.runtime.messages import ServiceError
from turnosya.runtime.problems import Language
from turnosya.services.chat import attached, rules
from turnosya.services.chat.state import Conversation, Kind, Line

if TYPE_CHECKING:
    from turnosya.services.chat.context import Chat

log = structlog.get_logger()

# As many as turnos answers at once; of more, the latest messages have theirs.
_CARDS = 50


class CardShown(Resource):
    """A turno that a message names, as it stands now."""

    appointment_id: UUID
    status: str
    service_name: str
    staff_name: str
    starts_at: Instant
    ends_at: Instant


class MessageShown(Resource):
    """One message; ``seq`` grows by exactly 1 within a conversation."""

    id: UUID
    conversation_id: UUID
    seq: int
    sender_id: UUID | None
    """None: a line of the system, an automatic message, or somebody who erased their account."""
    kind: Kind
    text: str | None
    file: dict[str, JsonValue] | None
    client_message_id: str | None
    sent_at: Instant
    cards: list[CardShown]


async def messages(
    chat: Chat, conversation: Conversation, lines: Sequence[Line], language: Language
) -> list[MessageShown]:
    """The lines of one conversation, with the cards of the turnos that they name."""
    named = dict.fromkeys(turno for line in reversed(lines) for turno in _turnos_of(line))
    cards = await _cards(chat, conversation, list(named)[:_CARDS]) if named else {}
    return [_message(line, language, cards) for line in lines]


def plain(line: Line, language: Language) -> MessageShown:
    """A line without cards."""
    return _message(line, language, {})


def _turnos_of(line: Line) -> list[UUID]:
    """Those that a message names; that of which the system tells, so that older cards can follow it."""
    if line.kind == "system" and line.facts is not None:
        return [UUID(line.facts["appointment_id"])]
    return rules.turnos_named_in(line.text)


def _message(line: Line, language: Language, cards: Mapping[UUID, Card]) -> MessageShown:
    text = line.text
    if line.kind == "system" and line.facts is not None:
        text = rules.said_by_system(line.facts, language)
    shown = [cards[turno] for turno in _turnos_of(line) if turno in cards]
    return MessageShown(
        id=line.id,
        conversation_id=line.conversation_id,
        seq=line.seq,
        sender_id=line.sender_id,
        kind=line.kind,
        text=text,
        file=attached.shown(line.facts) if line.kind == "person" else None,
        client_message_id=line.client_message_id,
        sent_at=line.sent_at,
        cards=[CardShown(**one.model_dump()) for one in shown],
    )


async def _cards(chat: Chat, conversation: Conversation, turnos: list[UUID]) -> dict[UUID, Card]:
    asked = GetCards(
        business_id=conversation.shop.id, client_id=conversation.client_id, appointment_ids=turnos
    )
    try:
        return {one.appointment_id: one for one in (await chat.bus.call(asked)).cards}
    except ServiceError as error:
        # The message is worth reading without its card.
        log.info("cards_left_out", refusal=error.code)
        return {}


def as_json(shown: MessageShown) -> dict[str, Any]:
    """For a socket."""
    return shown.model_dump(mode="json")
