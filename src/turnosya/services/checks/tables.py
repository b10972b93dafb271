"""The tables of checks."""

from sqlalchemy import Column, DateTime, Index, MetaData, Table, Text, Uuid

metadata = MetaData()

# What happened to accounts: ids and words of ours, nothing that a person wrote.
audit = Table(
    "audit",
    metadata,
    # That of the event, so that one told twice is one row.
    Column("id", Uuid, primary_key=True),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("service", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("actor_id", Uuid),
    Column("subject_id", Uuid),
    Column("session_id", Uuid),
    Column("reason", Text),
    Index("audit_at", "at", "id"),
    Index("audit_of_actor", "actor_id", "at", "id"),
    Index("audit_of_subject", "subject_id", "at", "id"),
    Index("audit_of_kind", "kind", "at", "id"),
)
