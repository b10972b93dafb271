"""The tables of users."""

from __future__ import annotations

from sqlalchemy import ARRAY, Column, DateTime, ForeignKey, Index, MetaData, Table, Text, Uuid, func

metadata = MetaData()

people = Table(
    "people",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("phone", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("email", Text),
    Column("locale", Text, nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("roles", ARRAY(Text), nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
)
# One account an address, however its letters are cased.
Index("people_email_key", func.lower(people.c.email), unique=True)

# Kept here as well as in auth, whose Redis may come back empty.
blocks = Table(
    "blocks",
    metadata,
    Column("user_id", Uuid, ForeignKey("people.id", ondelete="CASCADE"), primary_key=True),
    Column("reason", Text, nullable=False),
    Column("blocked_by", Uuid, nullable=False),
    Column("blocked_at", DateTime(timezone=True), nullable=False),
)
