"""A message in two round trips: a look without locks, and a write that stands if all is still so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

import asyncpg
from sqlalchemy import Text, Uuid, bindparam, exists, text

from turnosya.runtime.database import Statements
from turnosya.services.chat.state import Conversation, Line
from turnosya.services.chat.store.messages import conversation_of, line_of, with_shop
from turnosya.services.chat.tables import blocks, conversations, messages, shop_settings


@dataclass(frozen=True, slots=True)
class Seen:
    """What decides whether somebody may write."""

    conversation: Conversation
    known: Line | None
    """What they sent under this id before."""
    is_blocked: bool
    away_message: str | None


_IS_BLOCKED = exists().where(
    blocks.c.business_id == conversations.c.business_id, blocks.c.client_id == conversations.c.client_id
)
_LOOK = (
    with_shop()
    .add_columns(*messages.c, _IS_BLOCKED.label("is_blocked"), shop_settings.c.away_message)
    .outerjoin(
        messages,
        (messages.c.conversation_id == conversations.c.id)
        & (messages.c.sender_id == bindparam("sender_id", type_=Uuid))
        & (messages.c.client_message_id == bindparam("own_id", type_=Text)),
    )
    .outerjoin(shop_settings, shop_settings.c.business_id == conversations.c.business_id)
    .where(conversations.c.id == bindparam("conversation_id", type_=Uuid))
)


async def look(
    statements: Statements, conversation_id: UUID, sender_id: UUID, client_message_id: str
) -> Seen | None:
    """None if there is no such conversation."""
    values = {"conversation_id": conversation_id, "sender_id": sender_id, "own_id": client_message_id}
    rows = await statements.rows(_LOOK, values)
    if not rows:
        return None
    known = None if rows[0].id is None else line_of(rows[0])
    return Seen(conversation_of(rows[0]), known, rows[0].is_blocked, rows[0].away_message)


# Whoever opens, blocks or renames raises ``state_version``, and then nothing is written here; the same
# message sent twice at once breaks ``sent_once``, and the second writes nothing either. The row of the
# conversation is the lock: what the other parts write waits for it.
_WRITE = text("""
    WITH moved AS (
        UPDATE conversations SET last_seq = last_seq + 1, version = version + 1,
            last_at = CAST(:sent_at AS timestamptz), changed_at = clock_timestamp()
        WHERE id = CAST(:conversation_id AS uuid) AND state_version = CAST(:state_version AS bigint)
        RETURNING id, last_seq, version
    ), written AS (
        INSERT INTO messages (conversation_id, seq, id, sender_id, kind, text, client_message_id, sent_at)
        SELECT moved.id, moved.last_seq, CAST(:id AS uuid), CAST(:sender_id AS uuid), 'person',
            CAST(:text AS text), CAST(:own_id AS text), CAST(:sent_at AS timestamptz)
        FROM moved
    ), has_read AS (
        INSERT INTO marks AS m (conversation_id, user_id, read_seq, delivered_seq, version, delivered_version)
        SELECT id, CAST(:sender_id AS uuid), last_seq, last_seq, version, version FROM moved
        ON CONFLICT (conversation_id, user_id) DO UPDATE
            SET read_seq = excluded.read_seq, delivered_seq = excluded.delivered_seq,
                version = excluded.version, delivered_version = excluded.delivered_version
    ), told_no_longer AS (
        UPDATE waiting w SET told = false, due_at = CAST(:due_at AS timestamptz) FROM moved
        WHERE w.conversation_id = moved.id AND w.user_id = CAST(:sender_id AS uuid)
    ), waits AS (
        INSERT INTO waiting (conversation_id, user_id, seq, due_at)
        SELECT moved.id, other, moved.last_seq, CAST(:due_at AS timestamptz)
        FROM moved, unnest(CAST(:others AS uuid[])) AS other
        ORDER BY other
        ON CONFLICT DO NOTHING
    )
    SELECT last_seq FROM moved
""")


async def write(
    statements: Statements,
    conversation: Conversation,
    line: Line,
    others: Sequence[UUID],
    *,
    due_at: datetime,
) -> Line | None:
    """The line with its number; None if not all is still so, and then nothing was written."""
    values = {
        "conversation_id": conversation.id,
        "state_version": conversation.state_version,
        "id": line.id,
        "sender_id": line.sender_id,
        "text": line.text,
        "own_id": line.client_message_id,
        "sent_at": line.sent_at,
        "due_at": due_at,
        "others": list(others),
    }
    try:
        rows = await statements.rows(_WRITE, values)
    except asyncpg.UniqueViolationError:
        return None
    return replace(line, seq=rows[0].last_seq) if rows else None
