"""A person as such, and what is kept no longer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, delete, func, select, text, update

from turnosya.runtime.database import Transaction
from turnosya.services.chat.tables import blocks, conversations, marks, messages, reports, shops, waiting


async def written_by(
    tx: Transaction, user_id: UUID, *, after: UUID | None, limit: int
) -> Sequence[RowMapping]:
    """What somebody wrote, the latest first, from before the message ``after`` on."""
    wanted = (
        select(messages.c.id, messages.c.conversation_id, messages.c.text, messages.c.sent_at)
        .where(messages.c.sender_id == user_id)
        .order_by(messages.c.id.desc())
        .limit(limit)
    )
    if after is not None:
        wanted = wanted.where(messages.c.id < after)
    return (await tx.execute(wanted)).mappings().all()


async def conversations_of(tx: Transaction, user_id: UUID) -> Sequence[RowMapping]:
    """Somebody's conversations as a client, with the business's name."""
    wanted = (
        select(conversations.c.id, shops.c.name, conversations.c.created_at)
        .join(shops, shops.c.id == conversations.c.business_id)
        .where(conversations.c.client_id == user_id)
        .order_by(conversations.c.id)
    )
    return (await tx.execute(wanted)).mappings().all()


async def reported_by(tx: Transaction, user_id: UUID) -> Sequence[RowMapping]:
    """What somebody wanted an admin to look at, the latest first."""
    wanted = (
        select(reports.c.conversation_id, reports.c.reason, reports.c.created_at)
        .where(reports.c.user_id == user_id)
        .order_by(reports.c.id.desc())
    )
    return (await tx.execute(wanted)).mappings().all()


async def rename(tx: Transaction, user_id: UUID, name: str | None) -> None:
    """How businesses see a client."""
    await tx.execute(
        update(conversations)
        .where(conversations.c.client_id == user_id)
        .values(
            client_name=name,
            version=conversations.c.version + 1,
            state_version=conversations.c.version + 1,
            changed_at=func.clock_timestamp(),
        )
    )


_ERASE = text("""
    UPDATE messages m SET text = NULL, facts = NULL, sender_id = NULL, client_message_id = NULL,
        erased_version = c.version + 1
    FROM conversations c WHERE c.id = m.conversation_id AND m.sender_id = :user_id
""")
_GO_ON_WITHOUT = text("""
    UPDATE conversations SET client_name = CASE WHEN client_id = :user_id THEN NULL ELSE client_name END,
        version = version + 1, state_version = version + 1, changed_at = clock_timestamp()
    WHERE id = ANY(CAST(:conversation_ids AS uuid[]))
""")


async def forget(tx: Transaction, user_id: UUID) -> None:
    """What they wrote is deleted, and its numbers stay; nothing else names them."""
    # In the order of their ids: whoever sends waits for one of these at a time.
    locked = select(conversations.c.id).where(
        conversations.c.id.in_(select(messages.c.conversation_id).where(messages.c.sender_id == user_id))
        | (conversations.c.client_id == user_id)
    )
    found = await tx.execute(locked.order_by(conversations.c.id).with_for_update())
    conversation_ids = list(found.scalars())
    await tx.execute(_ERASE, {"user_id": user_id})
    await tx.execute(_GO_ON_WITHOUT, {"user_id": user_id, "conversation_ids": conversation_ids})
    for table, column in (
        (marks, marks.c.user_id),
        (waiting, waiting.c.user_id),
        (blocks, blocks.c.client_id),
        (reports, reports.c.user_id),
    ):
        await tx.execute(delete(table).where(column == user_id))


_TOO_OLD = text("""
    SELECT c.id, max(m.seq) AS seq
    FROM shop_settings s
    JOIN conversations c ON c.business_id = s.business_id
    JOIN messages m ON m.conversation_id = c.id
    WHERE m.sent_at < now() - make_interval(days => s.keep_days)
    GROUP BY c.id ORDER BY c.id LIMIT :limit
""")


async def too_old(tx: Transaction, *, limit: int) -> dict[UUID, int]:
    """Conversations with messages that their business wants to keep no longer, and the last such number.

    They are locked until the end of the transaction.
    """
    found = {row.id: row.seq for row in await tx.execute(_TOO_OLD, {"limit": limit})}
    locked = select(conversations.c.id).where(conversations.c.id.in_(found))
    await tx.execute(locked.order_by(conversations.c.id).with_for_update())
    return found


_NOTE_DROPPED = text("""
    UPDATE conversations c SET dropped_seq = greatest(c.dropped_seq, ended.seq)
    FROM unnest(CAST(:ids AS uuid[]), CAST(:seqs AS int[])) AS ended (id, seq) WHERE c.id = ended.id
""")
_DROP = text("""
    DELETE FROM messages m USING unnest(CAST(:ids AS uuid[]), CAST(:seqs AS int[])) AS ended (id, seq)
    WHERE m.conversation_id = ended.id AND m.seq <= ended.seq
    RETURNING m.id, m.facts
""").columns(messages.c.id, messages.c.facts)


async def drop(tx: Transaction, ends: Mapping[UUID, int]) -> list[tuple[UUID, Mapping[str, Any] | None]]:
    """Deletes everything up to these numbers: the messages, and what was kept beside their words."""
    values = {"ids": list(ends), "seqs": list(ends.values())}
    await tx.execute(_NOTE_DROPPED, values)
    return [(row.id, row.facts) for row in await tx.execute(_DROP, values)]
