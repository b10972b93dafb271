"""The tables of files."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, DateTime, ForeignKey, Index, Integer, MetaData, Table, Text, Uuid

metadata = MetaData()

# What lies in the store: one object for each content, whoever uploaded it. Its key is made anew each time,
# so that whoever deletes an object cannot meet one that is just being written.
blobs = Table(
    "blobs",
    metadata,
    Column("key", Text, primary_key=True),
    Column("sha256", Text, nullable=False, unique=True),
    Column("size_bytes", BigInteger, nullable=False),
    Column("content_type", Text, nullable=False),
)

files = Table(
    "files",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("owner_id", Uuid, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("business_id", Uuid),
    Column("conversation_id", Uuid),
    Column("width", Integer),
    Column("height", Integer),
    Column("blob", Text, ForeignKey("blobs.key"), nullable=False),
    Column("thumb", Text, ForeignKey("blobs.key")),
    Column("medium", Text, ForeignKey("blobs.key")),
    Column("created_at", DateTime(timezone=True), nullable=False),
    # Goes after this, unless something uses it.
    Column("kept_until", DateTime(timezone=True), nullable=False),
    Index("files_of_owner", "owner_id"),
    Index("files_kept_until", "kept_until"),
    Index("files_blob", "blob"),
    Index("files_thumb", "thumb"),
    Index("files_medium", "medium"),
)

uses = Table(
    "uses",
    metadata,
    Column("file_id", Uuid, ForeignKey("files.id", ondelete="CASCADE"), primary_key=True),
    Column("used_by", Text, primary_key=True),
)
