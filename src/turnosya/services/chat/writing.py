"""Sending: every message gets the conversation's next number, once for each id that its sender gave it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from turnosya.runtime.clock import real_now
from turnosya.runtime.ids import new_id
from turnosya.runtime.messages import NotFound, invalid
from turnosya.services.chat import attached, away, hints, rules
from turnosya.services.chat.conversations import for_member
from turnosya.services.chat.refusals import NOTHING_SAID, ClientMessageIdReused, ConversationBlocked
from turnosya.services.chat.state import Conversation, Line, NewLine
from turnosya.services.chat.store import lists, messages, sending

if TYPE_CHECKING:
    from turnosya.runtime.database import Transaction
    from turnosya.services.chat.context import Chat


@dataclass(frozen=True, slots=True)
class Words:
    """What somebody sends, under an id of their own making."""

    text: str | None
    file_id: UUID | None
    client_message_id: str


@dataclass(frozen=True, slots=True)
class Sent:
    """A message with its number, where it is, and whether it is new."""

    line: Line
    conversation: Conversation
    is_new: bool


async def send(chat: Chat, sender_id: UUID, conversation_id: UUID, words: Words) -> Sent:
    """Writes a message; the same again is answered as the first time.

    Raises NotFound for a stranger, ClientMessageIdReused, ConversationBlocked, TooFast.
    """
    if words.file_id is None and (words.text is None or not words.text.strip()):
        raise invalid("text", "empty", NOTHING_SAID)
    sent = await _sent_at_once(chat, sender_id, conversation_id, words) if words.file_id is None else None
    if sent is None:
        sent = await _sent_under_lock(chat, sender_id, conversation_id, words)
    if sent.is_new:
        hints.moved(chat, conversation_id)
    return sent


async def _sent_at_once(chat: Chat, sender_id: UUID, conversation_id: UUID, words: Words) -> Sent | None:
    """A text without anything that follows from it, in two round trips; None where that does not do."""
    async with chat.db.at_once() as statements:
        seen = await sending.look(statements, conversation_id, sender_id, words.client_message_id)
        if seen is None or seen.conversation.side_of(sender_id) is None:
            raise NotFound
        conversation = seen.conversation
        if seen.known is not None:
            return Sent(_the_same(seen.known, words), conversation, is_new=False)
        if seen.is_blocked or not conversation.shop.is_open:
            raise ConversationBlocked
        if away.may_answer(conversation, sender_id, seen.away_message):
            return None
        chat.allowances.take(sender_id)
        sent_at, own_id = real_now(), words.client_message_id
        line = Line(new_id(), conversation_id, 0, sender_id, "person", words.text, None, own_id, sent_at)
        others = sorted(conversation.members - {sender_id})
        written = await sending.write(statements, conversation, line, others, due_at=_told_at(chat))
    return None if written is None else Sent(written, conversation, is_new=True)


async def _sent_under_lock(chat: Chat, sender_id: UUID, conversation_id: UUID, words: Words) -> Sent:
    file = await _attachment(chat, sender_id, conversation_id, words)
    async with chat.db.transaction() as tx:
        conversation = await _locked(tx, conversation_id, sender_id)
        known = await messages.find_sent(tx, conversation_id, sender_id, words.client_message_id)
        if known is not None:
            return Sent(_the_same(known, words), conversation, is_new=False)
        if not await messages.takes_words(tx, conversation):
            raise ConversationBlocked
        chat.allowances.take(sender_id)
        new = NewLine("person", sender_id, words.text, file, words.client_message_id)
        line = await add(chat, tx, conversation, new)
        for event in attached.events(line):
            await tx.publish(event)
        await away.ask(tx, conversation, line)
    return Sent(line, conversation, is_new=True)


def _the_same(known: Line, words: Words) -> Line:
    """What was sent under this id, if these are the same words. Raises ClientMessageIdReused."""
    if known.text != words.text or attached.id_in(known.facts) != words.file_id:
        raise ClientMessageIdReused
    return known


async def _attachment(
    chat: Chat, sender_id: UUID, conversation_id: UUID, words: Words
) -> attached.Facts | None:
    """What is kept of the file: a stranger learns nothing of it, and what was sent before stays as it was."""
    if words.file_id is None:
        return None
    async with chat.db.read() as tx:
        await for_member(tx, conversation_id, sender_id)
        known = await messages.find_sent(tx, conversation_id, sender_id, words.client_message_id)
    if known is not None:
        return known.facts
    return await attached.find(chat, sender_id, conversation_id, words.file_id)


async def _locked(tx: Transaction, conversation_id: UUID, sender_id: UUID) -> Conversation:
    # Whether they may see it at all first: a stranger must not hold up those who write.
    await for_member(tx, conversation_id, sender_id)
    conversation = await messages.lock(tx, conversation_id)
    assert conversation is not None, "conversations are never deleted"  # noqa: S101
    return conversation


async def add(chat: Chat, tx: Transaction, conversation: Conversation, new: NewLine) -> Line:
    """Writes a line under the conversation's lock; who wrote has read all, the others are told if need be."""
    line = await messages.add(tx, conversation.id, new, sent_at=real_now())
    if new.sender_id is not None:
        await messages.raise_mark(tx, conversation, new.sender_id, read=line.seq)
        await lists.has_read(tx, conversation.id, new.sender_id, line.seq, look_at=_told_at(chat))
    if new.kind != "system":
        others = conversation.members - {new.sender_id}
        if new.kind == "automatic":
            others = frozenset({conversation.client_id})
        await lists.wait(tx, line, sorted(others), due_at=_told_at(chat))
    return line


