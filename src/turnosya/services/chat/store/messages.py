"""Conversations, messages and marks: one conversation at a time, under its lock."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Integer, Select, bindparam, func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from turnosya.runtime.database import Statements, Transaction
from turnosya.runtime.ids import new_id
from turnosya.services.chat.state import Conversation, Line, Mark, NewLine
from turnosya.services.chat.store.shops import shop_columns, shop_of
from turnosya.services.chat.tables import blocks, conversations, marks, messages, shops

_OF_CONVERSATION = [column.label(f"c_{column.name}") for column in conversations.c]


_OF_LINE = [one.name for one in fields(Line)]


def with_shop() -> Select[Any]:
    """Every conversation beside its business."""
    return select(*_OF_CONVERSATION, *shop_columns()).join_from(
        conversations, shops, shops.c.id == conversations.c.business_id
    )


def conversation_of(row: Any) -> Conversation:  # noqa: ANN401 - of SQLAlchemy or of the driver
    """A row of ``with_shop``."""
    return Conversation(
        id=row.c_id,
        shop=shop_of(row),
        client_id=row.c_client_id,
        client_name=row.c_client_name,
        last_seq=row.c_last_seq,
        version=row.c_version,
        state_version=row.c_state_version,
        last_at=row.c_last_at,
        created_at=row.c_created_at,
        away_told_at=row.c_away_told_at,
        dropped_seq=row.c_dropped_seq,
    )


def line_of(row: Any) -> Line:  # noqa: ANN401 - of SQLAlchemy or of the driver
    """A row of ``messages``."""
    return Line(
        id=row.id,
        conversation_id=row.conversation_id,
        seq=row.seq,
        sender_id=row.sender_id,
        kind=row.kind,
        text=row.text,
        # The driver leaves JSON as it is.
        facts=json.loads(row.facts) if isinstance(row.facts, str) else row.facts,
        client_message_id=row.client_message_id,
        sent_at=row.sent_at,
    )


_FIND = with_shop().where(conversations.c.id == bindparam("conversation_id"))


async def find(tx: Statements, conversation_id: UUID) -> Conversation | None:
    """One conversation."""
    rows = await tx.rows(_FIND, {"conversation_id": conversation_id})
    return conversation_of(rows[0]) if rows else None


async def lock(tx: Transaction, conversation_id: UUID) -> Conversation | None:
    """The same; nobody else writes in it until this transaction ends."""
    wanted = with_shop().where(conversations.c.id == conversation_id)
    return await _first(tx, wanted.with_for_update(of=conversations))


async def find_pair(tx: Transaction, business_id: UUID, client_id: UUID) -> Conversation | None:
    """The one conversation of a client with a business."""
    wanted = with_shop().where(
        conversations.c.business_id == business_id, conversations.c.client_id == client_id
    )
    return await _first(tx, wanted)


async def _first(tx: Transaction, statement: Select[Any]) -> Conversation | None:
    row = (await tx.execute(statement)).first()
    return None if row is None else conversation_of(row)


async def open_pair(tx: Transaction, business_id: UUID, client_id: UUID, *, client_name: str | None) -> bool:
    """Makes it unless it is there; whether it was made now."""
    values = {
        "id": new_id(),
        "business_id": business_id,
        "client_id": client_id,
        "client_name": client_name,
    }
    made = await tx.execute(
        insert(conversations).values(values).on_conflict_do_nothing().returning(conversations.c.id)
    )
    return made.first() is not None


async def takes_words(tx: Transaction, conversation: Conversation) -> bool:
    """Whether somebody may write in it: the business is there, and neither side has blocked the other."""
    if not conversation.shop.is_open:
        return False
    pair = (blocks.c.business_id == conversation.shop.id) & (blocks.c.client_id == conversation.client_id)
    return (await tx.execute(select(blocks.c.side).where(pair))).first() is None


async def find_sent(
    tx: Transaction, conversation_id: UUID, sender_id: UUID, client_message_id: str
) -> Line | None:
    """What somebody sent under this id of theirs."""
    found = await tx.execute(
        select(messages).where(
            messages.c.conversation_id == conversation_id,
            messages.c.sender_id == sender_id,
            messages.c.client_message_id == client_message_id,
        )
    )
    row = found.first()
    return None if row is None else line_of(row)


async def add(tx: Transaction, conversation_id: UUID, new: NewLine, *, sent_at: datetime) -> Line:
    """Gives it the conversation's next number. Hold the conversation's lock."""
    moved = await tx.execute(
        update(conversations)
        .where(conversations.c.id == conversation_id)
        .values(
            last_seq=conversations.c.last_seq + 1,
            version=conversations.c.version + 1,
            last_at=sent_at,
            changed_at=func.clock_timestamp(),
        )
        .returning(conversations.c.last_seq)
    )
    line = Line(
        id=new_id(),
        conversation_id=conversation_id,
        seq=moved.scalar_one(),
        sender_id=new.sender_id,
        kind=new.kind,
        text=new.text,
        facts=new.facts,
        client_message_id=new.client_message_id,
        sent_at=sent_at,
    )
    await tx.execute(messages.insert().values({name: getattr(line, name) for name in _OF_LINE}))
    return line


_RAISE = text("""
    INSERT INTO marks AS m (conversation_id, user_id, read_seq, delivered_seq, version, delivered_version)
    VALUES (:conversation_id, :user_id, :read, :read, :version, :version)
    ON CONFLICT (conversation_id, user_id) DO UPDATE
        SET read_seq = greatest(m.read_seq, excluded.read_seq),
            delivered_seq = greatest(m.delivered_seq, excluded.delivered_seq),
            delivered_version = CASE WHEN m.delivered_seq < excluded.delivered_seq
                THEN excluded.delivered_version ELSE m.delivered_version END,
            version = excluded.version
        WHERE m.read_seq < excluded.read_seq
    RETURNING 1
