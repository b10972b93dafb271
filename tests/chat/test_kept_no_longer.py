"""What a business keeps no longer: messages go after its days, and files learns of what was attached."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import insert

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
