"""What is written without anybody writing it here: out of hours, about turnos, from WhatsApp."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from turnosya.contracts.chat import ClientWrote
from turnosya.contracts.notification import ReplyReceived
from turnosya.contracts.turnos import (
    AppointmentBooked,
    AppointmentCancelled,
    AppointmentConfirmed,
    AppointmentMoved,
    GetOpenNow,
)
from turnosya.runtime.clock import real_now
from turnosya.runtime.database import unmarked
from turnosya.runtime.messages import NotFound
from turnosya.services.chat import away, conversations, hints, rules, writing
from turnosya.services.chat.state import NewLine
from turnosya.services.chat.store import messages
from turnosya.services.chat.store import shops as shop_store

if TYPE_CHECKING:
    from turnosya.services.chat.context import Chat

TurnoEvent = AppointmentBooked | AppointmentConfirmed | AppointmentMoved | AppointmentCancelled
_SAID = {
    AppointmentBooked: "booked",
    AppointmentConfirmed: "confirmed",
    AppointmentMoved: "moved",
    AppointmentCancelled: "cancelled",
}


async def answer_if_away(chat: Chat, event: ClientWrote) -> None:
    """The business's own words when it is closed, once in four hours."""
    async with chat.db.read() as tx:
        seen = await messages.find(tx, event.conversation_id)
    if seen is None:
        return
    opened = await chat.bus.call(GetOpenNow(business_ids=[seen.shop.id]))
    async with chat.db.transaction() as tx:
        conversation = await messages.lock(tx, event.conversation_id)
        settings = await shop_store.settings_of(tx, seen.shop.id)
        if conversation is None or not settings.away_message or seen.shop.id in opened.business_ids:
            return
        if away.was_told_lately(conversation):
            return
        await messages.note_away(tx, conversation.id, real_now())
        await writing.add(chat, tx, conversation, NewLine("automatic", text=settings.away_message))
    hints.moved(chat, event.conversation_id)


async def tell_of_turno(chat: Chat, event: TurnoEvent) -> None:
    """A line in the conversation that its client has with the business, if they have one."""
    turno = event.appointment
    if turno.client_id is None:
        return
    # Most turnos are booked without a word: those cost one statement here and no transaction.
    async with chat.db.read() as tx:
        found = await messages.find_pair(tx, turno.business_id, turno.client_id)
    if found is None:
        return
    async with chat.db.transaction() as tx:
        conversation = await messages.lock(tx, found.id)
        if conversation is None:
            return
        facts = {
            "what": _SAID[type(event)],
            "appointment_id": str(turno.id),
            "service_name": turno.service_name,
            "starts_at": turno.starts_at.isoformat(),
            "timezone": turno.business_timezone,
        }
        await writing.add(chat, tx, conversation, NewLine("system", facts=facts))
    hints.moved(chat, conversation.id)


async def hear_reply(chat: Chat, event: ReplyReceived) -> None:
    """What a client answered on WhatsApp is a message of theirs, kept once however often it comes."""
    conversation_id = await _conversation_for(chat, event.user_id, event.business_id)
    async with chat.db.transaction() as tx:
        if conversation_id is None:
            return
        conversation = await messages.lock(tx, conversation_id)
        own_id = f"whatsapp-{event.client_message_id}"
        if conversation is None or await messages.find_sent(tx, conversation_id, event.user_id, own_id):
            return
        if not await messages.takes_words(tx, conversation):
            return
        text = event.text[: rules.MAX_CHARACTERS]
        new = NewLine("person", event.user_id, text, client_message_id=own_id)
        line = await writing.add(chat, tx, conversation, new)
        await away.ask(tx, conversation, line)
    hints.moved(chat, conversation_id)


async def _conversation_for(chat: Chat, user_id: UUID, business_id: UUID) -> UUID | None:
    async with chat.db.read() as tx:
        found = await messages.find_pair(tx, business_id, user_id)
    if found is not None:
        return found.id
    try:
        # Opened again it is the same one, so this may go before the event is marked as heard.
        with unmarked():
            listed, _ = await conversations.open_one(chat, user_id, business_id, None)
    except NotFound:
        return None
    return listed.conversation.id
