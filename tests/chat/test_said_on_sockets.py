"""What a socket is answered that asks for something senseless, and what is told of each event."""

from collections.abc import Mapping
from typing import Any, cast

import pytest
from socketio.packet import EVENT, Packet

from tests.chat.room import Room
from tests.chat.test_connection import a_connection
from tests.runtime.collector import keeping_steps
from turnosya.runtime.identity import Caller
from turnosya.runtime.ids import new_id
from turnosya.runtime.problems import Language
from turnosya.runtime.spans import Kind
from turnosya.services.chat.context import Chat
from turnosya.services.chat.sockets import events
from turnosya.services.chat.sockets.connection import Connection
from turnosya.services.chat.sockets.engine import Engine
from turnosya.services.chat.sockets.server import SocketServer

UNTOUCHED = cast("Chat", None)
"""Nothing is looked up for what makes no sense."""


async def nobody(_auth: Mapping[str, Any]) -> Caller:
    raise AssertionError


@pytest.mark.parametrize(
    ("language", "missing", "wrong_type"),
    [
        ("es", "es obligatorio", "debe ser un texto"),
        ("en", "is required", "must be a text"),
        ("pt", "é obrigatório", "deve ser um texto"),
    ],
)
async def test_wrong_fields_are_named_in_the_language_of_the_socket(
    language: Language, missing: str, wrong_type: str
) -> None:
    connection = Connection(Engine(ping_interval_s=25), "sid", language, verify=nobody)
    asked = {"conversation_id": "019a2b3c-0000-7000-8000-000000000000", "text": 7}
    assert await events.answer(UNTOUCHED, connection, "message:send", [asked]) == {
        "ok": False,
        "code": "validation_failed",
        "errors": [
            {"field": "text", "code": "string_type", "message": wrong_type},
            {"field": "client_message_id", "code": "missing", "message": missing},
        ],
    }


async def test_a_text_that_cannot_be_kept_is_named() -> None:
    connection = Connection(Engine(ping_interval_s=25), "sid", "en", verify=nobody)
    answer = await events.answer(UNTOUCHED, connection, "message:send", [{"text": "a\0b"}])
    assert answer["errors"] == [
        {"field": "text", "code": "unfit_text", "message": "has characters that cannot be kept"}
    ]


@pytest.mark.asyncio(loop_scope="module")
async def test_each_event_begins_a_trace_called_by_a_word_of_ours(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Chat closes the one it was opened with, which this is not.
    monkeypatch.setattr(room.chat.live, "close_after", room.chat.live.close_after)
    server = SocketServer(room.chat)
    connection = a_connection(server.engine, left_s=600)
    asked = {"conversation_id": str(new_id()), "text": "Hola", "client_message_id": "one"}
    with keeping_steps() as kept:
        for name in ("message:send", "my number is +5491155550000"):
            await server._event(connection, Packet(EVENT, data=[name, asked]))  # pyright: ignore[reportPrivateUsage]
    connection.forget_timers()
    await server.close()
    events_of_socket = [one for one in kept.steps if one.trace.parent_id is None]
    assert [(one.service, one.kind, one.name) for one in events_of_socket] == [
        ("chat", Kind.SERVER, "socket message:send"),
        ("chat", Kind.SERVER, "socket unknown"),
    ]
    assert len({one.trace.trace_id for one in events_of_socket}) == 2
    looked_up = [one for one in kept.steps if one.trace.parent_id == events_of_socket[0].trace.span_id]
    assert looked_up, "what is done for it is further down in its tree"
    assert "+549115" not in repr([(one.name, one.attributes) for one in kept.steps])