""")


async def raise_mark(tx: Transaction, conversation: Conversation, user_id: UUID, *, read: int) -> bool:
    """Raises how far somebody has read, and with it what reached them; whether it rose.

    Hold the conversation's lock, and call it before ``add`` of the same transaction or after: the version
    that it gives is the one that ``touch`` or ``add`` makes.
    """
    raised = await tx.execute(
        _RAISE,
        {
            "conversation_id": conversation.id,
            "user_id": user_id,
            "read": read,
            "version": conversation.version + 1,
        },
    )
    return raised.first() is not None


async def touch(tx: Transaction, conversation_id: UUID) -> None:
    """A mark of it has risen. Hold its lock."""
    await tx.execute(
        update(conversations)
        .where(conversations.c.id == conversation_id)
        .values(version=conversations.c.version + 1, changed_at=func.clock_timestamp())
    )


async def touch_state(tx: Transaction, conversation_id: UUID) -> None:
    """What it is has changed: it was opened, blocked or unblocked."""
    await tx.execute(
        update(conversations)
        .where(conversations.c.id == conversation_id)
        .values(
            version=conversations.c.version + 1,
            state_version=conversations.c.version + 1,
            changed_at=func.clock_timestamp(),
        )
    )


_DELIVERED = text("""
    WITH reached AS (
        SELECT r.* FROM unnest(CAST(:conversation_ids AS uuid[]), CAST(:user_ids AS uuid[]),
                               CAST(:seqs AS int[])) AS r (conversation_id, user_id, seq)
        LEFT JOIN marks m ON m.conversation_id = r.conversation_id AND m.user_id = r.user_id
        WHERE coalesce(m.delivered_seq, 0) < r.seq
    ), moved AS (
        UPDATE conversations SET version = version + 1, changed_at = clock_timestamp()
        WHERE id IN (SELECT conversation_id FROM reached) RETURNING id, version
    )
    INSERT INTO marks AS m (conversation_id, user_id, delivered_seq, delivered_version)
    SELECT r.conversation_id, r.user_id, r.seq, moved.version
    FROM reached r JOIN moved ON moved.id = r.conversation_id
    ON CONFLICT (conversation_id, user_id) DO UPDATE
        SET delivered_seq = excluded.delivered_seq, delivered_version = excluded.delivered_version
    RETURNING m.conversation_id
