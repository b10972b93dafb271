"""Who is here is shown each message in its place, whoever comes in beside them and however slowly."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from tests.chat.room import Room, Talk
from tests.chat.test_connection import Overheard, nobody
from tests.stage import until
from turnosya.runtime.clock import real_now
from turnosya.runtime.identity import Caller
from turnosya.runtime.ids import new_id
from turnosya.services.chat import showing
from turnosya.services.chat.sockets.connection import Connection
from turnosya.services.chat.store import messages

pytestmark = pytest.mark.asyncio(loop_scope="module")


def a_socket(user_id: UUID) -> tuple[Connection, Overheard]:
    """One that has said who it belongs to, and what is said to it."""
    engine = Overheard()
    connection = Connection(engine, str(new_id()), "es", verify=nobody)
    expires_at = real_now() + timedelta(minutes=10)
    connection.belongs_to(Caller(user_id, new_id(), new_id(), 1, (), expires_at, token=""))
    return connection, engine


def shown(engine: Overheard) -> list[int]:
    """The numbers of the messages that it was shown."""
    return [data["seq"] for name, data in engine.events() if name == "message:new"]


async def shown_up_to(engine: Overheard, seq: int) -> list[int]:
    async def look() -> list[int]:
        return shown(engine)

    return await until(look, lambda found: seq in found)


async def test_who_came_in_while_another_was_coming_is_shown_every_message(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    talk, looks, may_look = await room.a_talk(), asyncio.Event(), asyncio.Event()
    versions_of = messages.versions_of

    async def slowly(*args: Any, **more: Any) -> Any:  # noqa: ANN401 - as it is
        looks.set()
        await may_look.wait()
        return await versions_of(*args, **more)

    slow, _ = a_socket(talk.client)
    quick, heard = a_socket(talk.owner)
    with monkeypatch.context() as held_up:
        held_up.setattr(messages, "versions_of", slowly)
        coming = asyncio.create_task(showing.begin(room.chat, slow))
        await looks.wait()
    await showing.begin(room.chat, quick)
    await talk.sent(talk.client, "uno")
    assert await shown_up_to(heard, 1) == [1]
    # The next is stored, and not shown yet, when the slow one sees that it is there.
    async with room.chat.live.one_at_a_time(talk.id):
        await talk.sent(talk.client, "dos")
        may_look.set()
        await coming
    await talk.sent(talk.client, "tres")
    assert await shown_up_to(heard, 3) == [1, 2, 3]
    await gone(room, talk, slow, quick)


async def test_who_comes_in_while_messages_are_read_is_shown_what_they_could_not_fetch(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    talk, reads, may_read = await room.a_talk(), asyncio.Event(), asyncio.Event()
    after = messages.after

    async def slowly(*args: Any, **more: Any) -> Any:  # noqa: ANN401 - as it is
        reads.set()
        await may_read.wait()
        return await after(*args, **more)

    first, heard_first = a_socket(talk.owner)
    second, heard_second = a_socket(talk.client)
    await showing.begin(room.chat, first)
    monkeypatch.setattr(messages, "after", slowly)
    await talk.sent(talk.client, "uno")
    await reads.wait()
    await showing.begin(room.chat, second)
    # What the second fetches now ends with the first message; the slow read will see this one, too.
    await talk.sent(talk.client, "dos")
    may_read.set()
    assert await shown_up_to(heard_first, 2) == [1, 2]
    assert 2 in await shown_up_to(heard_second, 2)
    await gone(room, talk, first, second)


async def gone(room: Room, talk: Talk, *connections: Connection) -> None:
    """They leave, and nobody is here any more."""
    for one in connections:
        room.chat.live.leave(one)
        one.forget_timers()
    assert room.chat.live.of([talk.owner, talk.client]) == []
