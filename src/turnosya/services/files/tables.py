"""The tables of files."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    Uuid,
    func,
    text,
)

metadata = MetaData()

# What lies in the store, once for all uploads of the same bytes. Its names begin with its id.
contents = Table(
    "contents",
    metadata,
    Column("id", Uuid, primary_key=True),
    # Of what was sent; the same bytes are not decoded and kept twice.
    Column("source_sha256", LargeBinary, nullable=False, unique=True),
    # Of what is served: pictures are written anew.
    Column("sha256", LargeBinary, nullable=False),
    Column("content_type", Text, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("width", Integer),
    Column("height", Integer),
    # Sizes of the smaller copies; null for what is no picture.
    Column("thumb_bytes", BigInteger),
    Column("medium_bytes", BigInteger),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)

# Written before the first byte of a content is stored and deleted with the row that makes it one: what is
# still here a day later was left by a process that was killed.
begun = Table(
    "begun",
    metadata,
    Column("content_id", Uuid, primary_key=True),
    Column("begun_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)
Index("begun_at", begun.c.begun_at)

files = Table(
    "files",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("content_id", Uuid, ForeignKey("contents.id"), nullable=False),
    Column("purpose", Text, nullable=False),
    Column("owner_id", Uuid, nullable=False),
    Column("business_id", Uuid),
    Column("conversation_id", Uuid),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    # Until then nobody deletes it for not being used: somebody is about to.
    Column("claimed_until", DateTime(timezone=True)),
    # When it goes if nothing uses it by then; null while something does.
    Column("drop_at", DateTime(timezone=True)),
    CheckConstraint(
        "purpose IN ('user_photo', 'business_image', 'chat_attachment', 'verification_document')",
        name="known_purpose",
    ),
)
Index("files_of_owner", files.c.owner_id, files.c.id)
Index("files_of_content", files.c.content_id)
Index("files_to_drop", files.c.drop_at, postgresql_where=text("drop_at IS NOT NULL"))

uses = Table(
    "uses",
    metadata,
    Column("place", Text, primary_key=True),
    Column("file_id", Uuid, ForeignKey("files.id", ondelete="CASCADE"), primary_key=True),
)
Index("uses_of_file", uses.c.file_id)
