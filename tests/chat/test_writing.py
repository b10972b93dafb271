"""What is written, marked and listed, over HTTP alone."""

import asyncio
import random
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import event

from tests.chat.room import CONVERSATIONS, Room, Talk, a_room
from tests.servers import Servers
from tests.stage import until
from turnosya.contracts.chat import GetHeld
from turnosya.contracts.files import FileFacts
from turnosya.runtime.ids import new_id
from turnosya.services.chat import erasure, writing
from turnosya.services.chat.store import messages
from turnosya.services.chat.store import shops as shop_store

pytestmark = pytest.mark.asyncio(loop_scope="module")


def a_file(room: Room, owner: UUID, conversation_id: UUID | None = None) -> FileFacts:
    """An upload that the file service knows."""
    file_id = new_id()
    room.files[file_id] = FileFacts(
        id=file_id, owner_id=owner, purpose="chat_attachment", business_id=None,
        conversation_id=conversation_id, content_type="image/jpeg", size_bytes=9, sha256="0" * 64,
        width=1, height=1, url=f"/v1/files/{file_id}", variants={},
    )  # fmt: skip
    return room.files[file_id]


async def test_a_stranger_learns_nothing_not_even_of_files(room: Room) -> None:
    talk, stranger = await room.a_talk(), new_id()
    for file_id in (new_id(), a_file(room, stranger).id, a_file(room, talk.client).id):
        answer = await talk.send(stranger, None, file_id=str(file_id))
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_only_ones_own_file_for_this_conversation_is_attached(room: Room) -> None:
    talk, other = await room.a_talk(), await room.a_talk()
    for file in (
        a_file(room, talk.owner),
        a_file(room, talk.client, other.id),
        a_file(room, talk.client).model_copy(update={"purpose": "user_photo"}),
    ):
        room.files[file.id] = file
        answer = await talk.send(talk.client, None, file_id=str(file.id))
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "file_id")


async def test_the_same_message_with_a_file_is_the_same_for_ever(room: Room) -> None:
    talk = await room.a_talk()
    file, other = a_file(room, talk.client), a_file(room, talk.client)
    first = await talk.send(talk.client, "mirá", "uno", file_id=str(file.id))
    del room.files[file.id]
    again = await talk.send(talk.client, "mirá", "uno", file_id=str(file.id))
    assert (first.status_code, again.status_code, again.json()) == (201, 200, first.json())
    assert first.json()["file"]["id"] == str(file.id)
    for words, changed in (
        ("mirá", {"file_id": str(other.id)}),
        ("mirá", {}),
        ("eso", {"file_id": str(file.id)}),
    ):
        assert (await talk.send(talk.client, words, "uno", **changed)).status_code == 409


async def test_the_same_message_sent_many_times_at_once_is_one(room: Room) -> None:
    talk = await room.a_talk()
    answers = await asyncio.gather(*(talk.send(talk.client, "Hola", "uno") for _ in range(8)))
    assert sorted(one.status_code for one in answers) == [200] * 7 + [201]
    assert {(one.json()["id"], one.json()["seq"]) for one in answers} == {(answers[0].json()["id"], 1)}
    sent = await asyncio.gather(*(talk.sent(who, "y") for who in [talk.client, talk.owner] * 6))
    assert sorted(sent) == list(range(2, 14))
    assert await recounted(talk, talk.client) == 13 - max(sent[0::2])


async def test_who_writes_too_fast_is_told_when_to_go_on(
    servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_room(servers, TURNOSYA_RATE_LIMITS="on") as room:
        talk = await room.a_talk()
        monkeypatch.setattr("turnosya.services.chat.context.monotonic", lambda: 1e9)
        for number in range(20):
            await talk.sent(talk.client, str(number))
        refused = await talk.send(talk.client, "uno más", "21")
        assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
        assert refused.headers["Retry-After"] == "1"
        # What was sent before is answered, others may write, and time helps.
        assert (await talk.send(talk.owner, "Ya va", "a")).status_code == 201
        assert (await talk.send(talk.owner, "Ya va", "a")).status_code == 200
        monkeypatch.setattr("turnosya.services.chat.context.monotonic", lambda: 1e9 + 0.25)
        assert (await talk.send(talk.client, "uno más", "21")).status_code == 201


async def test_a_message_has_words_and_at_most_4000_characters(room: Room) -> None:
    talk = await room.a_talk()
    assert (await talk.send(talk.client, "\N{ROCKET}" * 4000)).status_code == 201
    for words in ("x" * 4001, "", " \n\t ", None):
        answer = await talk.send(talk.client, words)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "text")
    for own_id in ("x" * 101, "a\x00b"):
        assert (await talk.send(talk.client, "Hola", own_id)).status_code == 422


