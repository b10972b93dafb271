"""What a business keeps no longer: messages go after its days, and files learns of what was attached."""

from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import insert

from tests.chat.room import CONVERSATIONS, Room
from tests.servers import Servers
from tests.stage import a_stage, until
from turnosya.contracts.chat import DropOld
from turnosya.contracts.files import FileReleased
from turnosya.runtime.clock import real_now
from turnosya.runtime.ids import new_id
from turnosya.services.chat.service import service as chat
from turnosya.services.chat.tables import conversations, messages, shop_settings, shops


async def test_old_messages_go_and_their_attachments_are_released(servers: Servers) -> None:
    shop, conversation, client, file_id = (new_id() for _ in range(4))
    old, young = new_id(), new_id()
    heard: list[FileReleased] = []

    async def hear(event: FileReleased) -> None:
        heard.append(event)

    async with a_stage(servers, [chat]) as stage:
        await stage.bus.hear_every_copy(FileReleased, hear)
        db = stage.running["chat"].host.db
        now = real_now()
        line = {"conversation_id": conversation, "sender_id": client, "kind": "person", "text": None}
        async with db.transaction() as tx:
            await tx.execute(
                insert(shops).values(
                    id=shop, version=1, name="x", timezone="UTC", owner_id=client, people=[], is_open=True
                )
            )
            await tx.execute(insert(shop_settings).values(business_id=shop, keep_days=30))
            await tx.execute(
                insert(conversations).values(
                    id=conversation, business_id=shop, client_id=client, last_seq=2, created_at=now
                )
            )
            for seq, (message_id, days) in enumerate(((old, 31), (young, 29)), 1):
                await tx.execute(
                    insert(messages).values(
                        **line,
                        seq=seq,
                        id=message_id,
                        facts={"file": {"id": str(file_id)}},
                        client_message_id=str(seq),
                        sent_at=now - timedelta(days=days),
                    )
                )
        await stage.bus.call(DropOld())

        async def released() -> list[tuple[UUID, str]]:
            return [(one.file_id, one.by) for one in heard]

        assert await until(released, bool) == [(file_id, f"chat.message/{old}")]
        async with db.read() as tx:
            assert [row.id for row in await tx.execute(messages.select())] == [young]


@pytest.mark.asyncio(loop_scope="module")
async def test_what_is_kept_no_longer_is_not_unread_and_by_default_all_is_kept(room: Room) -> None:
    forgetful, other = await room.a_talk(), await room.a_talk()
    for talk in (forgetful, other):
        for number in range(4):
            await talk.sent(talk.client, str(number))
        await talk.read(talk.owner, 1)
    settings = f"/v1/chat/businesses/{forgetful.shop.id}/settings"
    assert (await room.ask(forgetful.owner, "PUT", settings, {"keep_days": 30})).status_code == 200
    await room.run("UPDATE messages SET sent_at = now() - interval '31 days' WHERE seq IN (1, 3)")
    await room.stage.bus.call(DropOld())
    await room.stage.bus.call(DropOld())

    for talk, there in ((forgetful, [4]), (other, [1, 2, 3, 4])):
        items = (await room.ask(talk.owner, "GET", f"{talk.path}/messages")).json()["items"]
        assert [one["seq"] for one in items] == there, "and a conversation has no hole"
        unread = sum(seq > 1 for seq in there)
        [listed] = (await room.ask(talk.owner, "GET", CONVERSATIONS)).json()["items"]
        assert (listed["unread_count"], listed["read_seq"], listed["last_seq"]) == (unread, 1, 4)
        assert (await talk.read(talk.owner, 2))["unread_count"] == min(unread, 2)
        assert await talk.sent(talk.client, "más") == 5
