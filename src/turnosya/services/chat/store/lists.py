"""What members are shown: their conversations, found words, reports; and who is told that something waits."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, delete, func, select, text, tuple_
from sqlalchemy.dialects.postgresql import insert

from turnosya.runtime.database import Transaction
from turnosya.runtime.ids import new_id
from turnosya.services.chat.state import Conversation, Line, Listed
from turnosya.services.chat.store.messages import conversation_of, line_of, with_shop
from turnosya.services.chat.tables import conversations, marks, messages, reports, waiting


async def of_person(
    tx: Transaction,
    user_id: UUID,
    shop_ids: Sequence[UUID],
    *,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> list[Listed]:
    """Somebody's conversations, the one with the latest message first."""
    statement = (
        with_shop()
        .add_columns(func.coalesce(marks.c.read_seq, 0).label("read_seq"))
        .outerjoin(marks, (marks.c.conversation_id == conversations.c.id) & (marks.c.user_id == user_id))
        .where((conversations.c.client_id == user_id) | conversations.c.business_id.in_(shop_ids))
        .order_by(conversations.c.last_at.desc(), conversations.c.id.desc())
        .limit(limit)
    )
    if after is not None:
        statement = statement.where(tuple_(conversations.c.last_at, conversations.c.id) < tuple_(*after))
    rows = (await tx.execute(statement)).all()
    last = await _last_lines(tx, [(row.c_id, row.c_last_seq) for row in rows])
    return [Listed(conversation_of(row), row.read_seq, last.get(row.c_id)) for row in rows]


async def one(tx: Transaction, conversation: Conversation, user_id: UUID) -> Listed:
    """One of them."""
    read = await tx.execute(
        select(marks.c.read_seq).where(marks.c.conversation_id == conversation.id, marks.c.user_id == user_id)
    )
    last = await _last_lines(tx, [(conversation.id, conversation.last_seq)])
    return Listed(conversation, read.scalar() or 0, last.get(conversation.id))


async def _last_lines(tx: Transaction, ends: Sequence[tuple[UUID, int]]) -> dict[UUID, Line]:
    if not ends:
        return {}
    wanted = select(messages).where(tuple_(messages.c.conversation_id, messages.c.seq).in_(ends))
    return {row.conversation_id: line_of(row) for row in await tx.execute(wanted)}


async def search(
    tx: Transaction,
    user_id: UUID,
    shop_ids: Sequence[UUID],
    words: str,
    *,
    after: UUID | None,
    limit: int,
) -> list[Line]:
    """Messages of somebody's conversations with all these words in any case, the latest first."""
    words_in = func.to_tsvector(text("'simple'"), func.coalesce(messages.c.text, ""))
    statement = (
        select(messages)
        .join(conversations, conversations.c.id == messages.c.conversation_id)
        .where(
            (conversations.c.client_id == user_id) | conversations.c.business_id.in_(shop_ids),
            words_in.op("@@")(func.plainto_tsquery(text("'simple'"), words)),
        )
        .order_by(messages.c.id.desc())
        .limit(limit)
    )
    if after is not None:
        statement = statement.where(messages.c.id < after)
    return [line_of(row) for row in await tx.execute(statement)]


# --- who is told that something waits


async def wait(tx: Transaction, line: Line, user_ids: Sequence[UUID], *, due_at: datetime) -> None:
    """Remembers that these have something to read; who was told of an earlier one is not told again."""
    if user_ids:
        values = [
            {"conversation_id": line.conversation_id, "user_id": one, "seq": line.seq, "due_at": due_at}
            for one in sorted(user_ids)
        ]
        await tx.execute(insert(waiting).values(values).on_conflict_do_nothing())


async def has_read(
    tx: Transaction, conversation_id: UUID, user_id: UUID, seq: int, *, look_at: datetime
) -> None:
    """Whoever was told and has read up to there is told again of what they have not; looked at then."""
    await tx.execute(
        waiting.update()
        .where(
            waiting.c.conversation_id == conversation_id,
            waiting.c.user_id == user_id,
            waiting.c.seq <= seq,
            waiting.c.told,
        )
        .values(told=False, due_at=look_at)
    )