async def test_who_is_blocked_while_they_send_is_refused(room: Room) -> None:
    talk = await room.a_talk()
    async with room.chat.db.transaction() as tx:
        await shop_store.block(tx, talk.shop.id, talk.client, side="business")
        await messages.touch_state(tx, talk.id)
        sending = asyncio.create_task(talk.send(talk.client, "Hola"))

        async def waiting_for_a_lock() -> int:
            return len(await room.rows("SELECT 1 FROM pg_locks WHERE NOT granted"))

        await until(waiting_for_a_lock, bool)
    assert (await sending).status_code == 403
    assert await room.rows("SELECT 1 FROM messages WHERE conversation_id = :id", id=talk.id) == []


async def test_marks_that_come_shuffled_and_repeated_only_rise(room: Room) -> None:
    talk = await room.a_talk()
    for number in range(20):
        await talk.sent(talk.client, str(number))
    dice = random.Random(8)
    marks = [*range(21), *dice.choices(range(40), k=40)]
    dice.shuffle(marks)
    for start in range(0, len(marks), 6):
        some = marks[start : start + 6]
        for asked, found in zip(
            some, await asyncio.gather(*(talk.read(talk.owner, one) for one in some)), strict=True
        ):
            assert found["seq"] >= min(asked, 20)
        highest = min(20, max(marks[: start + 6]))
        assert await recounted(talk, talk.owner) == 20 - highest
        mark = await room.rows("SELECT read_seq, delivered_seq FROM marks WHERE user_id = :id", id=talk.owner)
        assert [tuple(one) for one in mark] == [(highest, highest)]
    assert await recounted(talk, talk.client) == 0


async def recounted(talk: Talk, who: UUID) -> int:
    """The unread messages as counted in each place where they are, which is what is there after the mark."""
    [listed] = (await talk.room.ask(who, "GET", CONVERSATIONS)).json()["items"]
    whole = (await talk.room.ask(who, "GET", talk.path)).json()
    again = await talk.read(who, 0)
    [(count,)] = await talk.room.rows(
        "SELECT count(*) FROM messages WHERE conversation_id = :id AND seq > :seq",
        id=talk.id,
        seq=whole["read_seq"],
    )
    assert [listed["unread_count"], whole["unread_count"], again["unread_count"]] == [count] * 3
    return int(count)


async def test_delivered_marks_that_come_shuffled_only_rise_too(room: Room) -> None:
    talk = await room.a_talk()
    for number in range(5):
        await talk.sent(talk.client, str(number))
    reached = 0
    for seq in (3, 1, 3, 5, 2, 5, 4):
        async with room.chat.db.transaction() as tx:
            raised = await messages.note_delivered(tx, {(talk.id, talk.owner): seq})
        assert bool(raised) == (seq > reached)
        reached = max(reached, seq)
        [mark] = await room.rows(
            "SELECT read_seq, delivered_seq FROM marks WHERE user_id = :id", id=talk.owner
        )
        assert tuple(mark) == (0, reached)


async def test_a_suspended_business_takes_no_words_and_keeps_what_there_is(room: Room) -> None:
    talk = await room.a_talk()
    await talk.sent(talk.client, "Hola")
    await talk.becomes(suspended=True)

    async def answered() -> int:
        return (await talk.send(talk.client, "¿Hola?")).status_code

    await until(answered, lambda status: status == 403)
    assert (await talk.send(talk.owner, "Hola")).status_code == 403
    assert await writing.who_sees_typing(room.chat, talk.client, talk.id) == []
    items = (await room.ask(talk.client, "GET", f"{talk.path}/messages")).json()["items"]
    assert items[0]["text"] == "Hola"
    opened = await room.ask(new_id(), "POST", CONVERSATIONS, {"business_id": str(talk.shop.id)})
    assert opened.status_code == 404


async def test_who_works_there_no_longer_finds_nothing(room: Room) -> None:
    staff = new_id()
    talk = await room.a_talk(staff)
    await talk.sent(staff, "Hola, soy Ana")
    await talk.becomes(staff=[])

    async def answered() -> int:
        return (await room.ask(staff, "GET", talk.path)).status_code

    await until(answered, lambda status: status == 404)
    assert (await talk.send(staff, "¿Sigo?")).status_code == 404
    assert (await room.ask(staff, "GET", CONVERSATIONS)).json()["items"] == []
    assert (await room.ask(staff, "GET", "/v1/chat/search", params={"q": "Ana"})).json()["items"] == []


