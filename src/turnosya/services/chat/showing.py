"""What has changed in a conversation, handed to the sockets of its members that are open here.

The truth is in the rows: a hint only says where to look, and a sweep looks where no hint came.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import structlog

from turnosya.contracts.auth import AccessChanged
from turnosya.contracts.chat import ConversationMoved, TypingShown
from turnosya.runtime.clock import real_now
from turnosya.runtime.messages import ServiceError, Unavailable
from turnosya.runtime.problems import Language
from turnosya.services.chat import hints, packed, shown
from turnosya.services.chat.access import is_ended_by
from turnosya.services.chat.live import Connection, Packed
from turnosya.services.chat.state import Conversation, Line, Mark
from turnosya.services.chat.store import messages
from turnosya.services.chat.store import shops as shop_store

if TYPE_CHECKING:
    from turnosya.services.chat.context import Chat

log = structlog.get_logger()

# Of a conversation that is new here, what is as young as this is shown: nobody can have fetched it yet.
_YOUNG = timedelta(seconds=5)
# Longer than any transaction that changes a conversation: it stamps the change before it commits.
_SWEPT_BACK_S = 20.0
_PAGE = 500
_JUDGED_EVERY_S = 30.0
_STORED_EVERY_S = 0.25


async def moved(chat: Chat, event: ConversationMoved) -> None:
    """A hint came."""
    await show(chat, event.conversation_id)


async def show(chat: Chat, conversation_id: UUID) -> None:
    """Hands on what has not been handed on here, in order."""
    if not len(chat.live) or chat.live.is_to_be_shown(conversation_id):
        return
    async with chat.live.one_at_a_time(conversation_id):
        while await _show_page(chat, conversation_id):
            pass


async def _show_page(chat: Chat, conversation_id: UUID) -> bool:
    """Some of it; whether there is more."""
    async with chat.db.at_once() as tx:
        conversation = await messages.find(tx, conversation_id)
        if conversation is None:
            return False
        before = chat.live.shown(conversation_id)
        if before is not None and before[0] >= conversation.version:
            return False
        version, seq = before or (conversation.version - 1, max(0, conversation.last_seq - _PAGE))
        lines: list[Line] = []
        marks: list[Mark] = []
        if chat.live.of(conversation.members):
            lines = await messages.after(tx, conversation_id, seq, limit=_PAGE)
            marks = await messages.marks_of(tx, conversation_id, above_version=version)
    # Not before the rows were read: who comes in from now on fetches what they hold.
    connections = chat.live.of(conversation.members)
    if before is None:
        lines = [line for line in lines if real_now() - line.sent_at < _YOUNG]
    await _hand_on(chat, conversation, lines, connections)
    if len(lines) == _PAGE:
        chat.live.has_shown(conversation_id, version, lines[-1].seq)
        return True
    await _hand_on_marks(conversation_id, marks, connections, lines=lines, above_version=version)
    if conversation.state_version > version:
        await _hand_on_state(chat, conversation, connections, above_version=version)
    last = max(conversation.last_seq, lines[-1].seq if lines else 0)
    chat.live.has_shown(conversation_id, conversation.version, last)
    return False


async def _hand_on(
    chat: Chat, conversation: Conversation, lines: list[Line], connections: list[Connection]
) -> None:
    languages: set[Language] = {one.language for one in connections} if lines else set()
    for language in languages:
        messages_shown = await shown.messages(chat, conversation, lines, language)
        found = [(one.seq, packed.event("message:new", shown.as_json(one))) for one in messages_shown]
        readers = [one for one in connections if one.language == language]
        for seq, message in found:
            for connection in readers:
                if await connection.hand(message):
                    chat.live.has_reached(conversation.id, connection.caller.user_id, seq)
            # Their writers take it: a whole page at once would be too much for a queue with bounds.
            await asyncio.sleep(0)


async def _hand_on_marks(
    conversation_id: UUID,
    marks: list[Mark],
    connections: list[Connection],
    *,
    lines: list[Line],
    above_version: int,
) -> None:
    """Who wrote has read up to there, which their line has said; who was reached is said of all in one."""
    wrote = {(line.sender_id, line.seq) for line in lines}
    where = {"conversation_id": str(conversation_id)}
    said: list[Packed] = []
    reached: list[dict[str, str | int]] = []
    for mark in marks:
        whose = {"user_id": str(mark.user_id)}
        if mark.read_version > above_version and (mark.user_id, mark.read_seq) not in wrote:
            said.append(packed.event("message:read", {**where, **whose, "seq": mark.read_seq}))
        if mark.delivered_version > above_version and (mark.user_id, mark.delivered_seq) not in wrote:
            reached.append({**whose, "seq": mark.delivered_seq})
    if reached:
        said.append(packed.event("message:delivered", {**where, "marks": reached}))
    for one in said:
        for connection in connections:
            await connection.hand(one)


async def _hand_on_state(
    chat: Chat, conversation: Conversation, connections: list[Connection], *, above_version: int
) -> None:
    if not connections:
        return
    pair = (conversation.shop.id, conversation.client_id)
    async with chat.db.read() as tx:
        blocked = (await shop_store.blocked_by(tx, [pair])).get(pair, set())
        erased = await messages.erased_after(tx, conversation.id, above_version)
    body = {
        "id": str(conversation.id),
        "business": {"id": str(conversation.shop.id), "name": conversation.shop.name},
        "client": {"user_id": str(conversation.client_id), "name": conversation.client_name},
        "blocked_by": sorted(blocked),
    }
    said = [packed.event("conversation:changed", body)]
    if erased:
        gone = {"conversation_id": str(conversation.id), "seqs": erased}
        said.insert(0, packed.event("message:erased", gone))
    for one in said:
        for connection in connections:
            await connection.hand(one)


async def typing(chat: Chat, event: TypingShown) -> None:
    """Somebody writes, or has stopped; who is not here does not learn of it."""
    body = {
        "conversation_id": str(event.conversation_id),
        "user_id": str(event.user_id),
        "typing": event.typing,
    }
    said = packed.event("typing", body)
    for connection in chat.live.of(event.member_ids):
        await connection.hand(said)


async def begin(chat: Chat, connection: Connection) -> None:
    """From now on somebody is shown what comes; what was there before they fetch."""
    chat.live.enter(connection)
    user_id = connection.caller.user_id
    async with chat.db.read() as tx:
        shop_ids = await shop_store.of_person(tx, user_id)
        with chat.live.looking() as taken_up:
            others = [one for one in chat.live.users() if one != user_id or len(chat.live.of([user_id])) > 1]
            found = await messages.versions_of(tx, user_id, shop_ids, others=others)
            for conversation_id, version, seq, was_watched in found:
                is_watched = was_watched or conversation_id in taken_up
                chat.live.begin(conversation_id, version, seq, is_watched=is_watched)


# --- whose access ends


async def access_changed(chat: Chat, event: AccessChanged) -> None:
    """Ends the sockets of those whose access has ended, at once."""
    chat.access.forget()
    for connection in chat.live.all():
        refusal = is_ended_by(connection.caller, event)
        if refusal is not None:
            await connection.end(refusal)


# --- loops


async def sweep_forever(chat: Chat) -> None:
    """Looks, every second, for what no hint told of."""
    while True:
        await asyncio.sleep(chat.settings.chat_sweep_s)
        users = chat.live.users()
        if not users:
            continue
        try:
            async with chat.db.read() as tx:
                changed = await messages.changed_lately(tx, users, within_s=_SWEPT_BACK_S)
            for conversation_id, version in changed:
                before = chat.live.shown(conversation_id)
                if before is None or before[0] < version:
                    await show(chat, conversation_id)
        except Unavailable:
            log.info("chat_sweep_put_off")


async def store_reached_forever(chat: Chat) -> None:
    """Stores what has reached whom, a few times a second for all of it together."""
    while True:
        await asyncio.sleep(_STORED_EVERY_S)
        reached, chat.live.reached = chat.live.reached, {}
        if not reached:
            continue
        try:
            async with chat.db.transaction() as tx:
                raised = await messages.note_delivered(tx, reached)
            for conversation_id in sorted(raised):
                hints.moved(chat, conversation_id)
        except Unavailable:
            for (conversation_id, user_id), seq in reached.items():
                chat.live.has_reached(conversation_id, user_id, seq)


async def judge_forever(chat: Chat) -> None:
    """Asks auth, twice a minute, about everybody who is here: a change may have been missed."""
    while True:
        await asyncio.sleep(_JUDGED_EVERY_S)
        for connection in chat.live.all():
            try:
                await chat.access.check(connection.caller)
            except Unavailable:
                log.info("chat_judging_put_off")
                break
            except ServiceError as refusal:
                await connection.end(refusal)
