"""Who is not there is told once until they have read, whatever else happens in those seconds."""

import asyncio

import pytest

from tests.chat.room import Room, Talk
from tests.stage import until
from turnosya.contracts.chat import MessageWaiting
from turnosya.runtime.ids import new_id
from turnosya.services.chat import telling, writing
from turnosya.services.chat.state import NewLine
from turnosya.services.chat.store import messages

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def told(talk: Talk) -> list[MessageWaiting]:
    """What was told of this conversation once everything that waits is due, twice over."""
    for _ in range(2):
        await talk.room.run("UPDATE waiting SET due_at = now() - interval '1 s'")
        await telling.tell_due(talk.room.chat)

    async def all_told() -> int:
        return len(await talk.room.rows("SELECT 1 FROM outbox"))

    await until(all_told, lambda left: left == 0)
    return [one for one in talk.room.told if one.conversation_id == talk.id]


async def arrives(talk: Talk, seq: int) -> None:
    """A socket of the owner was handed everything up to there."""
    async with talk.room.chat.db.transaction() as tx:
        await messages.note_delivered(tx, {(talk.id, talk.owner): seq})


async def test_who_gets_one_message_and_leaves_is_told_of_the_next(room: Room) -> None:
    talk = await room.a_talk()
    await arrives(talk, await talk.sent(talk.client, "uno"))
    await talk.sent(talk.client, "dos")
    [found] = await told(talk)
    assert (found.user_id, found.sender_id, found.from_business) == (talk.owner, talk.client, False)


async def test_what_comes_between_fetching_and_reading_is_told_of(room: Room) -> None:
    talk = await room.a_talk()
    await talk.sent(talk.client, "uno")
    assert len(await told(talk)) == 1
    await talk.sent(talk.client, "dos")
    assert len(await told(talk)) == 1, "told of, and not read yet"
    await talk.read(talk.owner, 1)
    assert len(await told(talk)) == 2
    await talk.read(talk.owner, 2)
    assert len(await told(talk)) == 2
    await talk.sent(talk.client, "tres")
    assert len(await told(talk)) == 3


async def test_who_reads_it_in_time_or_has_a_socket_is_not_told(room: Room) -> None:
    talk = await room.a_talk()
    await talk.read(talk.owner, await talk.sent(talk.client, "uno"))
    await arrives(talk, await talk.sent(talk.client, "dos"))
    assert await told(talk) == []
    assert await room.rows("SELECT 1 FROM waiting WHERE conversation_id = :id", id=talk.id) == []


async def test_each_member_is_told_and_who_works_there_no_longer_is_not(room: Room) -> None:
    leaving, staying = new_id(), new_id()
    talk = await room.a_talk(leaving, staying)
    await talk.sent(talk.client, "uno")
    await talk.becomes(staff=[one for one in talk.shop.staff if one.user_id != leaving])

    async def people() -> list[object]:
        return list((await room.rows("SELECT people FROM shops WHERE id = :id", id=talk.shop.id))[0].people)

    await until(people, lambda found: leaving not in found)
    assert {one.user_id for one in await told(talk)} == {talk.owner, staying}


async def test_neither_ones_own_words_nor_lines_of_the_system_are_told_of(room: Room) -> None:
    talk = await room.a_talk()
    await arrives(talk, await talk.sent(talk.client, "uno"))
    async with room.chat.db.transaction() as tx:
        conversation = await messages.lock(tx, talk.id)
        assert conversation is not None
        await writing.add(room.chat, tx, conversation, NewLine("automatic", text="Está cerrado."))
    await talk.read(talk.client, 2)
    await talk.sent(talk.owner, "tres")
    await talk.read(talk.client, 3)
    assert await told(talk) == []


async def test_what_is_being_sent_while_the_others_are_told_is_not_forgotten(room: Room) -> None:
    talk = await room.a_talk()
    await arrives(talk, await talk.sent(talk.client, "uno"))
    await room.run("UPDATE waiting SET due_at = now() - interval '1 s'")
    async with room.chat.db.transaction() as tx:
        conversation = await messages.lock(tx, talk.id)
        assert conversation is not None
        new = NewLine("person", talk.client, "dos", client_message_id="dos")
        await writing.add(room.chat, tx, conversation, new)
        telling_them = asyncio.create_task(telling.tell_due(room.chat))

        async def waiting_for_a_lock() -> int:
            return len(await room.rows("SELECT 1 FROM pg_locks WHERE NOT granted"))

        await until(waiting_for_a_lock, bool)
    await telling_them
    assert [one.user_id for one in await told(talk)] == [talk.owner]