async def test_a_search_goes_on_where_it_left_off_and_finds_whole_words_in_any_order(room: Room) -> None:
    talk, other = await room.a_talk(), await room.a_talk()
    for number in range(25):
        await talk.sent(talk.client, f"Corte número {number} de pelo")
    await other.sent(other.client, "Otro corte de pelo")
    found: list[str] = []
    cursor: dict[str, str] = {}
    for _ in range(4):
        page = (
            await room.ask(
                talk.owner, "GET", "/v1/chat/search", params={"q": "PELO corte", "limit": 10, **cursor}
            )
        ).json()
        found += [one["text"] for one in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert found == [f"Corte número {number} de pelo" for number in range(24, -1, -1)]
    assert (await room.ask(talk.owner, "GET", "/v1/chat/search", params={"q": "cort"})).json()["items"] == []
    for bad in ("", " ", "x" * 201):
        assert (await room.ask(talk.owner, "GET", "/v1/chat/search", params={"q": bad})).status_code == 422


_MANY = """
    WITH made AS (
        INSERT INTO conversations (id, business_id, client_id, client_name, last_seq, last_at)
        SELECT gen_random_uuid(), :shop, gen_random_uuid(), 'Clara', 1, now() - number / 7 * interval '1 min'
        FROM generate_series(1, :count) AS number RETURNING id
    )
    INSERT INTO messages (conversation_id, seq, id, kind, text, sent_at)
    SELECT id, 1, gen_random_uuid(), 'person', 'Hola', now() FROM made
"""


async def test_two_thousand_conversations_come_in_pages_of_as_many_statements_as_few(room: Room) -> None:
    few, many = await room.a_talk(), await room.a_talk()
    await room.run(_MANY, shop=few.shop.id, count=2)
    await room.run(_MANY, shop=many.shop.id, count=1999)
    ran: list[str] = []

    def runs(_connection: object, _cursor: object, statement: str, *_: Any) -> None:  # noqa: ANN401 - its hook
        # The loops of the service go on meanwhile; of theirs none reads marks of one person.
        if "conversations" in statement or "messages" in statement:
            ran.append(statement)

    async def page(who: UUID, cursor: str | None) -> tuple[list[dict[str, Any]], str | None, int]:
        more = {} if cursor is None else {"cursor": cursor}
        ran.clear()
        answer = (await room.ask(who, "GET", CONVERSATIONS, params={"limit": 100, **more})).json()
        return answer["items"], answer["next_cursor"], len(ran)

    engine = room.chat.db.engine.sync_engine
    event.listen(engine, "before_cursor_execute", runs)
    try:
        items, _, of_few = await page(few.owner, None)
        assert len(items) == 3
        seen: list[dict[str, Any]] = []
        cursor, counts = None, set[int]()
        for _ in range(20):
            items, cursor, count = await page(many.owner, cursor)
            seen += items
            counts.add(count)
    finally:
        event.remove(engine, "before_cursor_execute", runs)
    assert (len({one["id"] for one in seen}), len(seen), cursor) == (2000, 2000, None)
    assert counts == {of_few}
    times = await room.rows(
        "SELECT id::text, last_at FROM conversations WHERE business_id = :id", id=many.shop.id
    )
    at = {one.id: one.last_at for one in times}
    assert [at[one["id"]] for one in seen] == sorted(at.values(), reverse=True)


async def test_an_export_holds_all_that_somebody_wrote_however_much_it_is(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erasure, "_EXPORTED", 3)
    first, second, other = await room.a_talk(), await room.a_talk(), new_id()
    for number in range(4):
        await first.sent(first.client, f"uno {number}")
        await first.sent(first.owner, "de otra persona")
    parts = [await room.stage.bus.call(GetHeld(user_id=first.client))]
    while (after := parts[-1].more_after) is not None:
        assert len(parts) < 5
        parts.append(await room.stage.bus.call(GetHeld(user_id=first.client, after=after)))
    assert [[one["text"] for one in part.records["messages"]] for part in parts] == [
        ["uno 3", "uno 2", "uno 1"],
        ["uno 0"],
    ]
    assert [[one["id"] for one in part.records["conversations"]] for part in parts] == [[str(first.id)], []]
    # Where the last part is full, another one is empty.
    await second.sent(second.client, "uno")
    monkeypatch.setattr(erasure, "_EXPORTED", 1)
    whole = await room.stage.bus.call(GetHeld(user_id=second.client))
    assert whole.more_after is not None
    rest = await room.stage.bus.call(GetHeld(user_id=second.client, after=whole.more_after))
    assert (rest.records["messages"], rest.more_after) == ([], None)
    assert (await room.stage.bus.call(GetHeld(user_id=other))).records["messages"] == []