_WAITED_IN = text("""
    SELECT conversation_id FROM waiting WHERE NOT told AND due_at <= now()
    GROUP BY conversation_id ORDER BY min(due_at) LIMIT :limit
""")


async def waited_in(tx: Transaction, *, limit: int) -> list[UUID]:
    """Conversations in which somebody may have to be told now, who has waited longest first."""
    return list((await tx.execute(_WAITED_IN, {"limit": limit})).scalars())


# Neither lines of the system nor one's own words are told of, and automatic ones only to the client.
_DUE = text("""
    SELECT w.user_id, w.seq, m.seq AS missing_seq, m.sender_id, m.sent_at
    FROM waiting w
    LEFT JOIN marks k ON k.conversation_id = w.conversation_id AND k.user_id = w.user_id
    LEFT JOIN LATERAL (
        SELECT seq, sender_id, sent_at FROM messages
        WHERE conversation_id = w.conversation_id AND seq >= w.seq AND seq > coalesce(k.delivered_seq, 0)
            AND kind <> 'system' AND sender_id IS DISTINCT FROM w.user_id
            AND (kind = 'person' OR w.user_id = :client_id)
        ORDER BY seq LIMIT 1
    ) m ON true
    WHERE w.conversation_id = :conversation_id AND NOT w.told AND w.due_at <= now()
    ORDER BY w.user_id
""")


async def due(tx: Transaction, conversation: Conversation) -> Sequence[RowMapping]:
    """Who is to be looked at now, with the first message that has not reached them, if there is one.

    Hold the conversation's lock: what is being sent there counts.
    """
    values = {"conversation_id": conversation.id, "client_id": conversation.client_id}
    return (await tx.execute(_DUE, values)).mappings().all()


async def note_told(tx: Transaction, conversation_id: UUID, user_id: UUID) -> None:
    """They were told, and are not again until they have read."""
    await tx.execute(
        waiting.update()
        .where(waiting.c.conversation_id == conversation_id, waiting.c.user_id == user_id)
        .values(told=True)
    )


async def wait_for(
    tx: Transaction, conversation_id: UUID, user_id: UUID, *, seq: int, due_at: datetime
) -> None:
    """What they waited for has arrived; they wait for a later one."""
    await tx.execute(
        waiting.update()
        .where(waiting.c.conversation_id == conversation_id, waiting.c.user_id == user_id)
        .values(seq=seq, due_at=due_at)
    )


async def wait_no_more(tx: Transaction, conversation_id: UUID, user_id: UUID) -> None:
    """All of it has arrived; the next one is looked at anew."""
    await tx.execute(
        delete(waiting).where(waiting.c.conversation_id == conversation_id, waiting.c.user_id == user_id)
    )


# --- reports


async def report(
    tx: Transaction, conversation_id: UUID, reporter_id: UUID, *, reason: str, seq: int | None
) -> UUID:
    """Keeps what somebody wants an admin to look at."""
    report_id = new_id()
    values: dict[str, Any] = {
        "id": report_id,
        "conversation_id": conversation_id,
        "user_id": reporter_id,
        "reason": reason,
        "seq": seq,
    }
    await tx.execute(reports.insert().values(values))
    return report_id


async def reported(tx: Transaction, *, after: UUID | None, limit: int) -> Sequence[RowMapping]:
    """Reports with the text they are about, the latest first."""
    statement = (
        select(reports, messages.c.text.label("message_text"))
        .outerjoin(
            messages,
            (messages.c.conversation_id == reports.c.conversation_id) & (messages.c.seq == reports.c.seq),
        )
        .order_by(reports.c.id.desc())
        .limit(limit)
    )
    if after is not None:
        statement = statement.where(reports.c.id < after)
    return (await tx.execute(statement)).mappings().all()
