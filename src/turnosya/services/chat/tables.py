"""The tables of chat."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

metadata = MetaData()

# A copy of what business says, with what it set for its conversations.
shops = Table(
    "shops",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("timezone", Text, nullable=False),
    Column("owner_id", Uuid, nullable=False),
    # The owner and the members with an account: who reads and writes for it.
    Column("people", ARRAY(Uuid), nullable=False),
    Column("is_open", Boolean, nullable=False),
)
Index("shops_people", shops.c.people, postgresql_using="gin")

shop_settings = Table(
    "shop_settings",
    metadata,
    Column("business_id", Uuid, primary_key=True),
    Column("greeting", Text),
    Column("away_message", Text),
    Column("quick_replies", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("keep_days", Integer),
)

conversations = Table(
    "conversations",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("business_id", Uuid, nullable=False),
    Column("client_id", Uuid, nullable=False),
    Column("client_name", Text),
    Column("last_seq", Integer, nullable=False, server_default="0"),
    # Rises with every message and mark: what a copy of this service compares with what it has shown.
    Column("version", BigInteger, nullable=False, server_default="0"),
    # The one with which it was last opened, blocked or unblocked, its client renamed or somebody erased.
    Column("state_version", BigInteger, nullable=False, server_default="0"),
    Column("last_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("changed_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("away_told_at", DateTime(timezone=True)),
    # Up to there its messages are kept no longer.
    Column("dropped_seq", Integer, nullable=False, server_default="0"),
    UniqueConstraint("business_id", "client_id", name="one_conversation_each"),
)
Index("conversations_of_business", conversations.c.business_id, conversations.c.last_at, conversations.c.id)
Index("conversations_of_client", conversations.c.client_id, conversations.c.last_at, conversations.c.id)
Index("conversations_changed", conversations.c.changed_at)

messages = Table(
    "messages",
    metadata,
    Column("conversation_id", Uuid, ForeignKey("conversations.id"), primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("id", Uuid, nullable=False, unique=True),
    # Null: a line of the system, or an automatic message of the business.
    Column("sender_id", Uuid),
    Column("kind", Text, nullable=False),
    Column("text", Text),
    # What a line of the system says, in whichever language it is read; what a person attached.
    Column("facts", JSONB(none_as_null=True)),
    Column("client_message_id", Text),
    Column("sent_at", DateTime(timezone=True), nullable=False),
    # The conversation's version with which its words went, as their sender's account did.
    Column("erased_version", BigInteger),
    UniqueConstraint("conversation_id", "sender_id", "client_message_id", name="sent_once"),
    CheckConstraint("kind IN ('person', 'automatic', 'system')", name="known_kind"),
)
Index("messages_written_by", messages.c.sender_id, messages.c.id)
Index(
    "messages_words",
    func.to_tsvector(text("'simple'"), func.coalesce(messages.c.text, "")),
    postgresql_using="gin",
)

marks = Table(
    "marks",
    metadata,
    Column("conversation_id", Uuid, ForeignKey("conversations.id"), primary_key=True),
    Column("user_id", Uuid, primary_key=True),
    Column("read_seq", Integer, nullable=False, server_default="0"),
    Column("delivered_seq", Integer, nullable=False, server_default="0"),
    # Those of the conversation when each of them last rose.
    Column("version", BigInteger, nullable=False, server_default="0"),
    Column("delivered_version", BigInteger, nullable=False, server_default="0"),
)
Index("marks_of_user", marks.c.user_id)

# Who is to be told by notification that something waits, and when; gone once they were, or have read.
waiting = Table(
    "waiting",
    metadata,
    Column("conversation_id", Uuid, ForeignKey("conversations.id"), primary_key=True),
    Column("user_id", Uuid, primary_key=True),
    Column("seq", Integer, nullable=False),
    Column("due_at", DateTime(timezone=True), nullable=False),
    Column("told", Boolean, nullable=False, server_default="false"),
)
Index("waiting_due", waiting.c.due_at, postgresql_where=text("NOT told"))
Index("waiting_of_user", waiting.c.user_id)

blocks = Table(
    "blocks",
    metadata,
    Column("business_id", Uuid, primary_key=True),
    Column("client_id", Uuid, primary_key=True),
    # The side that does not want to hear the other: 'business' or 'client'.
    Column("side", Text, primary_key=True),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    CheckConstraint("side IN ('business', 'client')", name="known_side"),
)
Index("blocks_of_client", blocks.c.client_id)

reports = Table(
    "reports",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("conversation_id", Uuid, ForeignKey("conversations.id"), nullable=False),
    Column("user_id", Uuid, nullable=False),
    Column("reason", Text, nullable=False),
    Column("seq", Integer),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)
Index("reports_created_at", reports.c.created_at, reports.c.id)
Index("reports_of_reporter", reports.c.user_id)
