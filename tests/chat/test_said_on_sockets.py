"""What a socket is answered that asks for something senseless: the words of HTTP, in its language."""

from collections.abc import Mapping
from typing import Any, cast

import pytest

from turnosya.runtime.identity import Caller
from turnosya.runtime.problems import Language
from turnosya.services.chat.context import Chat
from turnosya.services.chat.sockets import events
from turnosya.services.chat.sockets.connection import Connection
from turnosya.services.chat.sockets.engine import Engine

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