def _told_at(chat: Chat) -> datetime:
    """When somebody is told of what has reached no socket of theirs by then."""
    return real_now() + timedelta(seconds=chat.settings.chat_tell_after_s)


async def read(chat: Chat, user_id: UUID, conversation_id: UUID, seq: int) -> tuple[int, int]:
    """Raises how far somebody has read; the mark, and how much is unread. Past the end means the end."""
    async with chat.db.transaction() as tx:
        await for_member(tx, conversation_id, user_id)
        conversation = await messages.lock(tx, conversation_id)
        assert conversation is not None, "conversations are never deleted"  # noqa: S101
        seq = max(0, min(seq, conversation.last_seq))
        # Who has read nothing has no mark, and to say so again changes nothing.
        rose = seq > 0 and await messages.raise_mark(tx, conversation, user_id, read=seq)
        if rose:
            await messages.touch(tx, conversation_id)
            await lists.has_read(tx, conversation_id, user_id, seq, look_at=_told_at(chat))
        reached = await messages.read_seq(tx, conversation_id, user_id)
    if rose:
        hints.moved(chat, conversation_id)
    return reached, conversation.unread_after(reached)


async def who_sees_typing(chat: Chat, user_id: UUID, conversation_id: UUID) -> list[UUID]:
    """The other members; nobody where nothing could be sent. Raises NotFound for a stranger."""
    async with chat.db.read() as tx:
        conversation = await for_member(tx, conversation_id, user_id)
        if not await messages.takes_words(tx, conversation):
            return []
    return sorted(conversation.members - {user_id})


async def missing(
    chat: Chat, user_id: UUID, conversation_id: UUID, after_seq: int
) -> tuple[list[Line], bool]:
    """What somebody has not seen, as much as goes into one answer, and whether there is more."""
    async with chat.db.read() as tx:
        await for_member(tx, conversation_id, user_id)
        found = await messages.after(tx, conversation_id, after_seq, limit=rules.SYNC_PAGE + 1)
    page = found[: rules.fitting(found[: rules.SYNC_PAGE])]
    return page, len(found) > len(page)


async def page(
    chat: Chat, user_id: UUID, conversation_id: UUID, *, before: int | None, after: int | None, limit: int
) -> list[Line]:
    """A part of a conversation in order: what follows ``after``, else the last before ``before``."""
    async with chat.db.read() as tx:
        await for_member(tx, conversation_id, user_id)
        if after is not None:
            found = await messages.after(tx, conversation_id, after, limit=limit)
            return [line for line in found if before is None or line.seq < before]
        return await messages.before(tx, conversation_id, before, limit=limit)