""")


async def note_delivered(tx: Transaction, reached: Mapping[tuple[UUID, UUID], int]) -> set[UUID]:
    """Raises how far messages have reached members, by conversation and member; where a mark rose."""
    ordered = sorted(reached.items())
    # In one order in every copy, so that two of them never wait for each other; whoever sends waits for one.
    locked = select(conversations.c.id).where(conversations.c.id.in_({one for one, _ in reached}))
    await tx.execute(locked.order_by(conversations.c.id).with_for_update())
    raised = await tx.execute(
        _DELIVERED,
        {
            "conversation_ids": [conversation_id for (conversation_id, _), _ in ordered],
            "user_ids": [user_id for (_, user_id), _ in ordered],
            "seqs": [seq for _, seq in ordered],
        },
    )
    return set(raised.scalars())


async def read_seq(tx: Transaction, conversation_id: UUID, user_id: UUID) -> int:
    """How far somebody has read."""
    found = await tx.execute(
        select(marks.c.read_seq).where(marks.c.conversation_id == conversation_id, marks.c.user_id == user_id)
    )
    return found.scalar() or 0


_MARKS = (
    select(marks)
    .where(
        marks.c.conversation_id == bindparam("conversation_id"),
        (marks.c.version > bindparam("above_version"))
        | (marks.c.delivered_version > bindparam("above_version")),
    )
    .order_by(marks.c.version, marks.c.user_id)
)


async def marks_of(tx: Statements, conversation_id: UUID, *, above_version: int = -1) -> list[Mark]:
    """How far its members have come, of those whose mark rose after a version."""
    values = {"conversation_id": conversation_id, "above_version": above_version}
    return [
        Mark(
            row.user_id,
            row.read_seq,
            row.delivered_seq,
            read_version=row.version,
            delivered_version=row.delivered_version,
        )
        for row in await tx.rows(_MARKS, values)
    ]


_AFTER = (
    select(messages)
    .where(
        messages.c.conversation_id == bindparam("conversation_id"), messages.c.seq > bindparam("after_seq")
    )
    .order_by(messages.c.seq)
    .limit(bindparam("at_most", type_=Integer))
)


async def after(tx: Statements, conversation_id: UUID, seq: int, *, limit: int) -> list[Line]:
    """What came after a number, in order."""
    values = {"conversation_id": conversation_id, "after_seq": seq, "at_most": limit}
    return [line_of(row) for row in await tx.rows(_AFTER, values)]


async def erased_after(tx: Transaction, conversation_id: UUID, version: int) -> list[int]:
    """Numbers of the messages whose words went after a version, in order."""
    found = await tx.execute(
        select(messages.c.seq)
        .where(messages.c.conversation_id == conversation_id, messages.c.erased_version > version)
        .order_by(messages.c.seq)
    )
    return list(found.scalars())


async def before(tx: Transaction, conversation_id: UUID, seq: int | None, *, limit: int) -> list[Line]:
    """The last that came before a number, or at all; in order."""
    wanted = select(messages).where(messages.c.conversation_id == conversation_id)
    if seq is not None:
        wanted = wanted.where(messages.c.seq < seq)
    found = await tx.execute(wanted.order_by(messages.c.seq.desc()).limit(limit))
    return [line_of(row) for row in found][::-1]


async def note_away(tx: Transaction, conversation_id: UUID, at: datetime) -> None:
    """The client was told that nobody is there."""
    await tx.execute(
        update(conversations).where(conversations.c.id == conversation_id).values(away_told_at=at)
    )


_VERSIONS = text("""
    SELECT c.id, c.version, c.last_seq,
           c.client_id = ANY(CAST(:others AS uuid[])) OR s.people && CAST(:others AS uuid[]) AS is_watched
    FROM conversations c JOIN shops s ON s.id = c.business_id
    WHERE c.client_id = :user_id OR c.business_id = ANY(CAST(:shop_ids AS uuid[]))
""")


async def versions_of(
    tx: Transaction, user_id: UUID, shop_ids: Sequence[UUID], *, others: Sequence[UUID]
) -> list[tuple[UUID, int, int, bool]]:
    """Id, version and last number of each conversation of somebody; whether one of ``others`` is in it."""
    found = await tx.execute(
        _VERSIONS, {"user_id": user_id, "shop_ids": list(shop_ids), "others": list(others)}
    )
    return [(row.id, row.version, row.last_seq, row.is_watched) for row in found]


_CHANGED = text("""
    SELECT c.id, c.version FROM conversations c
    WHERE c.changed_at > now() - make_interval(secs => :within_s)
      AND (c.client_id = ANY(CAST(:user_ids AS uuid[]))
           OR c.business_id IN (SELECT id FROM shops WHERE people && CAST(:user_ids AS uuid[])))
""")


async def changed_lately(
    tx: Transaction, user_ids: Sequence[UUID], *, within_s: float
) -> list[tuple[UUID, int]]:
    """Id and version of what changed in the last seconds for any of these people."""
    found = await tx.execute(_CHANGED, {"within_s": within_s, "user_ids": list(user_ids)})
    return [(row.id, row.version) for row in found]
