"""Conversations: opened once for each client of a business, listed, searched, blocked, reported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from turnosya.contracts.chat import GetMembership, Membership
from turnosya.contracts.users import GetPeople
from turnosya.runtime.clock import real_now
from turnosya.runtime.fields import unfit_texts
from turnosya.runtime.messages import NotFound, invalid
from turnosya.services.chat import hints, shops
from turnosya.services.chat.refusals import NO_WORD, UNKNOWN_MESSAGE
from turnosya.services.chat.state import Conversation, Line, Listed, Mark, NewLine, Side
from turnosya.services.chat.store import lists, messages
from turnosya.services.chat.store import shops as shop_store

if TYPE_CHECKING:
    from turnosya.runtime.database import Transaction
    from turnosya.services.chat.context import Chat


async def open_one(
    chat: Chat, caller_id: UUID, business_id: UUID, client_id: UUID | None
) -> tuple[Listed, bool]:
    """The one conversation of a client with a business, and whether it is new.

    Without ``client_id`` the caller is the client. Raises NotFound for a business or a person that is not
    there, and for who names a client of a business that they do not write for.
    """
    shop = await shops.find(chat, business_id)
    if client_id is None or client_id == caller_id:
        client_id = caller_id
    elif caller_id not in shop.people:
        raise NotFound
    name = await _name_of(chat, client_id)
    async with chat.db.transaction() as tx:
        is_new = await messages.open_pair(tx, business_id, client_id, client_name=name)
        conversation = await messages.find_pair(tx, business_id, client_id)
        assert conversation is not None, "it was there or was made"  # noqa: S101
        settings = await shop_store.settings_of(tx, business_id)
        if is_new and settings.greeting:
            greeting = NewLine("automatic", text=settings.greeting)
            await messages.add(tx, conversation.id, greeting, sent_at=real_now())
        if is_new:
            await messages.touch_state(tx, conversation.id)
            conversation = await _found(tx, conversation.id)
        listed = await lists.one(tx, conversation, caller_id)
    if is_new:
        hints.moved(chat, conversation.id)
    return listed, is_new


async def _name_of(chat: Chat, user_id: UUID) -> str:
    found = await chat.bus.call(GetPeople(ids=[user_id]))
    if not found.people:
        raise NotFound
    return found.people[0].name


async def _found(tx: Transaction, conversation_id: UUID) -> Conversation:
    conversation = await messages.find(tx, conversation_id)
    if conversation is None:
        raise NotFound
    return conversation


async def for_member(tx: Transaction, conversation_id: UUID, user_id: UUID) -> Conversation:
    """One's own conversation; anybody else's does not exist."""
    conversation = await _found(tx, conversation_id)
    if conversation.side_of(user_id) is None:
        raise NotFound
    return conversation


async def membership(chat: Chat, request: GetMembership) -> Membership:
    """For files: whether somebody may read what is attached there."""
    async with chat.db.read() as tx:
        conversation = await messages.find(tx, request.conversation_id)
    return Membership(
        is_member=conversation is not None and conversation.side_of(request.user_id) is not None
    )


async def listed(
    chat: Chat, user_id: UUID, *, after: tuple[datetime, UUID] | None, limit: int
) -> list[Listed]:
    """Somebody's own and those of the businesses they write for, the latest first."""
    async with chat.db.read() as tx:
        shop_ids = await shop_store.of_person(tx, user_id)
        return await lists.of_person(tx, user_id, shop_ids, after=after, limit=limit)


async def one(chat: Chat, conversation_id: UUID, user_id: UUID) -> tuple[Listed, list[Mark], set[Side]]:
    """One of them, how far its members have come, and which side has blocked the other."""
    async with chat.db.read() as tx:
        conversation = await for_member(tx, conversation_id, user_id)
        found = await lists.one(tx, conversation, user_id)
        marks = await messages.marks_of(tx, conversation_id)
        pair = (conversation.shop.id, conversation.client_id)
        blocked = await shop_store.blocked_by(tx, [pair])
    return found, marks, blocked.get(pair, set())


async def search(chat: Chat, user_id: UUID, words: str, *, after: UUID | None, limit: int) -> list[Line]:
    """Messages of somebody's own conversations that contain all these words."""
    if not words.strip() or unfit_texts(words):
        raise invalid("q", "empty", NO_WORD)
    async with chat.db.read() as tx:
        shop_ids = await shop_store.of_person(tx, user_id)
        return await lists.search(tx, user_id, shop_ids, words, after=after, limit=limit)


async def block(chat: Chat, conversation_id: UUID, user_id: UUID) -> None:
    """The caller's side no longer hears the other, and neither can write."""
    async with chat.db.transaction() as tx:
        conversation = await for_member(tx, conversation_id, user_id)
        side = conversation.side_of(user_id)
        assert side is not None, "a member is on a side"  # noqa: S101
        await shop_store.block(tx, conversation.shop.id, conversation.client_id, side=side)
        await messages.touch_state(tx, conversation_id)
    hints.moved(chat, conversation_id)


async def unblock(chat: Chat, conversation_id: UUID, user_id: UUID) -> None:
    """It does again, unless the other side has blocked it too."""
    async with chat.db.transaction() as tx:
        conversation = await for_member(tx, conversation_id, user_id)
        side = conversation.side_of(user_id)
        assert side is not None, "a member is on a side"  # noqa: S101
        await shop_store.unblock(tx, conversation.shop.id, conversation.client_id, side=side)
        await messages.touch_state(tx, conversation_id)
    hints.moved(chat, conversation_id)


async def report(chat: Chat, conversation_id: UUID, user_id: UUID, *, reason: str, seq: int | None) -> UUID:
    """An admin is to look at it, at one message if ``seq`` names one."""
    async with chat.db.transaction() as tx:
        conversation = await for_member(tx, conversation_id, user_id)
        if seq is not None and not 1 <= seq <= conversation.last_seq:
            raise invalid("seq", "unknown_message", UNKNOWN_MESSAGE)
        return await lists.report(tx, conversation_id, user_id, reason=reason, seq=seq)


async def reported(chat: Chat, *, after: UUID | None, limit: int) -> Sequence[Mapping[str, Any]]:
    """What people reported, the latest first."""
    async with chat.db.read() as tx:
        return [dict(one) for one in await lists.reported(tx, after=after, limit=limit)]
