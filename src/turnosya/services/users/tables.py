"""The tables of users."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    ARRAY,
    Boolean,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

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
    Column("photo_file_id", Uuid),
)
# One account an address, however its letters are cased.
Index("people_email_key", func.lower(people.c.email), unique=True)
# A handful of millions.
Index("people_admins", people.c.id, postgresql_where=text("'admin' = ANY(roles)"))

# Kept here as well as in auth, whose Redis may come back empty.
blocks = Table(
    "blocks",
    metadata,
    Column("user_id", Uuid, ForeignKey("people.id", ondelete="CASCADE"), primary_key=True),
    Column("reason", Text, nullable=False),
    Column("blocked_by", Uuid, nullable=False),
    Column("blocked_at", DateTime(timezone=True), nullable=False),
)


def _of_a_person(*, primary_key: bool = False) -> Column[Any]:
    person = ForeignKey("people.id", ondelete="CASCADE")
    return Column("user_id", Uuid, person, primary_key=primary_key, nullable=False)


# Only of those who chose: who has no row has the defaults.
notification_settings = Table(
    "notification_settings",
    metadata,
    _of_a_person(primary_key=True),
    Column("push", Boolean, nullable=False),
    Column("email", Boolean, nullable=False),
    Column("whatsapp_important", Boolean, nullable=False),
    Column("reminder_minutes_before", ARRAY(Integer), nullable=False),
    Column("quiet_from", Text),
    Column("quiet_to", Text),
)

# A token belongs to one person: who signs in on a device takes it over.
devices = Table(
    "devices",
    metadata,
    Column("token", Text, primary_key=True),
    _of_a_person(),
    Column("platform", Text, nullable=False),
    Column("subscription", JSONB(none_as_null=True)),
    Column("seen_at", DateTime(timezone=True), nullable=False),
    Column("session_id", Uuid),
    Index("devices_of_person", "user_id", "seen_at"),
)

phone_changes = Table(
    "phone_changes",
    metadata,
    Column("id", Uuid, primary_key=True),
    _of_a_person(),
    Column("previous_phone", Text, nullable=False),
    Column("changed_at", DateTime(timezone=True), nullable=False),
    Column("undo_until", DateTime(timezone=True), nullable=False),
    Column("undone_at", DateTime(timezone=True)),
    Index("phone_changes_of_person", "user_id", "changed_at"),
    Index("phone_changes_previous", "previous_phone", "undo_until"),
)

# The address of the last confirmation that was asked for; it counts while it is the person's own.
email_confirmations = Table(
    "email_confirmations",
    metadata,
    _of_a_person(primary_key=True),
    Column("id", Uuid, nullable=False),
    Column("email", Text, nullable=False),
    Column("asked_at", DateTime(timezone=True), nullable=False),
    Column("confirmed_at", DateTime(timezone=True)),
    Column("asked_lately", ARRAY(DateTime(timezone=True)), nullable=False, server_default=text("'{}'")),
    Index("email_confirmations_id", "id", unique=True),
)

# Until every service that knew the person has confirmed that it has forgotten them.
erasures = Table(
    "erasures",
    metadata,
    Column("user_id", Uuid, primary_key=True),
    Column("asked_at", DateTime(timezone=True), nullable=False),
    Column("told_at", DateTime(timezone=True), nullable=False),
    Column("key", Text, nullable=False),
    Column("waiting_for", ARRAY(Text), nullable=False),
)
