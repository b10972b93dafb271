"""What a client may say on a socket, each answered with ``{ok: true, …}`` or ``{ok: false, code}``."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import structlog
from pydantic import TypeAdapter, ValidationError

from turnosya.contracts.chat import TypingShown
from turnosya.runtime.field_errors import field_errors, unfit_fields
from turnosya.runtime.fields import unfit_texts
from turnosya.runtime.identity import TokenInvalid
from turnosya.runtime.messages import Invalid, NotFound, ServiceError
from turnosya.runtime.problems import members_of
from turnosya.services.chat import hints, shown, writing
from turnosya.services.chat.conversations import for_member
from turnosya.services.chat.refusals import TooFast
from turnosya.services.chat.sockets.asked import Read, Renew, Send, Sync, Typing

if TYPE_CHECKING:
    from turnosya.services.chat.context import Chat
    from turnosya.services.chat.sockets.connection import Connection

log = structlog.get_logger()

Answer = dict[str, Any]


def name_of(name: str) -> str:
    """What a step with this event is called."""
    return f"socket {name if name in _EVENTS else 'unknown'}"


async def answer(chat: Chat, connection: Connection, name: str, arguments: Sequence[Any]) -> Answer:
    """Does what was asked; a refusal is an answer like any other."""
    known = _EVENTS.get(name)
    try:
        if connection.is_too_fast:
            raise TooFast
        if known is None:
            raise NotFound
        kind, work = known
        return {"ok": True, **await work(chat, connection, _asked(kind, arguments))}
    except ServiceError as refusal:
        return {"ok": False, "code": refusal.code, **members_of(refusal, connection.language)}


def _asked(kind: TypeAdapter[Any], arguments: Sequence[Any]) -> Any:  # noqa: ANN401 - a model of ``asked``
    body = arguments[0] if len(arguments) == 1 else None
    unfit = unfit_texts(body)
    if unfit:
        raise unfit_fields(unfit)
    if not isinstance(body, Mapping):
        raise Invalid(errors=[])
    try:
        return kind.validate_python(body)
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False)
        raise Invalid(errors=field_errors(found, within=0)) from None


async def _send(chat: Chat, connection: Connection, asked: Send) -> Answer:
    words = writing.Words(asked.text, asked.file_id, asked.client_message_id)
    user_id = connection.caller.user_id
    sent = await writing.send(chat, user_id, asked.conversation_id, words)
    [message] = await shown.messages(chat, sent.conversation, [sent.line], connection.language)
    return {"message": shown.as_json(message)}


async def _read(chat: Chat, connection: Connection, asked: Read) -> Answer:
    reached, unread = await writing.read(chat, connection.caller.user_id, asked.conversation_id, asked.seq)
    return {"seq": reached, "unread_count": unread}


async def _typing(chat: Chat, connection: Connection, asked: Typing) -> Answer:
    user_id = connection.caller.user_id
    others = await writing.who_sees_typing(chat, user_id, asked.conversation_id)
    now_s = asyncio.get_running_loop().time()
    if others and connection.typing.goes_on(asked.conversation_id, typing=asked.typing, now_s=now_s):
        said = TypingShown(
            conversation_id=asked.conversation_id, user_id=user_id, typing=asked.typing, member_ids=others
        )
        hints.tell(chat, said)
    return {}


async def _sync(chat: Chat, connection: Connection, asked: Sync) -> Answer:
    user_id = connection.caller.user_id
    lines, more = await writing.missing(chat, user_id, asked.conversation_id, asked.after_seq)
    async with chat.db.read() as tx:
        conversation = await for_member(tx, asked.conversation_id, user_id)
    found = await shown.messages(chat, conversation, lines, connection.language)
    if lines:
        chat.live.has_reached(asked.conversation_id, user_id, lines[-1].seq)
    return {"messages": [shown.as_json(one) for one in found], "more": more}


async def _renew(_chat: Chat, connection: Connection, asked: Renew) -> Answer:
    caller = await connection.verify({"token": asked.token})
    before = connection.caller
    if (caller.user_id, caller.session_id) != (before.user_id, before.session_id):
        raise TokenInvalid
    connection.belongs_to(caller)
    return {"expires_at": caller.expires_at.isoformat()}


_Work = Callable[["Chat", "Connection", Any], Awaitable[Answer]]
_EVENTS: Mapping[str, tuple[TypeAdapter[Any], _Work]] = {
    "message:send": (TypeAdapter(Send), _send),
    "message:read": (TypeAdapter(Read), _read),
    "typing": (TypeAdapter(Typing), _typing),
    "sync": (TypeAdapter(Sync), _sync),
    "auth:renew": (TypeAdapter(Renew), _renew),
}
